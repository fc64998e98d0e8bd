"""Heartbeats as people declare them: what is expected to be heard, how often, and how late it may
be.

    HeartbeatRule     an entry of the on-call file
    Declaration       the same as a workflow keeps it
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, model_validator

from core.domain.durations import Delay, Duration
from core.domain.matching import Strict
from core.domain.severity import Severity
from core.domain.value import Value
from core.domain.windows import Zone

SHORTEST: Final = timedelta(minutes=1)
"""The shortest period of a heartbeat."""
LONGEST: Final = timedelta(days=400)
EARLY: Final = timedelta(seconds=10)
"""How long before a moment of its cron expression a beat still counts for it: clocks differ."""
CRON_CHARS: Final = 100
MAX_LABELS: Final = 20
_ANY_MOMENT: Final = datetime(2024, 1, 1, tzinfo=UTC)


def _cron(expression: str) -> str:
    if len(expression.split()) != 5:
        raise ValueError(
            "a cron expression has five fields: minute, hour, day of the month, month, weekday"
        )
    try:
        _after(expression, "UTC", _ANY_MOMENT)
    except ValueError as error:
        raise ValueError(f"{expression!r} is not a cron expression: {error}") from None
    return expression


def _every(every: timedelta) -> timedelta:
    if every < SHORTEST:
        raise ValueError("less than a minute: a heartbeat is expected once a minute at most")
    return _bounded(every)


def _bounded(duration: timedelta) -> timedelta:
    if duration > LONGEST:
        raise ValueError(f"more than {LONGEST.days} days")
    return duration


Cron = Annotated[
    str,
    Field(max_length=CRON_CHARS, examples=["0 3 * * *", "*/15 8-18 * * MON-FRI"]),
    AfterValidator(_cron),
]
Label = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,62}$")]
Text = Annotated[str, Field(max_length=200)]


class HeartbeatRule(Strict):
    """Something that is expected to be heard every so often."""

    description: Annotated[str, Field(max_length=500)] = Field(
        "", description="What it is, and what to do when it is missed: the alert says so."
    )
    every: Annotated[Duration, AfterValidator(_every)] | None = Field(
        None, description="The longest time between two beats, a minute at least."
    )
    cron: Cron | None = Field(None, description="When it is expected, instead of `every`.")
    time_zone: Zone | None = Field(
        None, description="The time zone of the cron expression; without one, UTC."
    )
    grace: Annotated[Delay, AfterValidator(_bounded)] = Field(
        default=timedelta(minutes=1), description="How late it may be."
    )
    severity: Severity = Field(Severity.HIGH, description="The severity of its alert.")
    service: Text | None = Field(None, description="The service that its alert is about.")
    labels: dict[Label, Text] = Field(
        default={}, max_length=MAX_LABELS, description="Labels of its alert."
    )

    @model_validator(mode="after")
    def _one_period(self) -> Self:
        if (self.every is None) == (self.cron is None):
            raise ValueError("a heartbeat has either `every` or `cron`")
        if self.time_zone is not None and self.cron is None:
            raise ValueError("`time_zone` is for a cron expression")
        return self

    def declared(self, name: str) -> Declaration:
        """The declaration of the heartbeat of that name."""
        return Declaration(
            name=name,
            description=self.description,
            every=self.every.total_seconds() if self.every else None,
            cron=self.cron,
            time_zone=self.time_zone or "UTC",
            grace=self.grace.total_seconds(),
            severity=self.severity,
            service=self.service,
            labels=self.labels,
        )


class Declaration(Value):
    """What is expected of one heartbeat. `every` and `grace` are in seconds."""

    name: str
    description: str = ""
    every: float | None = None
    cron: str | None = None
    time_zone: str = "UTC"
    grace: float
    severity: Severity
    service: str | None = None
    labels: Mapping[str, str] = Field(default_factory=dict)

    def due(self, last: datetime) -> datetime:
        """When the beat after the one at `last` is expected, in UTC."""
        if self.cron is None:
            return last.astimezone(UTC) + timedelta(seconds=self.every or 0)
        return _after(self.cron, self.time_zone, last + EARLY)

    def period(self, now: datetime) -> timedelta:
        """The time between two beats, about `now`."""
        if self.cron is None:
            return timedelta(seconds=self.every or 0)
        first = self.due(now)
        return self.due(first) - first

    @property
    def lateness(self) -> timedelta:
        """How late a beat may be."""
        return timedelta(seconds=self.grace)

    def text(self) -> str:
        """How often it is expected, as people write it: `every 5m`, `0 3 * * * (Europe/Berlin)`."""
        if self.cron is None:
            return f"every {_as_written(self.every or 0)}"
        return f"{self.cron} ({self.time_zone})"


def _as_written(seconds: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds:g}s"


def _after(cron: str, zone: str, moment: datetime) -> datetime:
    """The first moment of the expression after `moment`. Raises `ValueError` for what is no cron
    expression, and for one that has no moment."""
    # Loaded with the first cron expression: most files have none.
    from cronsim import CronSim, CronSimError

    try:
        for following in CronSim(cron, moment.astimezone(ZoneInfo(zone))):
            # Where clocks go back, it first names the earlier of two moments, which has passed.
            if (found := following.astimezone(UTC)) > moment:
                return found
    except CronSimError as error:
        raise ValueError(str(error).lower()) from None
    raise ValueError("no day matches it")
