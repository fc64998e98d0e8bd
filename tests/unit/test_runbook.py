"""The runbook, the threat model and the costs agree with the code, templates and histories."""

from __future__ import annotations

import json
import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer

from core.cli.main import app
from tests.support.azure_snapshot import alerts
from tests.support.cloudformation import ALARMS, FRONT_DOOR, TEMPLATES, WORKERS, all_resources

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
HISTORIES = ROOT / "tests" / "histories"
PAGES = [
    *sorted(str(path.relative_to(DOCS).with_suffix("")) for path in DOCS.rglob("*.md")),
    "../README",
    "../CONTRIBUTING",
]


def page(name: str) -> str:
    return (DOCS / f"{name}.md").read_text(encoding="utf-8")


# ------------------------------------------------------------------------------------- alarms


def sections(chapter: str) -> list[tuple[list[str], str]]:
    """The names in each `###` heading of a chapter of the runbook, and the text under it."""
    [body] = re.findall(rf"^## {chapter}\n(.*?)(?=^## )", page("operate"), re.M | re.S)
    found = re.findall(r"^### (.*?)\n(.*?)(?=^### |\Z)", body, re.M | re.S)
    return [(re.findall(r"`([\w-]+)`", head), text) for head, text in found]


def named(chapter: str) -> list[str]:
    """Every alarm that has a section, as often as it has one."""
    return sorted(name for names, _ in sections(chapter) for name in names)


def alarms() -> set[str]:
    """The logical IDs of all alarms on AWS."""
    kinds = ("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm")
    found = {
        name: {id for id, each in all_resources(name).items() if each["Type"] in kinds}
        for name in TEMPLATES
    }
    assert all(found[name] for name in (FRONT_DOOR, ALARMS, WORKERS))
    return set().union(*found.values())


def test_the_alarms_of_aws_are_those_in_the_runbook() -> None:
    assert named("Alarms on AWS") == sorted(alarms())


def test_the_alarms_of_aws_are_those_in_the_list_of_them() -> None:
    [listed] = re.findall(r"^\| Alarm \| When \|\n(.*?)\n\n", page("deploy-aws"), re.M | re.S)
    names = [
        name for row in listed.splitlines() for name in re.findall(r"`(\w+)`", row.split("|")[1])
    ]
    assert sorted(names) == sorted(alarms())


def test_each_alarm_of_aws_is_paid_for() -> None:
    [count] = re.findall(r"^\| Alarms \| (\d+) \* ", page("costs"), re.M)
    assert int(count) == len(alarms())


def test_the_alerts_of_azure_are_those_in_the_runbook() -> None:
    assert named("Alerts on Azure") == sorted(alerts())


POINTS = ("Most likely", "Look", "Do", "Do not")


@pytest.mark.parametrize("chapter", ["Alarms on AWS", "Alerts on Azure"])
def test_every_alarm_is_explained_in_the_same_shape(chapter: str) -> None:
    """What it means, then four points in their order."""
    for names, text in sections(chapter):
        meaning, *points = re.split(r"^- \*\*(.*?)\*\*", text, flags=re.M)
        if names:
            assert meaning.strip(), names
            assert tuple(points[::2]) == POINTS, names


@pytest.mark.parametrize("chapter", ["Alarms on AWS", "Alerts on Azure"])
def test_what_no_alarm_reports_is_said(chapter: str) -> None:
    [(_, text)] = [each for each in sections(chapter) if not each[0]]
    assert text.startswith("\n- ")


# ------------------------------------------------------------------------- commands and links


@cache
def commands() -> dict[str, set[str]]:
    """Each command, and the options that it takes."""
    found: dict[str, set[str]] = {}

    def collect(command: Any, path: str) -> None:
        children = getattr(command, "commands", {})
        for name, child in children.items():
            collect(child, f"{path} {name}")
        if not children:
            found[path] = {option for each in command.params for option in each.opts}

    collect(typer.main.get_command(app), "tidegate")
    return found


def named_commands(text: str) -> list[str]:
    """What is formatted as code and begins with `tidegate`."""
    spans = re.findall(r"`(tidegate [^`]+)`", text)
    blocks = re.findall(r"```console\n(.*?)```", text, re.S)
    lines = [line for block in blocks for line in block.splitlines()]
    return spans + [line for line in lines if re.match(r"(\S*/)?tidegate ", line)]


