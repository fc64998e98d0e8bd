"""The runbook and the threat model agree with the code and the templates."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer

from core.cli.main import app
from tests.support.azure_snapshot import alerts, announcements
from tests.support.cloudformation import ALARMS, FRONT_DOOR, TEMPLATES, WORKERS, all_resources

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
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


def test_the_alerts_of_azure_are_those_in_the_runbook() -> None:
    assert named("Alerts on Azure") == sorted([*alerts(), *announcements()])


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


OF_THE_PROGRAM = {"--help"} | {
    option for each in typer.main.get_command(app).params for option in each.opts
}
"""Options without a command."""


@pytest.mark.parametrize("name", PAGES)
def test_every_command_that_is_named_exists(name: str) -> None:
    for line in named_commands(page(name)):
        command = re.split(r"\s+([#|]|-- )", line.partition("tidegate")[2])[0]
        words = command.replace("[", " ").replace("]", " ").split()
        path = [c for c in commands() if f"tidegate {' '.join(words)} ".startswith(f"{c} ")]
        groups = [c for c in commands() if c.startswith(f"tidegate {' '.join(words)} ")]
        assert path or groups or words[0] in {*OF_THE_PROGRAM, "COMMAND"}, line
        for option in {word for word in words if word.startswith("--")} - OF_THE_PROGRAM:
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
def test_no_page_names_an_anchor_that_a_heading_has(name: str) -> None:
    """A link to it would lead to whichever of them comes first."""
    assert not anchors(page(name)) & set(re.findall(r'<a id="([\w-]+)"', page(name)))


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
