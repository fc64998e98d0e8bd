"""On call: what it costs to know who is.

No server is needed. A year is what a calendar feed and the search for gaps ask for; the answer is
what each page waits for. The baseline of a year is what `dateutil` takes to list the hand-overs of
its layers, without hours of the week, layers or overrides.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from dateutil.rrule import DAILY, HOURLY, WEEKLY, rrule  # type: ignore[import-untyped]

from core.domain.oncall.answer import Question, Recipient, RecipientKind
from core.domain.oncall.answering import answer
from core.domain.oncall.calendars import NO_CALENDARS
from core.domain.oncall.file import OnCallFile
from core.domain.oncall.overrides import Override
from core.domain.oncall.rota import shifts
from core.domain.oncall.state import OnCallState
from core.domain.severity import Severity
from tests.benchmarks.figures import Figure, alone, compare, take_turns

YEAR: Final = datetime(2026, 1, 1, tzinfo=UTC)


def measure(folder: Path, *, quick: bool) -> list[Figure]:
    rounds = 20 if quick else 100
    file, state = on_call_file(), OnCallState(overrides=overrides())
    schedule, added = file.schedules["checkout"], state.overrides
    question = Question(
        incident_id="incident",
        severity=Severity.CRITICAL,
        recipients=(Recipient(kind=RecipientKind.SCHEDULE, name="checkout"),),
    )
    end = YEAR + timedelta(days=365)

    def handovers() -> None:
        for layer in schedule.layers:
            if rotation := layer.rotation:
                frequency = {"hour": HOURLY, "day": DAILY, "week": WEEKLY}[rotation.every.unit]
                start = datetime.combine(rotation.start, rotation.at)
                rule = rrule(frequency, interval=rotation.every.count, dtstart=start)
                for each in rule.between(YEAR.replace(tzinfo=None), end.replace(tzinfo=None)):
                    each.replace(tzinfo=ZoneInfo(schedule.time_zone)).astimezone(UTC)

    samples = take_turns(
        {
            "year": lambda: timed(lambda: shifts(schedule, YEAR, end, added)),
            "handovers": lambda: timed(handovers),
            "answer": lambda: timed(
                lambda: answer(file, state, NO_CALENDARS, question, YEAR + timedelta(days=100))
            ),
        },
        rounds,
    )
    return [
        alone("a year of shifts, p50", samples["year"], unit="ms", at_most=50),
        compare(
            "a year of shifts",
            samples["year"],
            samples["handovers"],
            against="its hand-overs by dateutil",
            unit="ms",
            at_most=2.0,
        ),
        alone("one answer, p50", samples["answer"], unit="ms", at_most=5),
        compare(
            "one answer",
            samples["answer"],
            samples["year"],
            against="a year of shifts",
            unit="ms",
            at_most=0.25,
        ),
    ]


def on_call_file() -> OnCallFile:
    """A schedule of three layers: weeks, nights and weekends."""
    people = [f"person-{number}" for number in range(10)]
    weekend = [{"days": ["sat", "sun"], "from": "00:00", "to": "00:00"}]
    night = [{"from": "22:00", "to": "06:00"}]
    rotation: dict[str, Any] = {"people": people, "start": "2025-01-06"}
    return OnCallFile.model_validate(
        {
            "version": 1,
            "people": {
                id: {
                    "name": id.title(),
                    "time_zone": "Europe/Berlin",
                    "contacts": {"push": {"url_env": "PUSH"}},
                }
                for id in people
            },
            "schedules": {
                "checkout": {
                    "time_zone": "Europe/Berlin",
                    "layers": [
                        {"name": "weeks", "rotation": rotation | {"every": "week", "at": "09:00"}},
                        {
                            "name": "nights",
                            "rotation": rotation | {"every": "day", "at": "12:00"},
                            "hours": night,
                        },
                        {
                            "name": "weekends",
                            "rotation": rotation | {"every": "12 hours"},
                            "hours": weekend,
                        },
                    ],
                }
            },
        }
    )


def overrides() -> tuple[Override, ...]:
    """200 of them over the year, some of which overlap."""
    return tuple(
        Override(
            id=f"override-{number}",
            schedule="checkout",
            people=(f"person-{number % 10}",),
            start=(start := YEAR + timedelta(hours=43 * number)),
            end=start + timedelta(hours=8 + number % 60),
            by="ana",
        )
        for number in range(200)
    )


def timed(run: Callable[[], object]) -> float:
    """Milliseconds that it takes."""
    begun = time.perf_counter()
    run()
    return (time.perf_counter() - begun) * 1000
