"""`tidegate incident`: what people ask about incidents, and of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Final

import typer
from pydantic import TypeAdapter, ValidationError
from rich.markup import escape

from core import bootstrap
from core.domain.durations import Delay
from core.domain.incident import commands
from core.domain.incident.model import CloseReason, Status
from core.domain.incident.severity import Severity
from core.errors import TemporalUnavailable
from core.incident_view import headline, listed, timeline_lines
from core.settings import Settings
from core.terminal import Json, err, out, print_json, run

app = typer.Typer(help="Incidents: look at them, command them.", no_args_is_help=True)

Id = Annotated[
    str, typer.Argument(help="The incident's ID; its workflow ID means the one that runs.")
]
Actor = Annotated[str, typer.Option("--by", help="Who does it.", envvar="USER")]
Note = Annotated[str, typer.Option(help="A word for the timeline.")]

_DELAY: Final[TypeAdapter[timedelta]] = TypeAdapter(Delay)


def _age(text: str | None) -> timedelta | None:
    return None if text is None else _duration(text)


def _duration(text: str) -> timedelta:
    try:
        return _DELAY.validate_python(text)
    except ValidationError:
        raise typer.BadParameter(f"{text!r} is not a length like 30m, 12h or 7d") from None


@app.command("list")
def incident_list(
    status: Annotated[
        list[Status] | None, typer.Option(help="Only these (repeatable). Default: all that run.")
    ] = None,
    severity: Annotated[
        list[Severity] | None, typer.Option(help="Only these (repeatable).")
    ] = None,
    service: Annotated[list[str] | None, typer.Option(help="Only these (repeatable).")] = None,
    assignee: Annotated[list[str] | None, typer.Option(help="Only theirs (repeatable).")] = None,
    older_than: Annotated[
        str | None, typer.Option(help="Only what began longer ago, as 30m, 12h or 7d.")
    ] = None,
    younger_than: Annotated[
        str | None, typer.Option(help="Only what began since then, as 30m, 12h or 7d.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Closed ones, too.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 100,
    watch: Annotated[
        bool, typer.Option("--watch", help="Again whenever it has changed; Ctrl-C ends it.")
    ] = False,
    looks: Annotated[
        float, typer.Option("--every", min=0.2, help="Seconds between two looks, with --watch.")
    ] = 2.0,
    as_json: Json = False,
) -> None:
    """List incidents, newest first."""
    from core.adapters import incident_list as incidents

    filters = incidents.Filters(
        statuses=status or (),
        severities=severity or (),
        services=service or (),
        assignees=assignee or (),
        older_than=_age(older_than),
        younger_than=_age(younger_than),
        every=every,
    )

    def show(found: list[incidents.Listed], more: bool) -> None:
        if as_json:
            rows = [incident.to_json() for incident in found]
            print_json(rows, indent=None if watch else 2)
            return
        if watch:
            out.rule(f"{datetime.now().astimezone():%H:%M:%S}")
        out.print(listed(found) if found else "No such incident.")
        if more:
            err.print(f"There are more than {limit}: narrow it down, or raise --limit.")

    async def look() -> None:
        client = await bootstrap.connect(Settings.from_env())
        shown: list[incidents.Listed] | None = None
        while True:
            try:
                found, more = await incidents.listing(client, filters, limit=limit)
            except TemporalUnavailable as error:
                if shown is None:
                    raise
                _try_again(error)
            else:
                if found != shown:
                    show(found, more)
                shown = found
            if not watch:
                return
            await asyncio.sleep(looks)

    try:
        run(look())
    except KeyboardInterrupt:
        if not watch:
            raise


@app.command("show")
def incident_show(
    id: Id,
    watch: Annotated[
        bool, typer.Option("--watch", help="Go on until it is closed; Ctrl-C ends it.")
    ] = False,
    every: Annotated[
        float, typer.Option(min=0.2, help="Seconds between two looks, with --watch.")
    ] = 2.0,
    as_json: Json = False,
) -> None:
    """Show an incident and its timeline."""
    try:
        run(_show(id, every if watch else None, as_json))
    except KeyboardInterrupt:
        if not watch:
            raise


async def _show(id: str, every: float | None, as_json: bool) -> None:
    from core.adapters import incident_commands

    client = await bootstrap.connect(Settings.from_env())
    found = await incident_commands.show(client, id)
    id = found["incident"]["id"]  # from now on this one, whoever follows it
    shown: dict[str, Any] | None = None
    while True:
        if found != shown:
            _print(found, shown, as_json=as_json, compact=every is not None)
        shown = found
        if every is None or found["incident"]["status"] == Status.CLOSED:
            return
        await asyncio.sleep(every)
        try:
            found = await incident_commands.show(client, id)
        except TemporalUnavailable as error:
            _try_again(error)


def _try_again(error: TemporalUnavailable) -> None:
    err.print(f"[yellow]{escape(error.message)}[/yellow]; trying again", soft_wrap=True)


def _print(
    found: dict[str, Any], shown: dict[str, Any] | None, *, as_json: bool, compact: bool
) -> None:
    """All of it the first time, then what is new."""
    if as_json:
        print_json(found, indent=None if compact else 2)
        return
    for line in headline(found["incident"], shown and shown["incident"]):
        out.print(line, soft_wrap=True)
    for line in timeline_lines(found["timeline"], shown["timeline"] if shown else []):
        out.print(line, soft_wrap=True)


@app.command("report")
def incident_report(id: Id, as_json: Json = False) -> None:
    """Print the post-incident report from the document store: Markdown, or with --json the data."""
    from core.incident_reports import read_report

    async def read() -> bytes:
        return await read_report(Settings.from_env(), id, suffix="json" if as_json else "md")

    text = run(read()).decode()
    typer.echo(text, nl=not text.endswith("\n"))


def _send(id: str, name: str, actor: str, note: str, as_json: bool, **fields: Any) -> None:
    from core.adapters import incident_commands

    given = {"actor": actor, **({"note": note} if note else {}), **fields}

    async def send() -> dict[str, Any]:
        client = await bootstrap.connect(Settings.from_env())
        return await incident_commands.send(client, id, name, given)

    answer = run(send())
    if as_json:
        print_json(answer)
        return
    out.print(escape(_said(answer)), soft_wrap=True)


def _said(answer: Mapping[str, Any]) -> str:
    title = f": {answer['title']}" if answer.get("title") else ""
    if answer.get("changed"):
        return f"{answer['incident_id']} is {answer['status']} now{title}"
    return f"Nothing to do: {answer['incident_id']} is {answer['status']}{title}"


def _plain(names: tuple[str, ...], kind: type[commands.AnyCommand], help: str) -> None:
    """Add a command that takes nothing of its own under its names, the first one in the help."""

    def command(id: Id, actor: Actor = "operator", note: Note = "", as_json: Json = False) -> None:
        _send(id, kind.name, actor, note, as_json)

    command.__doc__ = help
    for number, name in enumerate(names):
        add: Callable[..., Any] = app.command(name, hidden=number > 0)
        add(command)


_plain(("ack", "acknowledge"), commands.Acknowledge, "Say that you have it: the paging stops.")
_plain(("unack",), commands.Unacknowledge, "Give it back: it is open again, the paging begins.")


@app.command("assign")
def incident_assign(
    id: Id,
    to: Annotated[str | None, typer.Option(help="Who works on it.")] = None,
    nobody: Annotated[bool, typer.Option("--nobody", help="Nobody works on it.")] = False,
    commander: Annotated[str | None, typer.Option(help="Who commands it.")] = None,
    no_commander: Annotated[
        bool, typer.Option("--no-commander", help="Nobody commands it.")
    ] = False,
    actor: Actor = "operator",
    note: Note = "",
    as_json: Json = False,
) -> None:
    """Say who works on an incident, who commands it, or both."""
    if (to and nobody) or (commander and no_commander):
        raise typer.BadParameter("somebody and nobody at once")
    fields: dict[str, str | None] = {}
    if to or nobody:
        fields["assignee"] = to
    if commander or no_commander:
        fields["commander"] = commander
    if not fields:
        raise typer.BadParameter("say --to, --nobody, --commander or --no-commander")
    _send(id, commands.Assign.name, actor, note, as_json, **fields)


@app.command("comment")
def incident_comment(
    id: Id,
    text: Annotated[
        str, typer.Argument(help="What to keep; `action: ...` becomes an action item.")
    ],
    actor: Actor = "operator",
    as_json: Json = False,
) -> None:
    """Add a comment to the timeline."""
    _send(id, commands.Comment.name, actor, text, as_json)


@app.command("severity")
def incident_severity(
    id: Id, severity: Severity, actor: Actor = "operator", note: Note = "", as_json: Json = False
) -> None:
    """Set how bad it is."""
    _send(id, commands.SetSeverity.name, actor, note, as_json, severity=severity.value)


@app.command("snooze")
def incident_snooze(
    id: Id,
    length: Annotated[
        str | None, typer.Argument(help="How long, as 30m or 2h; 0s ends a snooze.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="Until when, as 2026-01-02T08:00:00+01:00.")
    ] = None,
    actor: Actor = "operator",
    note: Note = "",
    as_json: Json = False,
) -> None:
    """Page nobody for a while."""
    if (length is None) == (until is None):
        raise typer.BadParameter("say how long, or --until when")
    if until is not None:
        _send(id, commands.Snooze.name, actor, note, as_json, until=_moment(until))
    else:
        seconds = _duration(length or "").total_seconds()
        _send(id, commands.Snooze.name, actor, note, as_json, **{"for": seconds})


def _moment(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    if moment.tzinfo is None:
        moment = moment.astimezone()  # a person's clock
    return moment.isoformat()


_plain(("mitigate",), commands.Mitigate, "Say that it does not hurt any more, and is not over.")


@app.command("resolve")
def incident_resolve(
    id: Id,
    force: Annotated[bool, typer.Option("--force", help="Although alerts still fire.")] = False,
    actor: Actor = "operator",
    note: Note = "",
    as_json: Json = False,
) -> None:
    """Say that it is over: the post-incident report is written."""
    _send(id, commands.Resolve.name, actor, note, as_json, **({"force": True} if force else {}))


_plain(("reopen",), commands.Reopen, "Say that it is not over after all.")


@app.command("open")
def incident_open(
    title: Annotated[str, typer.Argument(help="What is wrong, in one line.")] = "",
    follows: Annotated[
        str | None,
        typer.Option(help="A closed incident: the new one takes what is not given from it."),
    ] = None,
    severity: Annotated[Severity | None, typer.Option(help="How bad it is.")] = None,
    service: Annotated[str | None, typer.Option(help="What is affected.")] = None,
    summary: Annotated[str | None, typer.Option(help="More than one line.")] = None,
    actor: Actor = "operator",
    as_json: Json = False,
) -> None:
    """Open an incident by hand, or one that follows a closed one."""
    from core.incident_opening import open_incident

    if not title and follows is None:
        raise typer.BadParameter("say what is wrong, or --follows what")
    fields = {
        "title": title,
        "severity": severity.value if severity else None,
        "service": service,
        "summary": summary,
        "reporter": actor,
    }
    done = run(open_incident(Settings.from_env(), fields, follows=follows))
    if as_json:
        print_json(done)
        return
    began = "begins" if done["action"] == "started" else "runs already, and has taken it"
    after = f"; it follows {done['follows']}" if done["follows"] else ""
    out.print(escape(f"{done['child_id']} {began}: {done['title']}{after}"), soft_wrap=True)


@app.command("close")
def incident_close(
    id: Id,
    reason: Annotated[CloseReason, typer.Option(help="What it turned out to be.")] = (
        CloseReason.RESOLVED
    ),
    actor: Actor = "operator",
    note: Note = "",
    as_json: Json = False,
) -> None:
    """Close an incident for good, without waiting for the end of its reopen window."""
    _send(id, commands.Close.name, actor, note, as_json, reason=reason.value)
