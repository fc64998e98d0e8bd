"""What the on-call commands share: how they name schedules, people, moments and time zones."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from pathlib import Path
from typing import Annotated, Final
from zoneinfo import ZoneInfo

import typer
from pydantic import TypeAdapter, ValidationError

from core.cli.clock import read_time, time_in
from core.cli.completion import complete, people, schedules
from core.cli.incident_options import person, words
from core.cli.quantities import duration
from core.domain.windows import Zone
from core.errors import UnknownName

LONGEST_BY: Final = 100
LONGEST_WHY: Final = 200
"""In characters, as `core.domain.oncall.commands` has them."""
_ZONE: Final[TypeAdapter[str]] = TypeAdapter(Zone)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(_ZONE.validate_python(name))
    except ValidationError:
        raise typer.BadParameter(f"{name!r} is not a time zone like Europe/Berlin or UTC") from None


ScheduleName = Annotated[
    str, typer.Argument(help="The schedule's name.", autocompletion=complete(schedules, str))
]
ScheduleNames = Annotated[
    list[str] | None,
    typer.Argument(
        help="The schedules' names. Default: all.", autocompletion=complete(schedules, str)
    ),
]
PersonId = Annotated[
    str, typer.Argument(help="The person's ID.", autocompletion=complete(people, str))
]
OnCallFilePath = Annotated[
    Path | None,
    typer.Option(
        "--file",
        help="This on-call file alone, without overrides. Default: TIDEGATE_ONCALL, with them.",
    ),
]
ShownZone = Annotated[
    ZoneInfo | None,
    typer.Option(
        parser=_zone, metavar="ZONE", help="Show times in this time zone, too: Europe/Berlin."
    ),
]
By = Annotated[
    str,
    typer.Option(
        "--by",
        help="Who gives the command.",
        envvar="USER",
        callback=person("--by ana", LONGEST_BY),
    ),
]
Why = Annotated[
    str | None,
    typer.Option(
        help="Why, in a few words.", callback=words(LONGEST_WHY, '--why "at the dentist"')
    ),
]
From = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="TIME",
        help="When it begins: 22:00, 'tomorrow 22:00', 'fri 22:00', '2026-01-02 22:00', or with an "
        "offset of its own. Default: now.",
    ),
]
Until = Annotated[str | None, typer.Option(metavar="TIME", help="When it ends, as `--from`.")]
For = Annotated[
    timedelta | None,
    typer.Option(
        "--for", parser=duration, metavar="DURATION", help="How long it lasts instead: 30m, 2h, 7d."
    ),
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def known(kind: str, name: str, names: Collection[str]) -> str:
    """The name, if it is one of those. Raises `typer.BadParameter`."""
    from core.operations import oncall_rota

    try:
        return oncall_rota.known(kind, name, names)
    except UnknownName as error:
        raise typer.BadParameter(error.message) from None


def moment(text: str | None, zone: tzinfo | None, now: datetime) -> datetime:
    """The moment that somebody typed, in a zone, the terminal's by default; `now` for nothing.
    Raises `typer.BadParameter`."""
    if text is None:
        return now
    try:
        return read_time(text, now=now, zone=zone).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise typer.BadParameter(str(error)) from None


def day(text: str | None, zone: tzinfo, now: datetime) -> datetime:
    """The beginning of the day that somebody typed as `2026-01-02`, that of today for nothing, or a
    moment as `moment` reads it. Raises `typer.BadParameter`."""
    try:
        on = date.fromisoformat(text) if text else now.astimezone(zone).date()
    except ValueError:
        return moment(text, zone, now)
    return datetime.combine(on, time(0), zone).astimezone(UTC)


def period(
    start: str | None,
    until: str | None,
    length: timedelta | None,
    zone: tzinfo | None,
    now: datetime,
) -> tuple[datetime | None, datetime]:
    """When something begins, None for now, and when it ends. Raises `typer.BadParameter`."""
    if (until is None) == (length is None):
        raise typer.BadParameter("give one of --until 08:00 and --for 2h")
    begins = moment(start, zone, now) if start else None
    since = begins or now
    # `--from 22:00 --until 08:00` is a night: its end is the first 08:00 after its beginning. But
    # tomorrow is counted from today.
    after = now if (until or "").startswith("tomorrow") else since
    try:
        ends = since + length if length is not None else moment(until, zone, after)
    except OverflowError:
        raise typer.BadParameter("it is too close to the calendar's end") from None
    if ends <= now:
        raise typer.BadParameter(f"it is in the past: it ends at {time_in(ends, zone)}")
    if ends <= since:
        raise typer.BadParameter(
            f"it ends at {time_in(ends, zone)}, which is not after {time_in(since, zone)}, "
            "when it begins"
        )
    return begins, ends


def shown(at: datetime, zone: tzinfo | None, other: tzinfo | None = None) -> str:
    """A moment in a schedule's zone, and in another where that has another offset then."""
    text = time_in(at, zone)
    if other is None or at.astimezone(other).utcoffset() == at.astimezone(zone).utcoffset():
        return text
    return f"{text} ({time_in(at, other)})"
