"""Two people exchange a shift: which shifts are meant, and the overrides that make it so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from core.domain.oncall.calendars import Calendars
from core.domain.oncall.commands import PlannedOverride
from core.domain.oncall.overrides import Override
from core.domain.oncall.rota import Shift, shift_at, upcoming
from core.domain.oncall.schedules import Schedule
from core.errors import CommandRefused


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """Shift `one` of `giver` goes to `taker`, and shift `other` of `taker` to `giver`, from `now`
    on."""

    schedule: str
    giver: str
    taker: str
    one: Shift
    other: Shift
    now: datetime

    @property
    def overrides(self) -> tuple[PlannedOverride, PlannedOverride]:
        """What to add."""
        return (
            self._override(self.one, self.giver, self.taker),
            self._override(self.other, self.taker, self.giver),
        )

    def _override(self, shift: Shift, leaves: str, comes: str) -> PlannedOverride:
        people = tuple(comes if each == leaves else each for each in shift.people)
        return PlannedOverride.model_validate(
            {
                "schedule": self.schedule,
                "people": people,
                "from": max(shift.start, self.now),
                "until": shift.end,
            }
        )


def exchange(
    name: str,
    schedule: Schedule,
    giver: str,
    taker: str,
    overrides: Sequence[Override],
    calendars: Calendars,
    now: datetime,
) -> Exchange:
    """The present or next shift of `giver` against the next one of `taker`; a shift on which both
    are on call is nobody's to exchange. Raises `CommandRefused` where one of them has none."""
    present = shift_at(schedule, now, overrides, calendars)

    def first(person: str, other: str, shifts: Iterator[Shift]) -> Shift:
        for shift in shifts:
            if person in shift.people and other not in shift.people:
                return shift
        raise CommandRefused(
            f"{person} has no shift of schedule {name} to exchange with {other}",
            fix=f"see who is on call with `tidegate oncall show {name}`",
        )

    def whole() -> Iterator[Shift]:
        if present:
            yield present
        yield from upcoming(schedule, now, overrides, calendars)

    return Exchange(
        schedule=name,
        giver=giver,
        taker=taker,
        one=first(giver, taker, whole()),
        other=first(taker, giver, upcoming(schedule, now, overrides, calendars)),
        now=now,
    )
