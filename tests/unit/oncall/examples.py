"""What the tests of on-call share: people, a schedule, and commands."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from core.domain.command import read_command
from core.domain.oncall.changes import Change, Refusal, change
from core.domain.oncall.commands import COMMANDS
from core.domain.oncall.file import OnCallFile
from core.domain.oncall.state import OnCallState

NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)  # a Monday

WEEKLY: dict[str, Any] = {
    "time_zone": "Europe/Berlin",
    "announce_handovers": True,
    "layers": [
        {
            "name": "weekdays",
            "rotation": {
                "people": ["ana", "ben"],
                "every": "day",
                "start": "2026-01-05",
                "at": "10:00",
            },
        }
    ],
}
"""Ana from Monday, 2026-01-05, 10:00 in Berlin, which is `NOW`; then Ben, a day each."""


def file(**schedules: Any) -> OnCallFile:
    """A file with Ana, Ben and Eva, and a schedule checkout if no others are given."""
    people = {
        id: {
            "name": name,
            "time_zone": "Europe/Berlin",
            "contacts": {"push": {"url_env": f"{id.upper()}_PUSH"}},
        }
        for id, name in (("ana", "Ana Lopez"), ("ben", "Ben Weber"), ("eva", "Eva Nowak"))
    }
    return OnCallFile.model_validate(
        {"version": 1, "people": people, "schedules": schedules or {"checkout": WEEKLY}}
    )


def after(**duration: float) -> datetime:
    """A moment so long after `NOW`."""
    return NOW + timedelta(**duration)


def ask(state: OnCallState, name: str, now: datetime = NOW, **fields: Any) -> Change | Refusal:
    """What becomes of the state by a command of ana's."""
    whole = {"command_id": "c1", "actor": "ana", **fields}
    return change(state, read_command(COMMANDS[name], whole), now)


def obey(state: OnCallState, name: str, now: datetime = NOW, **fields: Any) -> OnCallState:
    """The state after a command that is not refused."""
    outcome = ask(state, name, now, **fields)
    assert isinstance(outcome, Change), outcome
    return outcome.state


def refused(state: OnCallState, name: str, now: datetime = NOW, **fields: Any) -> Refusal:
    outcome = ask(state, name, now, **fields)
    assert isinstance(outcome, Refusal), outcome
    return outcome
