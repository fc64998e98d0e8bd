"""The commands of docs/oncall-import.md make the exports that are imported: they are run with real
bash and jq, and a curl that answers as the products' APIs do."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest

from core.operations.oncall_import.registry import PRODUCTS
from core.operations.oncall_import.translate import translate
from tests.support.console import BASH, ROOT
from tests.support.oncall_exports import EXPORTS, NOW, imported
from tests.support.programs import program

GUIDE: Final = (ROOT / "docs" / "oncall-import.md").read_text(encoding="utf-8")
PLACEHOLDERS: Final = {
    "first day": "2026-11-25",
    "last day": "2027-02-25",
    "an API key": "key",
    "the API key": "key",
    "your OnCall API": "oncall.example.com",
    "your GoAlert": "goalert.example.com",
}
CURL: Final = """\
#!/bin/bash
for word; do
  case $word in
    @-) cat > /dev/null ;;
    https://*) cat "${word//\\//_}" ;;
  esac
done
"""
"""Answers with what is in the file that is named like the URL, but for its slashes."""


def section(title: str) -> str:
    return GUIDE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def commands(product: str) -> str:
    """The commands of a product's section down to the import."""
    [block] = re.findall(r"```console\n(.*?)```", section(PRODUCTS[product].title), re.S)
    lines = [line.removeprefix("$ ") for line in block.splitlines()]
    assert lines[-1] == f"tidegate oncall import {product} {product}.json"
    script = "\n".join(lines[:-1])
    for placeholder, value in PLACEHOLDERS.items():
        script = script.replace(f"<{placeholder}>", value)
    assert not re.search("<[a-z]", script)
    return script


def answers(product: str) -> dict[str, Any]:
    """What the product's API answers to each URL, taken from its export."""
    export = json.loads(EXPORTS[product].read_bytes())
    match product:
        case "pagerduty":
            return dict(of_pagerduty(export))
        case "opsgenie":
            return dict(of_opsgenie(export))
        case "grafana-oncall":
            return dict(of_grafana(export))
        case _:
            return {"https://goalert.example.com/api/graphql": export}


def of_pagerduty(export: Any) -> Any:
    host = "https://api.pagerduty.com"
    more = "&include[]=contact_methods&include[]=notification_rules"
    for number, page in enumerate(export["users"]):
        yield f"{host}/users?limit=100&offset={number * 100}{more}", page
    for number, page in enumerate(export["escalation_policies"]):
        yield f"{host}/escalation_policies?limit=100&offset={number * 100}", page
    schedules = [each["schedule"] for each in export["schedules"]]
    listed = {"schedules": [{"id": each["id"]} for each in schedules], "more": False}
    yield f"{host}/schedules?limit=100&offset=0", listed
    for each in schedules:
        period = "since=2026-11-25&until=2027-02-25"
        yield f"{host}/schedules/{each['id']}?{period}", {"schedule": each}


def of_opsgenie(export: Any) -> Any:
    host = "https://api.opsgenie.com/v2"
    users = [each["data"] for each in export["users"]]
    yield f"{host}/users?limit=500", {"data": [{"id": each["id"]} for each in users]}
    for each in users:
        rules = each.pop("notificationRules", [])
        yield f"{host}/users/{each['id']}?expand=contact", {"data": each}
        listed = {"data": [{"id": rule["id"]} for rule in rules]}
        yield f"{host}/users/{each['id']}/notification-rules", listed
        for rule in rules:
            id = rule["id"]
            yield f"{host}/users/{each['id']}/notification-rules/{id}", {"data": rule}
    yield f"{host}/teams", {"data": [{"id": each["data"]["id"]} for each in export["teams"]]}
    for each in export["teams"]:
        yield f"{host}/teams/{each['data']['id']}", each
    schedules = export["schedules"]["data"]
    yield f"{host}/schedules?expand=rotation", export["schedules"]
    yield f"{host}/schedules", {"data": [{"id": each["id"]} for each in schedules]}
    for each in schedules:
        own = [o for o in export["overrides"][0]["data"] if o["_parent"]["id"] == each["id"]]
        yield f"{host}/schedules/{each['id']}/overrides", {"data": own}
    yield f"{host}/escalations", export["escalations"]


def of_grafana(export: Any) -> Any:
    for name, pages in export.items():
        answered = pages if isinstance(pages, list) else [pages]
        for number, page in enumerate(answered, start=1):
            following = f"?page={number + 1}" if number < len(answered) else None
            url = f"https://oncall.example.com/api/v1/{name}/?page={number}"
            yield url, page | {"next": following}


@pytest.mark.parametrize("product", PRODUCTS)
def test_the_commands_of_the_guide_make_the_export(product: str, tmp_path: Path) -> None:
    for url, answer in answers(product).items():
        (tmp_path / url.replace("/", "_")).write_text(json.dumps(answer))
    curl = tmp_path / "curl"
    curl.write_text(CURL)
    curl.chmod(0o755)
    [query] = re.findall(r"```graphql\n(.*?)```", GUIDE, re.S)
    (tmp_path / "goalert.graphql").write_text(query)
    path = f"{tmp_path}:{Path(program('jq', package='jq')).parent}:/usr/bin:/bin"
    ran = subprocess.run(
        [BASH, "-eu", "-o", "pipefail", "-c", commands(product)],
        cwd=tmp_path,
        env={"PATH": path},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    made = translate(product, (tmp_path / f"{product}.json").read_bytes(), "export.json", NOW)
    expected = imported(product)
    assert (made.oncall, made.policies, made.commands) == (
        expected.oncall,
        expected.policies,
        expected.commands,
    )
    assert [each.what for each in made.remarks] == [each.what for each in expected.remarks]


def fields(value: Any) -> set[str]:
    """The names of all fields within a value, but for the arguments of a destination."""
    if isinstance(value, list):
        return {name for each in value for name in fields(each)}
    if isinstance(value, dict):
        inner = (fields(each) for name, each in value.items() if name != "args")
        return set(value).union(*inner)
    return set()


def test_the_query_of_the_guide_asks_for_what_is_imported_and_for_no_address() -> None:
    [query] = re.findall(r"```graphql\n(.*?)```", GUIDE, re.S)
    asked = set(re.findall(r"\w+", query)) - {"query", "first", "input", "num", "150", "1"}
    assert asked == fields(json.loads(EXPORTS["goalert"].read_bytes())) - {"data"}
    assert not {"value", "formattedValue", "email"} & asked


@pytest.mark.parametrize("product", PRODUCTS)
def test_every_section_of_an_export_is_one_that_the_guide_makes(product: str) -> None:
    assert set(json.loads(EXPORTS[product].read_bytes())) == set(PRODUCTS[product].sections)
