"""What CloudFormation says to a template's parameters before it makes anything: constraints of each
parameter, then the rules over several."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

Attributes = Mapping[tuple[str, str], list[str]]
"""What AWS knows about the values of a parameter, by parameter and attribute, for `Fn::ValueOf`:
("SubnetIds", "VpcId")."""


def refusals(
    template: dict[str, Any],
    given: Mapping[str, str],
    attributes: Attributes | None = None,
    *,
    region: str = "eu-west-1",
) -> list[str]:
    """The sentences with which these values are refused; none if they are accepted. Lists are
    given as people do, separated by commas. Rules are only asked about values that each are
    legal."""
    parameters = template["Parameters"]
    values = {name: str(spec["Default"]) for name, spec in parameters.items() if "Default" in spec}
    values |= given
    missing = [f"{name} is missing" for name in parameters if name not in values]
    unknown = [f"{name} is no parameter" for name in given if name not in parameters]
    illegal = [
        f"{name}: {spec.get('ConstraintDescription', 'illegal')}"
        for name, spec in parameters.items()
        if name in values and not _legal(spec, values[name])
    ]
    if found := missing + unknown + illegal:
        return found
    rules = _Rules(parameters, values, attributes or {}, region)
    return [
        assertion["AssertDescription"]
        for rule in template.get("Rules", {}).values()
        if rules.of(rule.get("RuleCondition", True))
        for assertion in rule["Assertions"]
        if not rules.of(assertion["Assert"])
    ]


def _legal(spec: dict[str, Any], value: str) -> bool:
    for each in value.split(",") if spec["Type"] == "CommaDelimitedList" else [value]:
        if "AllowedValues" in spec and each not in map(str, spec["AllowedValues"]):
            return False
        if not re.fullmatch(spec.get("AllowedPattern", "(?s:.*)"), each):
            return False
        if not spec.get("MinLength", 0) <= len(each) <= spec.get("MaxLength", 4096):
            return False
        if spec["Type"] == "Number":
            low, high = spec.get("MinValue", float("-inf")), spec.get("MaxValue", float("inf"))
            if not low <= float(each) <= high:
                return False
    return True


class _Rules:
    """Evaluates the functions of rules."""

    def __init__(
        self,
        parameters: dict[str, Any],
        values: Mapping[str, str],
        attributes: Attributes,
        region: str,
    ) -> None:
        self._parameters, self._values, self._attributes = parameters, values, attributes
        self._region = region

    def of(self, value: Any) -> Any:
        match value:
            case {"Ref": "AWS::Region"}:
                return self._region
            case {"Ref": name}:
                lists = self._parameters[name]["Type"].startswith(("List<", "CommaDelimited"))
                return self._values[name].split(",") if lists else self._values[name]
            case {"Fn::Equals": [one, other]}:
                return self.of(one) == self.of(other)
            case {"Fn::Not": [inner]}:
                return not self.of(inner)
            case {"Fn::And": parts}:
                return all(self.of(part) for part in parts)
            case {"Fn::Or": parts}:
                return any(self.of(part) for part in parts)
            case {"Fn::Contains": [several, one]}:
                return self.of(one) in self.of(several)
            case {"Fn::EachMemberEquals": [several, one]}:
                return set(self.of(several)) <= {self.of(one)}
            case {"Fn::EachMemberIn": [several, others]}:
                return set(self.of(several)) <= set(self.of(others))
            case {"Fn::ValueOf": [name, attribute]}:
                return self._attributes[name, attribute]
            case dict():
                raise AssertionError(f"a rule has no such function: {value}")
            case list():
                return [self.of(each) for each in value]
            case _:
                return value
