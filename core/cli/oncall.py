"""`tidegate oncall now|next|show|explain|ical|check|schema`: who is on call. What changes that is
in `oncall_commands`.
"""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final
from zoneinfo import ZoneInfo

import typer
from rich.markup import escape

from core.cli.completion import complete, people, schedules
from core.cli.console import (
    EXIT_FAILED,
    Json,
    err,
    out,
    print_json,
    print_lines,
    print_text,
    terminal_width,
)
from core.cli.oncall_options import (
    OnCallFilePath,
    ScheduleName,
    ScheduleNames,
    ShownZone,
    day,
    known,
    moment,
)
from core.cli.payload_file import strerror
from core.config.settings import Settings
from core.domain.text import counted
from core.errors import ConfigurationError, TemporalUnavailable

if TYPE_CHECKING:
    from core.domain.oncall.file import OnCallFile
    from core.operations.oncall_rota import Rota

app = typer.Typer(help="See and change who is on call.", no_args_is_help=True)

_MOST_SHIFTS: Final = 20_000
"""Most shifts of one calendar file."""
_LONGEST: Final = 400
"""Days."""

PersonOption = Annotated[
    str | None,
    typer.Option(help="Of this person, by ID.", autocompletion=complete(people, str)),
]
At = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="At this moment, in the schedule's time zone: 22:00, 'fri 22:00', '2026-01-02 22:00', "
        "or with an offset of its own. Default: now.",
    ),
]


@app.command("now")
def oncall_now(
    schedule: ScheduleNames = None,
    zone: ShownZone = None,
    file: OnCallFilePath = None,
    as_json: Json = False,
) -> None:
    """Show who is on call now, why, until when, and who comes next.

    Times are in the schedule's own time zone."""
    from core.cli.oncall_view import now_lines, shift_json

    now, rota = read(file, *(schedule or ()))
    rows = rota.now(schedule or rota.file.schedules, now)
    if as_json:
        print_json(
            [
                {
                    "schedule": row.schedule,
                    "time_zone": row.zone,
                    "now": row.shift and shift_json(row.shift, rota),
                    "next": row.next and shift_json(row.next, rota),
                }
                for row in rows
            ]
        )
    elif rows:
        print_lines(now_lines(rows, rota, other=zone, width=terminal_width()))
    else:
        out.print("There are no schedules.")


@app.command("next")
def oncall_next(
    schedule: ScheduleNames = None,
    person: PersonOption = None,
    count: Annotated[
        int, typer.Option("--count", "-n", min=1, max=100, help="How many shifts.")
    ] = 5,
    zone: ShownZone = None,
    file: OnCallFilePath = None,
    as_json: Json = False,
) -> None:
    """Show the next shifts, those of a person, or of all."""
    from core.cli.oncall_view import next_lines, shift_json

    now, rota = read(file, *(schedule or ()))
    if person:
        known("person", person, rota.file.people)
    names = schedule or rota.file.schedules
    upcoming = list(islice(rota.upcoming_of(names, person, now), count))
    if as_json:
        print_json([{"schedule": name, **shift_json(shift, rota)} for name, shift in upcoming])
    elif upcoming:
        print_lines(next_lines(upcoming, rota, other=zone, width=terminal_width()))
    else:
        out.print("No shift is to come.")


@app.command("show")
def oncall_show(
    schedule: ScheduleName,
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="TIME",
            help="From this day on, 2026-01-02, or moment. Default: today.",
        ),
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=_LONGEST, help="How many days.")] = 7,
    zone: ShownZone = None,
    file: OnCallFilePath = None,
    as_json: Json = False,
) -> None:
    """Show the shifts of a schedule, and the times without anybody.

    A terminal gets a picture of the days, too: a letter is half an hour."""
    from core.cli.oncall_view import picture, shift_json, shift_lines
    from core.operations.oncall_rota import Gap, with_gaps

    now, rota = read(file, schedule)
    own = ZoneInfo(rota.schedule(schedule).time_zone)
    since = day(start, own, now)
    until = _after(since, days, own)
    shifts = rota.shifts(schedule, since, until)
    if as_json:
        print_json(
            [
                {"people": [], "start": each.start.isoformat(), "end": each.end.isoformat()}
                if isinstance(each, Gap)
                else shift_json(each, rota)
                for each in with_gaps(shifts, since, until)
            ]
        )
        return
    width = terminal_width()
    first = since.astimezone(own).date()
    print_lines(picture(shifts, rota, zone=own, first=first, days=days, width=width))
    listed = with_gaps(shifts, since, until)
    print_lines(shift_lines(listed, rota, zone=own, other=zone, width=width))


