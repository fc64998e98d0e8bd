"""Who is on call as a terminal shows it: now and next, a table and a picture of a week, and why.

Pure functions of what is shown, and of the width in columns, which is None for a pipe.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from rich.text import Text

from core.cli.layout import GAP, Item, fact_lines, item_lines, line
from core.cli.oncall_options import shown
from core.domain.durations import format_duration
from core.operations.oncall_calendar import names, reason
from core.operations.oncall_rota import Gap

if TYPE_CHECKING:
    from core.domain.oncall.file import OnCallFile
    from core.domain.oncall.overrides import Override
    from core.domain.oncall.rota import Shift
    from core.operations.oncall_explain import Explanation, Part
    from core.operations.oncall_rota import OnCallNow, Rota

_LETTERS: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_COLOURS: Final = ("cyan", "green", "magenta", "yellow", "blue", "red")
_NOBODY: Final = "."
_CELL: Final = timedelta(minutes=30)
_CELLS: Final = 48
_NAME_OF_DAY: Final = len("Mon 2026-01-02")


def now_lines(
    rows: Sequence[OnCallNow], rota: Rota, *, other: tzinfo | None, width: int | None
) -> list[Text]:
    """One or two lines for each schedule: who is on call, until when, who comes next, and why."""
    items = []
    for row in rows:
        zone = ZoneInfo(row.zone)
        shift, after = row.shift, row.next
        until = shift.end if shift else after.start if after else None
        follows = after if shift is None or (after and after.start == shift.end) else None
        facts = (
            _who(shift, rota),
            line(f"until {shown(until, zone, other)}" if until else ""),
            line(f"then {_names(follows.people, rota)}" if follows else "then nobody", "dim"),
        )
        items.append(Item(row.schedule, reason(shift) if shift else "no layer or override", facts))
    return item_lines(items, width)


def next_lines(
    upcoming: Iterable[tuple[str, Shift]],
    rota: Rota,
    *,
    other: tzinfo | None,
    width: int | None,
) -> list[Text]:
    """One or two lines for each shift of a schedule."""
    items = []
    for name, shift in upcoming:
        zone = ZoneInfo(rota.schedule(name).time_zone)
        facts = (
            line(shown(shift.start, zone, other)),
            line(f"until {shown(shift.end, zone, other)}"),
            _who(shift, rota),
        )
        items.append(Item(name, reason(shift), facts))
    return item_lines(items, width)


def shift_lines(
    shifts: Iterable[Shift | Gap],
    rota: Rota,
    *,
    zone: tzinfo,
    other: tzinfo | None,
    width: int | None,
) -> list[Text]:
    """One or two lines for each shift of one schedule, and for each time without one."""
    items = []
    for each in shifts:
        facts = (
            line(f"until {shown(each.end, zone, other)}"),
            line(format_duration((each.end - each.start).total_seconds()), "dim"),
            _who(None if isinstance(each, Gap) else each, rota),
        )
        what = "" if isinstance(each, Gap) else reason(each)
        items.append(Item(shown(each.start, zone, other), what, facts))
    return item_lines(items, width)


def picture(
    shifts: Sequence[Shift], rota: Rota, *, zone: tzinfo, first: date, days: int, width: int | None
) -> list[Text]:
    """A line for each day, with a letter for whoever is on call at its half-hours, or its hours in
    a terminal that is too narrow, and below them what the letters mean. Nothing for a pipe."""
    if width is None:
        return []
    step = 1 if width >= _NAME_OF_DAY + len(GAP) + _CELLS else 2
    people = list(dict.fromkeys(shift.people for shift in shifts))
    letters = {each: _LETTERS[n % len(_LETTERS)] for n, each in enumerate(people)}
    styles = {each: _COLOURS[n % len(_COLOURS)] for n, each in enumerate(people)}
    hours = "".join(f"{hour:02}".ljust(12 // step) for hour in range(0, 24, 6))
    lines = [Text(" " * _NAME_OF_DAY + GAP + hours.rstrip(), "dim")]
    for number in range(days):
        on = first + timedelta(days=number)
        row = Text(f"{on:%a} {on.isoformat()}{GAP}")
        for cell in range(0, _CELLS, step):
            # What the clocks skip is shown as the moment after, and what they show twice once.
            at = (datetime.combine(on, time(0)) + cell * _CELL).replace(tzinfo=zone).astimezone(UTC)
            shift = next((each for each in shifts if each.start <= at < each.end), None)
            row.append(letters[shift.people], styles[shift.people]) if shift else row.append(
                _NOBODY, "red"
            )
        lines.append(row)
    legend = [(f"{letters[each]} {_names(each, rota)}", styles[each]) for each in people]
    lines += [Text(" " * _NAME_OF_DAY + GAP) + line(text, style) for text, style in legend]
    return [*lines, Text()]


def explanation_lines(
    explanation: Explanation,
    name: str,
    rota: Rota,
    *,
    zone: tzinfo,
    other: tzinfo | None,
    width: int | None,
) -> list[Text]:
    """Who is on call and why, then every override and layer, what wins first."""
    shift = explanation.shift
    facts = [
        ("schedule", line(name)),
        ("at", line(shown(explanation.at, zone, other))),
        ("on call", _who(shift, rota)),
        ("because of", line(reason(shift)) if shift else None),
        ("until", line(shown(shift.end, zone, other)) if shift else None),
    ]
    items = [_part(part, rota, zone, other) for part in explanation.parts]
    return [*fact_lines(facts, width, indent=0), Text(), *item_lines(items, width)]


def _part(part: Part, rota: Rota, zone: tzinfo, other: tzinfo | None) -> Item:
    style = {"decides": "bold green", "overruled": "", "names nobody": "dim"}[part.verdict]
    handle = f"override {part.override.id}" if part.override else f"layer {part.layer}"
    who = line(_names(part.shift.people, rota) if part.shift else "")
    what = part.why or (f"until {shown(part.shift.end, zone, other)}" if part.shift else "")
    if part.override:
        why = f": {part.override.why}" if part.override.why else ""
        what += f", by {part.override.by}{why}"
    return Item(handle, what, (line(part.verdict.value, style), who))


def override_lines(
    overrides: Iterable[Override], file: OnCallFile, *, other: tzinfo | None, width: int | None
) -> list[Text]:
    """One or two lines for each override."""
    items = []
    for each in overrides:
        schedule = file.schedules.get(each.schedule)
        zone = ZoneInfo(schedule.time_zone) if schedule else UTC
        facts = (
            line(each.schedule),
            line(names(each.people, file.people)),
            line(_span(each, zone, other)),
            line(f"by {each.by}", "dim"),
        )
        items.append(Item(each.id, each.why, facts))
    return item_lines(items, width)


def _span(of: Override | Shift, zone: tzinfo, other: tzinfo | None) -> str:
    return f"from {shown(of.start, zone, other)} until {shown(of.end, zone, other)}"


def shift_json(shift: Shift, rota: Rota) -> dict[str, Any]:
    """A shift as a JSON object."""
    return {
        "people": [{"id": id, "name": _names([id], rota)} for id in shift.people],
        "start": shift.start.isoformat(),
        "end": shift.end.isoformat(),
        "layer": shift.layer,
        "override": shift.override and shift.override.model_dump(mode="json"),
        "reason": reason(shift),
    }


def _who(shift: Shift | None, rota: Rota) -> Text:
    return line(_names(shift.people, rota), "bold") if shift else Text("nobody", "red bold")


def _names(people: Iterable[str], rota: Rota) -> str:
    return names(people, rota.file.people)
