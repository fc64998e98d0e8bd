"""`tidegate oncall import`: what it prints, what it writes, and how it ends."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from core.cli.oncall_import import ProductName
from core.operations.oncall_import.registry import PRODUCTS
from tests.support.cli import Tidegate
from tests.support.command_lines import faults
from tests.support.console import Invocation
from tests.support.oncall_exports import EXPORTS, imported


def test_every_product_can_be_named() -> None:
    assert [*ProductName] == [*PRODUCTS]


def test_it_prints_what_was_imported_and_what_is_left_to_do(tidegate: Tidegate) -> None:
    result = tidegate("oncall", "import", "pagerduty", str(EXPORTS["pagerduty"]))
    assert result.code == 0
    assert result.out.startswith("imported: 5 people, 2 teams, 2 schedules, 2 policies\n")
    assert (
        "  ONCALL_ANA_EXAMPLE_SMS: Ana Example, sms: an apprise URL that sends text messages\n"
        in result.out
    )
    assert (
        "schedules[1].schedule.schedule_layers[0]: its turns do not last whole hours\n"
        "  next: add it by hand\n"
    ) in result.out
    assert result.out.endswith("  next: add --out FOLDER, which writes the files\n")


def test_it_writes_the_files_to_a_new_folder(tidegate: Tidegate, tmp_path: Path) -> None:
    result = tidegate(
        "oncall", "import", "opsgenie", str(EXPORTS["opsgenie"]), "--out", str(tmp_path / "new")
    )
    assert result.code == 0
    files = {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "new").iterdir()}
    assert set(files) == {"oncall.yaml", "policies.yaml", "oncall.env", "overrides.sh"}
    assert files["oncall.yaml"].startswith(
        "# Who is on call, imported from Opsgenie.\nversion: 1\n"
    )
    assert "\nONCALL_CHLOE_MUSTER_MAIL=\n" in files["oncall.env"]


@pytest.mark.parametrize("product", PRODUCTS)
def test_the_commands_for_overrides_are_ones_that_the_command_takes(product: str) -> None:
    commands = [shlex.split(each) for each in imported(product).commands]
    calls = [Invocation(program, tuple(arguments)) for program, *arguments in commands]
    assert calls
    assert faults(calls) == {}


def test_what_is_written_can_be_checked(tidegate: Tidegate, tmp_path: Path) -> None:
    arguments = ("oncall", "import", "opsgenie", str(EXPORTS["opsgenie"]), "--out", str(tmp_path))
    step = tidegate(*arguments).out.splitlines()[-1]
    command = step.split("`")[1].split()
    assert command == ["tidegate", "oncall", "check", str(tmp_path / "oncall.yaml")]
    assert tidegate(*command[1:]).code in (0, 1)  # 1, as it has gaps


def test_as_json_it_has_everything(tidegate: Tidegate) -> None:
    result = tidegate("oncall", "import", "goalert", str(EXPORTS["goalert"]), "--json").json
    assert set(result) == {
        *("written", "oncall", "policies", "people", "teams", "schedules", "escalations"),
        *("variables", "commands", "remarks"),
    }
    assert result["written"] == []
    assert result["remarks"][0] == {
        "place": "data.users.nodes[0].notificationRules[2]",
        "what": "its contact method was not imported",
        "todo": "add it by hand",
    }


@pytest.mark.parametrize("there", ["oncall.yaml", "policies.yaml", "oncall.env"])
def test_a_file_that_exists_is_not_overwritten_and_nothing_is_written(
    there: str, tidegate: Tidegate, tmp_path: Path
) -> None:
    (tmp_path / there).write_text("mine")
    result = tidegate(
        "oncall", "import", "opsgenie", str(EXPORTS["opsgenie"]), "--out", str(tmp_path)
    )
    assert result.code == 2
    assert f"{there} exists" in result.err
    assert [path.name for path in tmp_path.iterdir()] == [there]
    assert (tmp_path / there).read_text() == "mine"


def test_where_nothing_can_be_imported_it_ends_with_1(tidegate: Tidegate, tmp_path: Path) -> None:
    (tmp_path / "empty.json").write_text('{"users": [], "schedules": []}')
    result = tidegate(
        *("oncall", "import", "pagerduty", str(tmp_path / "empty.json")),
        *("--out", str(tmp_path / "new")),
    )
    assert result.code == 1
    assert result.out == "imported: 0 people, 0 teams, 0 schedules, 0 policies\n"
    assert not (tmp_path / "new").exists()


def test_the_export_of_another_product_is_named(tidegate: Tidegate) -> None:
    result = tidegate("oncall", "import", "goalert", str(EXPORTS["pagerduty"]))
    assert result.code == 2
    assert "looks like an export of PagerDuty, not of GoAlert" in result.err
    assert "tidegate oncall import pagerduty" in result.err
