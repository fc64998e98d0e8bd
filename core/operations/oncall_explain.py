"""Why somebody is on call for a schedule at a moment: what each of its overrides and layers says,
and which of them decides.

Each is asked by the same rota as everything else, with the others left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from zoneinfo import ZoneInfo

from core.domain.oncall.calendars import Calendars
from core.domain.oncall.overrides import Override
from core.domain.oncall.rota import Shift, shift_at
from core.domain.oncall.rotation import absolute
from core.domain.oncall.schedules import Layer, Schedule


class Verdict(StrEnum):
    """What becomes of what a layer or an override says."""

    DECIDES = "decides"
    OVERRULED = "overruled"
    NOBODY = "names nobody"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """An override or a layer, at one moment: whom it names, since when and until when; and where it
    names nobody, why."""

    layer: str | None = None
    override: Override | None = None
    verdict: Verdict
    shift: Shift | None = None
    why: str = ""

    def to_json(self) -> dict[str, Any]:
        """It as a JSON object."""
        return {
            "layer": self.layer,
            "override": self.override and self.override.model_dump(mode="json"),
            "verdict": self.verdict,
            "people": list(self.shift.people) if self.shift else [],
            "since": self.shift and self.shift.start.isoformat(),
            "until": self.shift and self.shift.end.isoformat(),
            "why": self.why,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Who is on call at a moment, and every part of the schedule, what wins first. `shift` is None
    where nobody is on call."""

    at: datetime
    shift: Shift | None
    parts: tuple[Part, ...]


def explain(
    schedule: Schedule,
    at: datetime,
    overrides: Sequence[Override],
    calendars: Calendars,
    *,
    of_nobody: Sequence[Override] = (),
) -> Explanation:
    """Which part of a schedule decides who is on call at a moment. `overrides` are those of the
    schedule that apply, in the order in which they were added, `of_nobody` those whose people are
    not in the on-call file any more."""
    shift = shift_at(schedule, at, overrides, calendars)
    parts: list[Part] = []
    for override in reversed(overrides):
        own = shift_at(schedule, at, [override], calendars)
        named = own if own and own.override else None
        parts.append(_part(named, parts, override=override, why=_apart(override, at)))
    for override in of_nobody:
        why = f"{' and '.join(override.people)} not in the on-call file"
        parts.append(_part(None, parts, override=override, why=why))
    for layer in reversed(schedule.layers):
        own = _alone(schedule, layer, at, calendars)
        why = "" if own else _missing(schedule, layer, at, calendars)
        parts.append(_part(own, parts, layer=layer.name, why=why))
    return Explanation(at=at, shift=shift, parts=tuple(parts))


def _part(
    shift: Shift | None,
    above: Sequence[Part],
    *,
    layer: str | None = None,
    override: Override | None = None,
    why: str,
) -> Part:
    decided = any(part.verdict is Verdict.DECIDES for part in above)
    verdict = Verdict.NOBODY
    if shift:
        verdict = Verdict.OVERRULED if decided else Verdict.DECIDES
    return Part(layer=layer, override=override, verdict=verdict, shift=shift, why=why)


def _apart(override: Override, at: datetime) -> str:
    """Why an override does not apply at a moment."""
    if at < override.start:
        return "it begins later"
    return "it has ended" if override.end <= at else ""


def _alone(schedule: Schedule, layer: Layer, at: datetime, calendars: Calendars) -> Shift | None:
    """What a layer says where there is no other."""
    return shift_at(schedule.model_copy(update={"layers": [layer]}), at, (), calendars)


_LIMITS: Final[Mapping[str, tuple[object, str]]] = {
    "until": (None, "it has ended"),
    "hours": ([], "not in these hours of the week"),
    "only_on": (None, "no event of its `only_on` calendar"),
    "not_on": (None, "an event of its `not_on` calendar"),
}
"""What limits a layer, by its field: the value without a limit, and what the limit says."""


def _missing(schedule: Schedule, layer: Layer, at: datetime, calendars: Calendars) -> str:
    """Why a layer names nobody at a moment."""
    return "; ".join(_reasons(schedule, layer, at, calendars)) or "its limits leave nobody"


def _reasons(schedule: Schedule, layer: Layer, at: datetime, calendars: Calendars) -> Iterator[str]:
    if any(each.source not in calendars.events for each in layer.calendars):
        yield "its calendar cannot be read"
        return
    rotation, zone = layer.rotation, ZoneInfo(schedule.time_zone)
    if rotation and at < absolute(datetime.combine(rotation.start, rotation.at), zone):
        yield "it begins later"
        return
    if not _alone(schedule, _unlimited(layer, *_LIMITS), at, calendars):
        yield "nobody has this turn" if rotation else "no event of its calendar names anybody"
        return
    for field, (_, says) in _LIMITS.items():
        others = [name for name in _LIMITS if name != field]
        if not _alone(schedule, _unlimited(layer, *others), at, calendars):
            yield says


def _unlimited(layer: Layer, *fields: str) -> Layer:
    """The layer without some of its limits."""
    return layer.model_copy(update={name: _LIMITS[name][0] for name in fields})
