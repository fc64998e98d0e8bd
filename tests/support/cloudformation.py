"""CloudFormation templates as data: the short forms of functions (`!Ref`) in their long form."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.support.nested_stack import NO_VALUE, NestedStack

ROOT = Path(__file__).parents[2]
FRONT_DOOR, ALARMS, WORKERS = "template.yaml", "infra/aws/alarms.yaml", "infra/aws/workers.yaml"
REGISTRY, DEPLOYER = "infra/aws/registry.yaml", "infra/aws/deployer.yaml"
EDGE, SERVERLESS = "infra/aws/edge.yaml", "infra/aws/serverless-workers.yaml"
TEMPLATES = (FRONT_DOOR, ALARMS, WORKERS, SERVERLESS, REGISTRY, EDGE, DEPLOYER)
WORKER = "infra/aws/worker.yaml"
"""The template of one worker, nested in `WORKERS` for each of them."""


class _Loader(yaml.SafeLoader):
    """Knows every tag that begins with an exclamation mark."""


def _function(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        assert isinstance(node, yaml.MappingNode)
        value = loader.construct_mapping(node, deep=True)
    if suffix == "GetAtt":
        value = value.split(".", 1)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _function)


def parsed(text: str) -> dict[str, Any]:
    """A template, from its YAML."""
    loaded: dict[str, Any] = yaml.load(text, _Loader)  # noqa: S506  a SafeLoader
    return loaded


@cache
def template(name: str) -> dict[str, Any]:
    """The template at this path of the repository."""
    return parsed((ROOT / name).read_text(encoding="utf-8"))


def workers() -> dict[str, dict[str, Any]]:
    """The parameters of each worker's nested stack, by its logical ID."""
    return {
        id: resource["Properties"]["Parameters"]
        for id, resource in template(WORKERS)["Resources"].items()
        if resource.get("Properties", {}).get("Location") == Path(WORKER).name
    }


def all_resources(name: str) -> dict[str, dict[str, Any]]:
    """The resources of a template by logical ID. Each worker's stand in place of its nested stack,
    as `RootTask`: the stack's ID before their own."""
    found = dict(template(name)["Resources"])
    if name == WORKERS:
        for id, parameters in workers().items():
            del found[id]
            found |= NestedStack(id, template(WORKER), parameters).resources()
    return found


def resources(name: str, kind: str) -> dict[str, dict[str, Any]]:
    """Properties by logical ID of all resources of a kind, e.g. `SQS::Queue`."""
    return {
        id: resource.get("Properties", {})
        for id, resource in all_resources(name).items()
        if resource["Type"] == f"AWS::{kind}"
    }


def alternatives(value: Any) -> list[Any]:
    """What a value may be, one for each branch of `Fn::If`; nothing for `AWS::NoValue`."""
    if isinstance(value, dict) and "Fn::If" in value:
        return [found for branch in value["Fn::If"][1:] for found in alternatives(branch)]
    return [] if value == NO_VALUE else [value]


def walk(value: Any) -> Iterator[Any]:
    """A value and everything within it."""
    yield value
    if isinstance(value, dict):
        for child in value.values():
            yield from walk(child)
    elif isinstance(value, list):
        for child in value:
            yield from walk(child)


def statements(document: dict[str, Any]) -> list[dict[str, Any]]:
    """All statements of a policy document, those under a condition too."""
    return [found for each in document["Statement"] for found in alternatives(each)]


def many(value: Any) -> list[Any]:
    """A list of what may be given alone."""
    return value if isinstance(value, list) else [value]


def text(value: Any) -> str:
    """A reference as tests compare it: `DocumentsQueue.Arn`, or the pattern of a Sub."""
    match value:
        case {"Ref": name}:
            return str(name)
        case {"Fn::GetAtt": parts}:
            return ".".join(parts)
        case {"Fn::Sub": pattern}:
            return str(pattern)
        case _:
            return str(value)
