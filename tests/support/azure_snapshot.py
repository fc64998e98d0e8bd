"""What the examples in infra/azure deploy, from their snapshots: resources with evaluated names and
values. What only Azure knows, such as a principal's ID, is an expression: `[reference(...)]`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
AZURE = ROOT / "infra" / "azure"
SNAPSHOTS = AZURE / "snapshots"
EXAMPLES = sorted(path.name.removesuffix(".snapshot.json") for path in SNAPSHOTS.glob("*.json"))
PLATFORMS = [example for example in EXAMPLES if example.startswith("main.")]
"""The examples of main.bicep; the others are workers in one of them."""


@dataclass(frozen=True)
class Resource:
    example: str
    type: str
    name: str
    id: str
    body: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.example}: {self.type} {self.name}"

    def at(self, path: str) -> Any:
        """The value at a path like `properties.sku.name`, or None."""
        value: Any = self.body
        for part in path.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        return value

    @property
    def scope(self) -> str:
        """The ID of the resource that this one extends, such as a role assignment."""
        expression = re.match(r"\[extensionResourceId\('([^']+)'", self.id)
        return expression[1] if expression else self.id.rpartition(f"/providers/{self.type}/")[0]


@cache
def resources(example: str) -> tuple[Resource, ...]:
    """All that an example deploys: `main.dev`, `root-worker.prod`."""
    return read(SNAPSHOTS / f"{example}.snapshot.json")


def read(snapshot: Path) -> tuple[Resource, ...]:
    """The resources of a snapshot."""
    example = snapshot.name.removesuffix(".snapshot.json")
    return tuple(
        Resource(example, each["type"], each["name"], each["id"], each)
        for each in _json(snapshot)["predictedResources"]
    )


def made(type: str, *examples: str) -> list[Resource]:
    """Every resource of a type in these examples, or in all."""
    found = [each for name in examples or EXAMPLES for each in resources(name) if each.type == type]
    assert found, f"no example deploys {type}"
    return found


def only(type: str, example: str) -> Resource:
    [resource] = made(type, example)
    return resource


def outputs(example: str) -> dict[str, Any]:
    """What a deployment puts out, evaluated."""
    values = _json(SNAPSHOTS / f"{example}.snapshot.json")["outputs"]
    assert isinstance(values, dict)
    return values


def token(example: str) -> str:
    """The part of all names that makes them unique."""
    value = outputs(example)["PLATFORM_TOKEN"]
    assert isinstance(value, str)
    return value


def alerts() -> dict[str, list[Resource]]:
    """Every alert, in each example that has it, by its name without the token at its end."""
    found: dict[str, list[Resource]] = {}
    for kind in ("metricAlerts", "scheduledQueryRules"):
        for rule in made(f"Microsoft.Insights/{kind}"):
            found.setdefault(rule.name.rpartition("-")[0], []).append(rule)
    return found


def announcements() -> dict[str, list[Resource]]:
    """Every event that Event Grid turns into an alert, by its subscription's name."""
    found: dict[str, list[Resource]] = {}
    for each in made("Microsoft.EventGrid/systemTopics/eventSubscriptions"):
        if each.at("properties.destination.endpointType") == "MonitorAlert":
            found.setdefault(each.name.rpartition("/")[2], []).append(each)
    return found


def query(alert: str) -> str:
    """The log query of an alert; the same in every example."""
    [text] = {rule.at("properties.criteria")["allOf"][0]["query"] for rule in alerts()[alert]}
    assert isinstance(text, str)
    return text


def variables(given: list[dict[str, Any]]) -> dict[str, str]:
    """The values, or names of secrets, of `{name, value}` and `{name, secretRef}`, by name."""
    return {each["name"]: str(each.get("value", each.get("secretRef"))) for each in given}


def site(example: str, name: str = "func") -> Resource:
    """The function app of the listeners; `app` is the HTTP application's, where there is one."""
    [found] = [
        each
        for each in made("Microsoft.Web/sites", example)
        if each.name == f"{name}-{token(example)}"
    ]
    return found


def app_settings(example: str, name: str = "func") -> dict[str, str]:
    """The settings of `site`."""
    return variables(site(example, name).at("properties.siteConfig.appSettings"))


def is_of_the_application(resource: Resource) -> bool:
    """Whether a resource is there for the HTTP application alone."""
    name = resource.name.replace(token(resource.example), "")
    return bool(re.search(r"^(plan-)?app-$|^stapp|application|^pep-app-", name))


def _json(snapshot: Path) -> dict[str, Any]:
    content = json.loads(snapshot.read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return content
