"""What is wrong with the references within a CloudFormation template, under any combination of its
conditions: they lead nowhere, to a resource that may be absent, or in a circle. A parameter, a
condition, a rule or a mapping that decides nothing, a security group's rule and a policy's Sid that
are there twice.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from itertools import combinations, product
from typing import Any, Final, NamedTuple

from tests.gates.cloudformation_conditions import Conditions, Guard, circle
from tests.support.cloudformation import walk

Template = dict[str, Any]

RULE_LISTS: Final = ("SecurityGroupIngress", "SecurityGroupEgress")
RULE_RESOURCES: Final = tuple(f"AWS::EC2::{kind}" for kind in RULE_LISTS)


class Reference(NamedTuple):
    """Where something refers to a parameter or a resource, and what has to hold for that."""

    target: str
    attribute: str
    guards: tuple[Guard, ...]


def faults(
    template: Template,
    nested: Mapping[str, Template] | None = None,
    conditions: Conditions | None = None,
) -> list[str]:
    """One line for each fault of a template without SAM's resources. `nested` has the templates of
    its nested stacks by their logical IDs, and `conditions`, its own, counts what is tried."""
    graph = _Graph(template, nested or {}, conditions or Conditions(template))
    undefined = [*graph.undefined(), *graph.circular_conditions()]
    if undefined:  # the others would stumble over these
        return list(dict.fromkeys(undefined))
    found = [
        *graph.dangling(),
        *graph.unmapped(),
        *graph.absent(),
        *graph.circles(),
        *graph.rules_twice(),
        *graph.sids_twice(),
    ]
    return list(dict.fromkeys(found))


def unused(template: Template, conditions: Conditions | None = None) -> list[str]:
    """One line for each parameter, condition, rule and mapping that decides nothing. None where
    conditions go in a circle, which `faults` finds. `conditions`, the template's own, counts what
    is tried."""
    conditions = conditions or Conditions(template)
    if conditions.circle():
        return []
    sections = {key: template.get(key, {}) for key in ("Globals", "Resources", "Outputs")}
    referred = [*references(sections)]
    named = {name for name in _conditions(sections) if isinstance(name, str)}
    used = {name for one in named for name in conditions.used_by(one)}
    compared = [*references([conditions.defined.get(name) for name in used])]
    targets = {each.target for each in referred + compared}
    return [
        *(
            f"parameter {name} is unused"
            for name in template.get("Parameters", {})
            if name not in targets
        ),
        *(f"condition {name} is unused" for name in conditions.defined if name not in used),
        *_decided(template, conditions),
        *(f"mapping {name} is unused" for name in _unused_mappings(template)),
    ]


def _unused_mappings(template: Template) -> list[str]:
    named = {lookup[0] for lookup in _lookups(template) if isinstance(lookup[0], str)}
    return [name for name in template.get("Mappings", {}) if name not in named]


def _lookups(value: Any) -> Iterator[list[Any]]:
    """The arguments of all `Fn::FindInMap`: a mapping and two keys."""
    for each in walk(value):
        if isinstance(each, dict) and "Fn::FindInMap" in each:
            yield each["Fn::FindInMap"]


def _decided(template: Template, conditions: Conditions) -> Iterator[str]:
    """Conditions that no parameters change, and rules that therefore never apply: they compare a
    parameter with what it cannot be."""
    for name in conditions.defined:
        if not set(conditions.used_by(name)) <= set(conditions.defined):
            continue  # which is a fault of its own
        for met, word in ((True, "never"), (False, "always")):
            if conditions.possible([(name, met)]) is None:
                yield f"condition {name} is {word} met"
    for name, rule in template.get("Rules", {}).items():
        when = rule.get("RuleCondition")
        if when and conditions.possible([(when, True)]) is None:
            yield f"rule {name} never applies"


def _conditions(value: Any) -> Iterator[Any]:
    """The conditions of resources and outputs, and of all `Fn::If`."""
    for each in walk(value):
        if isinstance(each, dict):
            if "Fn::If" in each:
                yield each["Fn::If"][0]
            yield each.get("Condition")


def references(value: Any, guards: tuple[Guard, ...] = ()) -> Iterator[Reference]:
    """All references within a value."""
    match value:
        case {"Ref": str(name)} if len(value) == 1:
            yield Reference(name, "", guards)
        case {"Fn::GetAtt": str(path)}:
            name, _, attribute = path.partition(".")
            yield Reference(name, attribute, guards)
        case {"Fn::GetAtt": [name, attribute]}:
            yield Reference(name, str(attribute), guards)
        case {"Fn::Sub": str(pattern)}:
            yield from _in_pattern(pattern, {}, guards)
        case {"Fn::Sub": [pattern, variables]}:
            yield from _in_pattern(pattern, variables, guards)
            yield from references(variables, guards)
        case {"Fn::If": [condition, yes, no]}:
            yield from references(yes, (*guards, (condition, True)))
            yield from references(no, (*guards, (condition, False)))
        case dict():
            for child in value.values():
                yield from references(child, guards)
        case list():
            for child in value:
                yield from references(child, guards)
        case _:
            pass


def _in_pattern(
    pattern: str, variables: Mapping[str, Any], guards: tuple[Guard, ...]
) -> Iterator[Reference]:
    for path in re.findall(r"\$\{([^!}][^}]*)\}", pattern):
        name, _, attribute = path.strip().partition(".")
        if name not in variables:
            yield Reference(name, attribute, guards)


def alternatives(
    value: Any, guards: tuple[Guard, ...] = ()
) -> Iterator[tuple[Any, tuple[Guard, ...]]]:
    """What a value may be, without `Fn::If` around it, each with what has to hold for that."""
    match value:
        case {"Fn::If": [condition, yes, no]}:
            yield from alternatives(yes, (*guards, (condition, True)))
            yield from alternatives(no, (*guards, (condition, False)))
        case {"Ref": "AWS::NoValue"}:
            pass
        case _:
            yield value, guards


def members(value: Any, guards: tuple[Guard, ...] = ()) -> Iterator[tuple[Any, tuple[Guard, ...]]]:
    """What may be in a list, each with what has to hold for that."""
    for whole, outer in alternatives(value, guards):
        for each in whole if isinstance(whole, list) else [whole]:
            yield from alternatives(each, outer)


class _Graph:
    def __init__(
        self, template: Template, nested: Mapping[str, Template], conditions: Conditions
    ) -> None:
        self._nested = nested
        self._conditions = conditions
        self._mappings: Template = template.get("Mappings", {})
        self._parameters = template.get("Parameters", {})
        self._resources: Template = template["Resources"]
        self._outputs: Template = template.get("Outputs", {})

    def _owners(self) -> Iterator[tuple[str, Any, tuple[Guard, ...]]]:
        """Resources and outputs: what a message calls them, their bodies, and when they exist."""
        for id, body in self._resources.items():
            yield id, body, self._exists(id)
        for name, body in self._outputs.items():
            condition = body.get("Condition")
            yield f"output {name}", body, ((condition, True),) if condition else ()

    def _exists(self, id: str) -> tuple[Guard, ...]:
        condition = self._resources[id].get("Condition")
        return ((condition, True),) if condition else ()

    def _references(self, body: Any, guards: tuple[Guard, ...]) -> Iterator[Reference]:
        depends = body.get("DependsOn", [])
        for id in depends if isinstance(depends, list) else [depends]:
            yield Reference(id, "", guards)
        for key in ("Properties", "Value", "Export", "UpdatePolicy", "CreationPolicy"):
            yield from references(body.get(key), guards)

    def undefined(self) -> Iterator[str]:
        """Conditions that are named and not there."""
        places = [("condition", self._conditions.defined), *((o, b) for o, b, _ in self._owners())]
        for owner, body in places:
            for name in _conditions(body):
                if isinstance(name, str) and name not in self._conditions.defined:
                    yield f"{owner}: there is no condition {name}"

    def circular_conditions(self) -> Iterator[str]:
        if found := self._conditions.circle():
            yield f"{' -> '.join(found)} is a circle of conditions"

    def unmapped(self) -> Iterator[str]:
        """What is looked up in a mapping, and not there. Keys that are references may be."""
        places = [
            ("a condition", self._conditions.defined),
            *((o, b) for o, b, _ in self._owners()),
        ]
        for owner, body in places:
            for mapping, *keys in _lookups(body):
                if isinstance(mapping, dict):
                    continue  # a reference chooses it
                if mapping not in self._mappings:
                    yield f"{owner}: there is no mapping {mapping}"
                elif not _found(self._mappings[mapping], keys[:2]):
                    yield f"{owner}: the mapping {mapping} has no {'.'.join(map(str, keys[:2]))}"

    def dangling(self) -> Iterator[str]:
        compared = [("a condition", {"Value": self._conditions.defined}, ())]
        for owner, body, exists in [*self._owners(), *compared]:
            for target, attribute, _ in self._references(body, exists):
                if target.startswith("AWS::") or (target in self._parameters and not attribute):
                    continue
                if target not in self._resources or owner == "a condition":
                    yield f"{owner}: there is no {target}"
                elif target in self._nested and attribute.startswith("Outputs."):
                    name = attribute.removeprefix("Outputs.")
                    outputs = self._nested[target].get("Outputs", {})
                    if name not in outputs:
                        yield f"{owner}: the nested stack {target} has no output {name}"
                    elif "Condition" in outputs[name]:
                        yield f"{owner}: the nested stack {target} may have no output {name}"
        for id, inner in self._nested.items():
            given = self._resources[id].get("Properties", {}).get("Parameters", {})
            takes = inner.get("Parameters", {})
            needs = {name for name, spec in takes.items() if "Default" not in spec}
            for name in sorted(set(given) - set(takes)):
                yield f"{id}: its template has no parameter {name}"
            for name in sorted(needs - set(given)):
                yield f"{id}: its template needs the parameter {name}"

    def absent(self) -> Iterator[str]:
        """References to resources that are not there when what refers to them is."""
        for owner, body, exists in self._owners():
            for target, _, guards in self._references(body, exists):
                condition = self._resources.get(target, {}).get("Condition")
                if not condition:
                    continue
                if when := self._conditions.possible([*guards, (condition, False)]):
                    yield f"{owner}: {target} does not exist where {when}"

    def circles(self) -> Iterator[str]:
        edges: dict[tuple[str, str], list[tuple[Guard, ...]]] = {}
        for id, body in self._resources.items():
            for target, _, guards in self._references(body, self._exists(id)):
                if target in self._resources:
                    edges.setdefault((id, target), []).append(guards)
        for group in _strongly_connected(set(edges)):
            inside = {edge: each for edge, each in edges.items() if set(edge) <= group}
            names = sorted({c for each in inside.values() for guards in each for c, _ in guards})
            for met in product([True, False], repeat=len(names)):
                world = dict(zip(names, met, strict=True))
                when = self._conditions.possible([*world.items()]) if names else "always"
                active = [
                    edge
                    for edge, each in inside.items()
                    if any(all(world[c] is met for c, met in guards) for guards in each)
                ]
                if when and (found := circle(active)):
                    yield f"{' -> '.join(found)} is a circle where {when}"
                    break

    def rules_twice(self) -> Iterator[str]:
        """Rules of security groups that EC2 takes for the same."""
        groups: dict[str, list[tuple[dict[str, Any], tuple[Guard, ...]]]] = {}
        for id, body in self._resources.items():
            properties = body.get("Properties", {})
            for key in RULE_LISTS:
                if body["Type"] == "AWS::EC2::SecurityGroup" and key in properties:
                    group = f"{key} of {id}"
                    groups.setdefault(group, []).extend(members(properties[key], self._exists(id)))
            if body["Type"] in RULE_RESOURCES:
                kind = body["Type"].rpartition(":")[2]
                group = f"{kind} of {_group(properties.get('GroupId'))}"
                groups.setdefault(group, []).append((properties, self._exists(id)))
        for group, rules in groups.items():
            for (one, first), (other, second) in combinations(rules, 2):
                if when := self._equal(one, other, [*first, *second]):
                    names = [str(each.get("Description", each)) for each in (one, other)]
                    yield f"{group}: {' and '.join(names)} are one rule where {when}"

    def _equal(self, one: dict[str, Any], other: dict[str, Any], guards: list[Guard]) -> str | None:
        """When two rules allow the same. Their descriptions make no difference to EC2."""
        keys = sorted((set(one) | set(other)) - {"Description", "GroupId"})
        for values in product(
            *(
                [
                    (a, b, (*when, *and_when))
                    for a, when in [*alternatives(one.get(key))] or [(None, ())]
                    for b, and_when in [*alternatives(other.get(key))] or [(None, ())]
                ]
                for key in keys
            )
        ):
            needed = [*guards, *(guard for _, _, some in values for guard in some)]
            pairs = [({"Fn::Equals": [str_of(a), str_of(b)]}, True) for a, b, _ in values]
            if when := self._conditions.possible([*needed, *pairs]):
                return when
        return None

    def sids_twice(self) -> Iterator[str]:
        for id, body in self._resources.items():
            for document in _policies(body.get("Properties", {})):
                named = [
                    (each["Sid"], guards)
                    for each, guards in members(document["Statement"], self._exists(id))
                    if isinstance(each, dict) and "Sid" in each
                ]
                for (one, first), (other, second) in combinations(named, 2):
                    when = one == other and self._conditions.possible([*first, *second])
                    if when:
                        yield f"{id}: a policy has two statements {one} where {when}"


def _found(mapping: Any, keys: list[Any]) -> bool:
    """Whether a mapping has a value for these keys, of which references may be any key."""
    if not keys:
        return True
    key, *rest = keys
    children = mapping.values() if isinstance(key, dict) else [mapping.get(str(key), {})]
    return any(each and _found(each, rest) for each in children)


def _group(value: Any) -> str:
    """A security group as the template refers to it."""
    found = [each.target for each in references(value)]
    return " or ".join(found) or json.dumps(value)


def str_of(value: Any) -> Any:
    """A side of `Fn::Equals`: an expression as it is, anything else as text."""
    return value if isinstance(value, dict) else str(value)


def _policies(value: Any) -> Iterator[dict[str, Any]]:
    for each in walk(value):
        if isinstance(each, dict) and "Statement" in each:
            yield each


def _strongly_connected(edges: set[tuple[str, str]]) -> list[set[str]]:
    """The largest groups of nodes that all lead to each other, or to themselves."""
    reached: dict[str, set[str]] = {}
    for start in {one for one, _ in edges}:
        reached[start], waiting = set(), [start]
        while waiting:
            here = waiting.pop()
            for one, other in edges:
                if one == here and other not in reached[start]:
                    reached[start].add(other)
                    waiting.append(other)
    groups: list[set[str]] = []
    for node, others in sorted(reached.items()):
        if node in others and not any(node in group for group in groups):
            groups.append({other for other in others if node in reached.get(other, ())})
    return groups