@app.command("explain")
def oncall_explain(
    schedule: ScheduleName,
    at: At = None,
    zone: ShownZone = None,
    file: OnCallFilePath = None,
    as_json: Json = False,
) -> None:
    """Show which layer or override decides who is on call, and what the others say."""
    from core.cli.oncall_view import explanation_lines, shift_json
    from core.operations.oncall_explain import explain

    now, rota = read(file, schedule)
    asked = rota.schedule(schedule)
    own = ZoneInfo(asked.time_zone)
    explanation = explain(
        asked,
        moment(at, own, now),
        rota.overrides(schedule),
        rota.calendars,
        of_nobody=rota.overrides_of_nobody(schedule),
    )
    if as_json:
        print_json(
            {
                "schedule": schedule,
                "at": explanation.at.isoformat(),
                "shift": explanation.shift and shift_json(explanation.shift, rota),
                "parts": [part.to_json() for part in explanation.parts],
            }
        )
        return
    print_lines(
        explanation_lines(explanation, schedule, rota, zone=own, other=zone, width=terminal_width())
    )


@app.command("ical")
def oncall_ical(
    schedule: Annotated[
        str | None,
        typer.Argument(
            help="The schedule's name; or --person.", autocompletion=complete(schedules, str)
        ),
    ] = None,
    person: PersonOption = None,
    days: Annotated[int, typer.Option(min=1, max=_LONGEST, help="How many days.")] = 90,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write it into this file.")
    ] = None,
    file: OnCallFilePath = None,
) -> None:
    """Write the shifts of a schedule or a person as an iCalendar file, from today on."""
    from core.operations.oncall_calendar import TooManyShifts, written

    if (schedule is None) == (person is None):
        raise typer.BadParameter("name a schedule, or a person with --person")
    now, rota = read(file, *([schedule] if schedule else ()))
    if person:
        known("person", person, rota.file.people)
    try:
        text, count = written(
            rota, schedule=schedule, person=person, days=days, most=_MOST_SHIFTS, now=now
        )
    except TooManyShifts as error:
        raise typer.BadParameter(f"{error}: ask for fewer days") from None
    if output is None:
        sys.stdout.flush()
        sys.stdout.buffer.write(text)
        sys.stdout.buffer.flush()
        return
    try:
        output.write_bytes(text)
    except OSError as error:
        raise ConfigurationError(
            f"cannot write {output}: {strerror(error)}", fix="name a file that you may write"
        ) from error
    err.print(f"{escape(str(output))}: {counted(count, 'shift')}", soft_wrap=True)


@app.command("feed")
def oncall_feed(
    schedule: Annotated[
        str | None,
        typer.Argument(
            help="The schedule's name; or --person.", autocompletion=complete(schedules, str)
        ),
    ] = None,
    person: PersonOption = None,
    as_json: Json = False,
) -> None:
    """Print the address at which calendar programs subscribe to a schedule or a person.

    Whoever has it can read these shifts, for a year."""
    from core import bootstrap
    from core.feeds import address, new_feed

    if (schedule is None) == (person is None):
        raise typer.BadParameter("name a schedule, or a person with --person")
    settings = Settings.from_env()
    file = read_file(None)
    if schedule:
        known("schedule", schedule, file.schedules)
    else:
        known("person", person or "", file.people)
    feed = new_feed(schedule=schedule, person=person, now=datetime.now(UTC))
    url = settings.require("app_url")
    found = asyncio.run(address(feed, url=url, keys=bootstrap.link_keys(settings)))
    if as_json:
        print_json({"url": found, "expires_at": feed.ends.isoformat()})
    else:
        print_text(found)