@pytest.mark.parametrize("name", PAGES)
def test_every_command_that_is_named_exists(name: str) -> None:
    for line in named_commands(page(name)):
        command = re.split(r"\s+[#|]", line.partition("tidegate")[2])[0]
        words = command.replace("[", " ").replace("]", " ").split()
        path = [c for c in commands() if f"tidegate {' '.join(words)} ".startswith(f"{c} ")]
        groups = [c for c in commands() if c.startswith(f"tidegate {' '.join(words)} ")]
        assert path or groups or words == ["--help"] or words[0] == "COMMAND", line
        for option in [word for word in words if word.startswith("--") and word != "--help"]:
            assert any(option.partition("=")[0] in commands()[c] for c in path), line


def test_a_command_that_does_not_exist_is_found() -> None:
    """So that the test above can fail."""
    assert named_commands(
        "`tidegate quarantine purge` and\n```console\ntidegate doctor  # why\n```"
    ) == [
        "tidegate quarantine purge",
        "tidegate doctor  # why",
    ]
    assert "tidegate quarantine purge" not in commands()
    assert "--all" in commands()["tidegate quarantine replay"]


def anchors(text: str) -> set[str]:
    """How the headings of a page can be linked to."""
    heads = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", text, flags=re.S), re.M)
    names = [re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads]
    before = [names[:n].count(name) for n, name in enumerate(names)]
    return {f"{name}-{n}" if n else name for name, n in zip(names, before, strict=True)}


def test_headings_of_the_same_name_get_different_anchors() -> None:
    assert anchors("# A\n## `B c`\n### b c\n") == {"a", "b-c", "b-c-1"}


def test_the_runbook_leads_to_how_each_part_was_deployed() -> None:
    linked = {file for file, _ in re.findall(r"\]\(([\w./-]*)(#[\w-]+)?\)", page("operate"))}
    assert {"deploy-aws.md", "deploy-azure.md", "workers.md"} <= linked


@pytest.mark.parametrize("name", PAGES)
def test_links_into_pages_lead_to_a_heading(name: str) -> None:
    for file, anchor in re.findall(r"\]\(([\w./-]*)#([\w-]+)\)", page(name)):
        here = DOCS / f"{name}.md"
        target = here.parent / file if file else here
        assert anchor in anchors(target.read_text(encoding="utf-8")), f"{file}#{anchor}"


def test_every_test_that_the_threats_name_exists() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", page("security"))
    assert len(named) > 30
    for file, function in named:
        source = (ROOT / file).read_text(encoding="utf-8")
        assert re.search(rf"^(async )?def {function}\(", source, re.M), f"{file}::{function}"


# -------------------------------------------------------------------------------------- costs


def actions(history: str) -> Counter[str]:
    """The billable Actions in a history, by kind, as Temporal Cloud counts them.

    The start of a child is its parent's. Heartbeats and queries leave no trace in a history.
    Source: Temporal Cloud, "Actions".
    """
    found: Counter[str] = Counter()
    with_markers: set[str] = set()
    for event in json.loads((HISTORIES / f"{history}.json").read_text())["events"]:
        [attributes] = [value for key, value in event.items() if key.endswith("Attributes")] or [{}]
        match event["eventType"].removeprefix("EVENT_TYPE_"):
            case "WORKFLOW_EXECUTION_STARTED" if history.startswith("root-"):
                found["Start"] += 1
            case "START_CHILD_WORKFLOW_EXECUTION_INITIATED":
                found["Child"] += 2
            case "SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED":
                found["Signal"] += 1
            case "MARKER_RECORDED":
                with_markers.add(attributes["workflowTaskCompletedEventId"])
            case "ACTIVITY_TASK_SCHEDULED":
                found["Activities"] += 1
            case "ACTIVITY_TASK_STARTED":
                found["Retries"] += int(attributes.get("attempt", 1)) - 1
            case "TIMER_STARTED":
                found["Timers"] += 1
            case "WORKFLOW_EXECUTION_UPDATE_ACCEPTED":
                found["Updates"] += 1
            case "UPSERT_WORKFLOW_SEARCH_ATTRIBUTES":
                fields = attributes["searchAttributes"]["indexedFields"]
                found["Upserts"] += set(fields) != {"TemporalChangeVersion"}
            case _:
                pass  # no Action
    found["Local activities"] = len(with_markers)
    return +found


