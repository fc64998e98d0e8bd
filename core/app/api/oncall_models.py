"""What the API answers about on-call, as published models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Self

from pydantic import AwareDatetime, Field

from core.app.api.models import Answer
from core.domain.oncall.overrides import Override
from core.domain.oncall.rota import Shift
from core.domain.oncall.silencing import AddedSilence
from core.operations.oncall_calendar import names, reason
from core.operations.oncall_rota import Gap, OnCallNow, Rota


class OnCallPerson(Answer):
    """Somebody who is on call."""

    id: str
    name: str


class ListedShift(Answer):
    """The people who are on call from `start` to `end`, and what decides it. Nobody is where there
    are none."""

    people: tuple[OnCallPerson, ...]
    start: AwareDatetime
    end: AwareDatetime
    layer: str | None = Field(None, description="The layer of the schedule that decides it.")
    override: Override | None = Field(None, description="The override that decides it.")
    reason: str | None = Field(None, description="What decides it, in words.")

    @classmethod
    def of(cls, shift: Shift | Gap, rota: Rota) -> Self:
        return cls(**_shift(shift, rota))


class NextShift(ListedShift):
    """A shift of a schedule."""

    schedule: str

    @classmethod
    def of(cls, schedule: str, shift: Shift, rota: Rota) -> Self:  # type: ignore[override]
        return cls(schedule=schedule, **_shift(shift, rota))


class ScheduleNow(Answer):
    """Who is on call for a schedule now, and the first shift after that."""

    schedule: str
    time_zone: str
    now: ListedShift | None = Field(description="null where nobody is on call.")
    next: ListedShift | None


class OnCallNowAnswer(Answer):
    """Who is on call now. `remarks` name the calendars that could not be read: their layers name
    nobody, or whom they named last."""

    schedules: tuple[ScheduleNow, ...]
    remarks: tuple[str, ...]

    @classmethod
    def of(cls, rows: Sequence[OnCallNow], rota: Rota) -> Self:
        return cls(
            schedules=tuple(
                ScheduleNow(
                    schedule=row.schedule,
                    time_zone=row.zone,
                    now=ListedShift.of(row.shift, rota) if row.shift else None,
                    next=ListedShift.of(row.next, rota) if row.next else None,
                )
                for row in rows
            ),
            remarks=_remarks(rota),
        )


class NextShifts(Answer):
    """Shifts to come, in order of time."""

    shifts: tuple[NextShift, ...]


class ScheduleShifts(Answer):
    """The shifts of a schedule that overlap a period, whole ones, and the times without anybody.
    `remarks` as of who is on call now."""

    schedule: str
    time_zone: str
    start: AwareDatetime
    end: AwareDatetime
    shifts: tuple[ListedShift, ...]
    remarks: tuple[str, ...]

    @classmethod
    def of(
        cls, name: str, start: datetime, end: datetime, shifts: Iterable[Shift | Gap], rota: Rota
    ) -> Self:
        return cls(
            schedule=name,
            time_zone=rota.schedule(name).time_zone,
            start=start,
            end=end,
            shifts=tuple(ListedShift.of(each, rota) for each in shifts),
            remarks=_remarks(rota),
        )


class Overrides(Answer):
    """The overrides that have not ended."""

    overrides: tuple[Override, ...]


class Silences(Answer):
    """The silences and maintenance windows that were added and have not ended."""

    silences: tuple[AddedSilence, ...]


class OnCallChange(Answer):
    """What a command has added, or ended."""

    command_id: str
    overrides: tuple[Override, ...]
    silences: tuple[AddedSilence, ...]

    @classmethod
    def of(cls, command_id: str, done: Mapping[str, Any]) -> Self:
        return cls.model_validate({**done, "command_id": command_id})


class FeedAddress(Answer):
    """An address of a calendar feed."""

    url: str = Field(description="Whoever has it can read these shifts: it is a secret.")
    expires_at: AwareDatetime


def _shift(shift: Shift | Gap, rota: Rota) -> dict[str, Any]:
    if isinstance(shift, Gap):
        return {"people": (), "start": shift.start, "end": shift.end}
    people = rota.file.people
    return {
        "people": tuple(OnCallPerson(id=id, name=names([id], people)) for id in shift.people),
        "start": shift.start,
        "end": shift.end,
        "layer": shift.layer,
        "override": shift.override,
        "reason": reason(shift),
    }


def _remarks(rota: Rota) -> tuple[str, ...]:
    return tuple(remark for lines in rota.calendars.remarks.values() for remark in lines)