OnCallFileArgument = Annotated[
    Path | None, typer.Argument(help="The on-call file. Default: TIDEGATE_ONCALL.")
]


_FIELDS: Final = {"schedule": "schedules", "person": "people"}
"""Where in the file each kind of finding is about something."""


@app.command("check")
def oncall_check(file: OnCallFileArgument = None, as_json: Json = False) -> None:
    """Check an on-call file, and what the coming year makes of it.

    Exits with 2 if the file is invalid; each problem is reported with file, line and field. Exits
    with 1 if a valid file has a time when nobody is on call, a person who may be on call and has no
    contact method, hand-overs or hours that a change of the clocks skips or repeats, or an address
    that leads to something else than a calendar. Also lists variables of contact methods that are
    not set here; it is the incident worker that needs them."""
    from core.config.yaml_file import place
    from core.operations.oncall_check import check

    settings = Settings.from_env()
    path = file or settings.require("oncall")
    loaded = read_file(path)
    checked = asyncio.run(check(settings, loaded, datetime.now(UTC)))
    places = [place(path, (_FIELDS[each.kind], each.name)) for each in checked.findings]
    found = list(zip(checked.findings, places, strict=True))
    if as_json:
        print_json(
            {
                "people": len(loaded.people),
                "teams": len(loaded.teams),
                "schedules": len(loaded.schedules),
                "heartbeats": len(loaded.heartbeats),
                "findings": [
                    {**finding._asdict(), "line": line, "column": column}
                    for finding, (line, column) in found
                ],
                "remarks": list(checked.remarks),
                "unset_here": checked.unset,
            }
        )
    else:
        has = ", ".join(
            (
                counted(len(loaded.people), "person", "people"),
                counted(len(loaded.teams), "team"),
                counted(len(loaded.schedules), "schedule"),
                counted(len(loaded.heartbeats), "heartbeat"),
            )
        )
        out.print(escape(f"{path}: {has}, all valid"), soft_wrap=True)
        for finding, (line, column) in found:
            out.print(escape(f"{path}:{line}:{column}: {finding}"), soft_wrap=True)
        for remark in checked.remarks:
            out.print(escape(remark), soft_wrap=True)
        for name, variables in checked.unset.items():
            out.print(f"contact {name}: {' and '.join(variables)} not set here", soft_wrap=True)
    if found:
        raise typer.Exit(EXIT_FAILED)


@app.command("schema")
def oncall_schema() -> None:
    """Print the JSON Schema of an on-call file, for editors."""
    from core.config import files

    print_json(files.oncall_schema())


def read_file(path: Path | None) -> OnCallFile:
    """The on-call file at a path, or that of TIDEGATE_ONCALL. Raises `SettingsError` or
    `ConfigFileError`."""
    from core.config.files import load_oncall

    return load_oncall(path or Settings.from_env().require("oncall"))


def read(path: Path | None, *schedules: str) -> tuple[datetime, Rota]:
    """This moment, and the rota of these schedules or of all; of the file at a path without
    overrides. What could not be read of calendars is said on standard error. Raises
    `typer.BadParameter`, or as `read_file` and `read_rota`."""
    from core.operations.oncall_rota import read_rota

    file = read_file(path)
    for name in schedules:
        known("schedule", name, file.schedules)
    try:
        rota = asyncio.run(read_rota(Settings.from_env(), file, schedules, added=path is None))
    except TemporalUnavailable as error:
        fix = f"{error.fix}; `--file` shows the file alone, without overrides"
        raise TemporalUnavailable(error.message, fix=fix) from error
    for remarks in rota.calendars.remarks.values():
        for remark in remarks:
            err.print(escape(remark), soft_wrap=True)
    return datetime.now(UTC), rota


def _after(since: datetime, days: int, zone: ZoneInfo) -> datetime:
    """The same time of day some days later. Raises `typer.BadParameter`."""
    try:
        return (since.astimezone(zone) + timedelta(days=days)).astimezone(UTC)
    except OverflowError:
        raise typer.BadParameter("it is too close to the calendar's end") from None
