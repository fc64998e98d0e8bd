"""Calendar files of shifts: what changes with their shifts alone, and how many they may have."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from core.domain.oncall.calendars import NO_CALENDARS
from core.domain.oncall.file import OnCallFile
from core.operations.oncall_calendar import TooManyShifts, digest, written
from core.operations.oncall_rota import Rota

NOW = datetime(2026, 1, 14, 3, tzinfo=UTC)


def rota(*people: str) -> Rota:
    """A schedule with these people, each for a week."""
    turns = {"people": list(people), "every": "week", "start": "2026-01-05"}
    file = OnCallFile.model_validate(
        {
            "version": 1,
            "people": {name: {"name": name.title(), "time_zone": "UTC"} for name in people},
            "schedules": {
                "checkout": {"time_zone": "UTC", "layers": [{"name": "all", "rotation": turns}]}
            },
        }
    )
    return Rota(file=file, calendars=NO_CALENDARS)


def of(rota: Rota, now: datetime, *, days: int = 30, most: int = 100) -> bytes:
    text, _ = written(rota, schedule="checkout", person=None, days=days, most=most, now=now)
    return text


def test_the_digest_is_the_same_for_the_same_shifts_whenever_they_are_written() -> None:
    first, later = (of(rota("ana", "ben"), NOW + timedelta(hours=n)) for n in (0, 5))
    assert first != later
    assert digest(first) == digest(later)


def test_the_digest_changes_with_the_shifts() -> None:
    assert digest(of(rota("ana", "ben"), NOW)) != digest(of(rota("ana", "eve"), NOW))


def test_more_shifts_than_there_may_be_are_refused() -> None:
    assert of(rota("ana", "ben"), NOW, days=14, most=3)
    with pytest.raises(TooManyShifts, match="more than 2 shifts"):
        of(rota("ana", "ben"), NOW, days=14, most=2)
