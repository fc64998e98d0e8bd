"""What `tidegate doctor` says of the on-call file."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.config.settings import Settings
from core.operations.doctor.checks import Check, Code
from core.operations.doctor.examine import examine

# Apprise imports a module that Python 3.13 has removed, where it is there.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

ONCALL = """\
version: 1
people:
  ana: {name: Ana, time_zone: Europe/Madrid, contacts: {push: {url_env: ANA_PUSH}}}
  ben: {name: Ben, time_zone: Europe/Madrid, contacts: {push: {url_env: BEN_PUSH}}}
schedules:
  checkout:
    time_zone: Europe/Madrid
    layers:
      - name: team
        rotation: {people: [ana, ben], every: week, start: 2026-01-05, at: "09:00"}
"""


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing that answers."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
    monkeypatch.setenv("TIDEGATE_START_TIMEOUT", "0.1")
    monkeypatch.setenv("TIDEGATE_QUARANTINE", f"file://{tmp_path}/quarantine/")
    for name in ("ANA_PUSH", "BEN_PUSH"):
        monkeypatch.setenv(name, f"json://127.0.0.1/{name}")


async def checks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> dict[Code, Check]:
    (tmp_path / "oncall.yaml").write_text(text)
    monkeypatch.setenv("TIDEGATE_ONCALL", str(tmp_path / "oncall.yaml"))
    return {each.code: each async for each in examine()}


async def test_a_file_in_which_everybody_can_be_reached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = await checks(tmp_path, monkeypatch, ONCALL)
    of_the_file = {code: found[code] for code in (Code.ONCALL, Code.CONTACTS, Code.SCHEDULES)}
    assert {code: (each.outcome, each.detail) for code, each in of_the_file.items()} == {
        Code.ONCALL: ("ok", "2 people, 1 schedule"),
        Code.CONTACTS: ("ok", "2 addresses"),
        Code.SCHEDULES: ("ok", "somebody is on call at any time of a year"),
    }


async def test_without_a_file_nothing_of_it_is_checked() -> None:
    assert Settings.from_env().oncall is None
    found = {each.code async for each in examine()}
    assert found.isdisjoint({Code.ONCALL, Code.CONTACTS, Code.SCHEDULES})
    assert Code.POLICIES in found


async def test_an_invalid_file_is_named_by_line_and_column(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = await checks(tmp_path, monkeypatch, ONCALL.replace("[ana, ben]", "[ana, eve]"))
    assert found[Code.ONCALL].outcome == "failed"
    assert f"{tmp_path / 'oncall.yaml'}:10:" in found[Code.ONCALL].detail
    assert "eve" in found[Code.ONCALL].detail


async def test_a_variable_of_a_contact_method_that_is_not_set_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BEN_PUSH")
    check = (await checks(tmp_path, monkeypatch, ONCALL))[Code.CONTACTS]
    assert (check.outcome, check.detail) == (
        "warning",
        "ben/push has no address (BEN_PUSH not set)",
    )


async def test_an_address_of_a_person_that_can_never_work_is_named_without_its_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BEN_PUSH", "no-such-service://hunter2")
    check = (await checks(tmp_path, monkeypatch, ONCALL))[Code.CONTACTS]
    assert check.outcome == "failed"
    assert check.detail.startswith("BEN_PUSH: ben/push: ")
    assert "hunter2" not in check.detail


async def test_hours_without_anybody_and_people_without_contact_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = ONCALL.replace(
        "      - name: team\n",
        '      - name: team\n        hours: [{days: [mon], from: "09:00", to: "17:00"}]\n',
    ).replace(", contacts: {push: {url_env: BEN_PUSH}}", "")
    check = (await checks(tmp_path, monkeypatch, text))[Code.SCHEDULES]
    assert check.outcome == "warning"
    assert "schedule checkout: nobody is on call from " in check.detail
    assert "person ben: has no contact method" in check.detail


async def test_a_calendar_that_can_be_read_and_one_that_cannot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calendar = tmp_path / "team.ics"
    text = ONCALL + f"      - {{name: exceptions, ical: {{url: 'file://{calendar}'}}}}\n"
    monkeypatch.setenv("TIDEGATE_REPORTS", f"file://{tmp_path}/reports/")
    found = await checks(tmp_path, monkeypatch, text)
    assert found[Code.CALENDARS].outcome == "warning"
    assert found[Code.CALENDARS].detail == (
        "the calendar of layer exceptions of schedule checkout cannot be read, and counts for "
        "nothing: the document does not exist"
    )
    calendar.write_text("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nEND:VCALENDAR\r\n")
    found = await checks(tmp_path, monkeypatch, text)
    assert (found[Code.CALENDARS].outcome, found[Code.CALENDARS].detail) == (
        "ok",
        "1 calendar read",
    )
    assert not (tmp_path / "reports").exists()


async def test_of_many_findings_some_are_shown_and_the_others_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = "".join(f"  p{n}: {{name: P{n}, time_zone: UTC}}\n" for n in range(20))
    text = ONCALL.replace("people:\n", f"people:\n{many}").replace(
        "[ana, ben]", "[" + ", ".join(f"p{n}" for n in range(20)) + "]"
    )
    check = (await checks(tmp_path, monkeypatch, text))[Code.SCHEDULES]
    assert check.detail.endswith("; and 15 more")