def delivered(history: str) -> Counter[str]:
    """The Actions that bring events to the workflow of a history: all of a root orchestrator's. An
    incident's own are counted apart; a signal that starts it is one with the start."""
    if history.startswith("root-"):
        return actions(history)
    events = json.loads((HISTORIES / f"{history}.json").read_text())["events"]
    by_signal = "input" not in events[0]["workflowExecutionStartedEventAttributes"]
    signals = sum(each["eventType"].endswith("_EXECUTION_SIGNALED") for each in events)
    return +Counter({"Start": 1, "Signal": signals - by_signal})


def table(first: str) -> list[dict[str, str]]:
    """The rows of the table of costs.md whose first column is called so."""
    rows = re.findall(rf"^(\| {first} \|.*?)\n\n", page("costs"), re.M | re.S)[0].splitlines()
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    return [dict(zip(cells[0], row, strict=True)) for row in cells[2:]]


KINDS = ("Start", "Local activities", "Child", "Signal", "Activities")


@pytest.mark.parametrize("row", table("Event"), ids=lambda row: row["Recorded as"].strip("`"))
def test_the_actions_of_an_event_are_those_of_its_recorded_history(row: dict[str, str]) -> None:
    listed = {kind: int(row[kind]) for kind in KINDS}
    recorded = row["Recorded as"].strip("`")
    counted = Counter() if recorded == "nothing" else delivered(recorded)
    assert listed == {kind: counted[kind] for kind in KINDS}
    assert int(row["Sum"]) == sum(listed.values()) == counted.total()


def test_every_way_that_an_event_can_go_has_its_cost() -> None:
    """Ways that differ by their route alone cost the same."""
    named = {row["Recorded as"].strip("`") for row in table("Event")}
    for path in HISTORIES.glob("root-*.json"):
        same = [name for name in named - {"nothing"} if delivered(name) == actions(path.stem)]
        assert path.stem in named or same, path.stem


@pytest.mark.parametrize("row", table("History"), ids=lambda row: row["History"].strip("`"))
def test_the_actions_of_an_incident_are_those_of_its_recorded_history(row: dict[str, str]) -> None:
    assert actions(row["History"].strip("`")).total() == int(row["Actions of its own"])


def test_an_alert_costs_one_action_before_its_incidents_own() -> None:
    """And its opening takes one workflow task, whose local activities are one Action together."""
    assert delivered("incident-alert-opened").total() == 1
    joined, opened = delivered("incident-alert-joined"), delivered("incident-alert-opened")
    assert joined - opened == Counter(Signal=3)
    assert actions("incident-alert-joined") == actions("incident-alert-opened")
    assert actions("incident-alert-opened")["Local activities"] == 1


def test_the_arithmetic_of_a_million_events_adds_up() -> None:
    for row in table("A million events of which"):
        cells = list(row.values())[1:]
        for sum_, dollars in zip(cells[::2], cells[1::2], strict=True):
            formula, _, result = sum_.replace(",", "").rpartition(" = ")
            number = int(result)
            if formula:
                assert eval(formula) == number, sum_  # noqa: S307  our own page
            assert round(number * 50 / 1_000_000) == int(dollars.replace(",", ""))


def test_the_life_of_an_incident_adds_up() -> None:
    kinds = ("Upserts", "Activities", "Timers", "Updates", "Local activities", "Sum")
    rows = table("What happens")
    for row in rows:
        assert int(row["Sum"]) == sum(int(row[kind]) for kind in kinds[:-1]), row["What happens"]
    words = ("It opens", "Somebody acknowledges", "Somebody resolves", "It has closed")
    life = [row for row in rows if row["What happens"].startswith(words)]
    assert len(life) == 4
    for kind in kinds:
        assert sum(int(row[kind]) for row in life) == int(rows[-1][kind]), kind
