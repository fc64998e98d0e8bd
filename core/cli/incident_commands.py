"""`tidegate incident ack|assign|...|open`: command incidents, and open one by hand."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from core import bootstrap
from core.cli.console import Json, out, print_json
from core.cli.incident import Id, duration
from core.config.settings import Settings
from core.domain.incident import commands
from core.domain.incident.model import CloseReason
from core.domain.severity import Severity

if TYPE_CHECKING:
    from core.adapters.temporal.incidents import CommandResult

app = typer.Typer()

Actor = Annotated[str, typer.Option("--by", help="Who gives the command.", envvar="USER")]
Note = Annotated[str, typer.Option(help="A note for the timeline.")]


def _send(id: str, name: str, actor: str, note: str, as_json: bool, **fields: Any) -> None:
    from core.adapters.temporal import incidents

    command = {"actor": actor, **({"note": note} if note else {}), **fields}

    async def send() -> CommandResult:
        client = await bootstrap.connect(Settings.from_env())
        return await incidents.send(client, id, name, command)

    answer = asyncio.run(send())
    if as_json:
        print_json(answer)
        return
    out.print(escape(_sentence(answer)), soft_wrap=True)


def _sentence(answer: CommandResult) -> str:
    title = f": {answer['title']}" if answer.get("title") else ""
    if answer["changed"]:
        return f"{answer['incident_id']} is now {answer['status']}{title}"
    return f"Nothing to do: {answer['incident_id']} is {answer['status']}{title}"


def _plain(names: tuple[str, ...], kind: type[commands.AnyCommand], help: str) -> None:
    """Add a command without fields of its own, under its names; only the first is listed."""

    def command(id: Id, actor: Actor = "operator", note: Note = "", as_json: Json = False) -> None:
        _send(id, kind.name, actor, note, as_json)

    for number, name in enumerate(names):
        app.command(name, help=help, hidden=number > 0)(command)


_plain(("ack", "acknowledge"), commands.Acknowledge, "Acknowledge an incident: paging stops.")
_plain(("unack",), commands.Unacknowledge, "Withdraw the acknowledgement: paging starts again.")


@app.command("assign")
def incident_assign(
    id: Id,
    to: Annotated[str | None, typer.Option(help="The person who works on it.")] = None,
    nobody: Annotated[bool, typer.Option("--nobody", help="Remove the assignee.")] = False,
    commander: Annotated[str | None, typer.Option(help="The incident commander.")] = None,
    no_commander: Annotated[
        bool, typer.Option("--no-commander", help="Remove the incident commander.")
    ] = False,
    actor: Actor = "operator",
    note: Note = "",
    as_json: Json = False,
) -> None:
    """Set or remove the assignee, the incident commander, or both."""
    if (to and nobody) or (commander and no_commander):
        raise typer.BadParameter("a role cannot be set and removed in one command")
    fields: dict[str, str | None] = {}
    if to or nobody:
        fields["assignee"] = to
    if commander or no_commander:
        fields["commander"] = commander
    if not fields:
        raise typer.BadParameter("use --to, --nobody, --commander or --no-commander")
    _send(id, commands.Assign.name, actor, note, as_json, **fields)


@app.command("comment")
def incident_comment(
    id: Id,
    text: Annotated[
        str, typer.Argument(help="The comment; `action: ...` becomes an action item of the report.")
    ],
    actor: Actor = "operator",
    as_json: Json = False,
) -> None:
    """Add a comment to the timeline."""
    _send(id, commands.Comment.name, actor, text, as_json)


@app.command("severity")
def incident_severity(
    id: Id,
    severity: Annotated[Severity, typer.Argument(help="The new severity.")],
    actor: Actor = "operator",
    note: Note = "",
    as_json: Json = False,
) -> None:
    """Set the severity."""
    _send(id, commands.SetSeverity.name, actor, note, as_json, severity=severity.value)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    # Without an offset it is local time.
    return moment.astimezone() if moment.tzinfo is None else moment


@app.command("snooze")
def incident_snooze(
    id: Id,
    length: Annotated[
        timedelta | None,
        typer.Argument(
            parser=duration, metavar="DURATION", help="How long: 30m, 2h; 0s ends a snooze."
        ),
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option(parser=_moment, metavar="TIME", help="Until when: 2026-01-02T08:00:00+01:00."),
    ] = None,
    actor: Actor = "operator",
    note: Note = "",
    as_json: Json = False,
) -> None:
    """Page nobody for a while."""
    if length is not None and until is None:
        _send(id, commands.Snooze.name, actor, note, as_json, **{"for": length.total_seconds()})
    elif until is not None and length is None:
        _send(id, commands.Snooze.name, actor, note, as_json, until=until.isoformat())
    else:
        raise typer.BadParameter("give either a duration or --until")


_plain(
    ("mitigate",),
    commands.Mitigate,
    "Mark as mitigated: impact has stopped, the cause has not been fixed.",
)


@app.command("resolve")
def incident_resolve(
    id: Id,
    force: Annotated[
        bool, typer.Option("--force", help="Resolve it although alerts still fire.")
    ] = False,
    actor: Actor = "operator",
    note: Note = "",
    as_json: Json = False,
) -> None:
    """Mark as resolved: the post-incident report is written."""
    _send(id, commands.Resolve.name, actor, note, as_json, **({"force": True} if force else {}))


_plain(("reopen",), commands.Reopen, "Reopen a mitigated or resolved incident.")


@app.command("open")
def incident_open(
    title: Annotated[str, typer.Argument(help="What is wrong, in one line.")] = "",
    follows: Annotated[
        str | None,
        typer.Option(help="The closed incident to follow; fields not given are copied from it."),
    ] = None,
    severity: Annotated[Severity | None, typer.Option(help="The severity.")] = None,
    service: Annotated[str | None, typer.Option(help="The service that is affected.")] = None,
    summary: Annotated[str | None, typer.Option(help="What is known, in several lines.")] = None,
    actor: Actor = "operator",
    as_json: Json = False,
) -> None:
    """Open an incident by hand, or one that follows a closed incident."""
    from core.operations.open_incident import open_incident

    if not title and follows is None:
        raise typer.BadParameter("give a title, or --follows")
    fields = {
        "title": title,
        "severity": severity.value if severity else None,
        "service": service,
        "summary": summary,
        "reporter": actor,
    }
    opened = asyncio.run(open_incident(Settings.from_env(), fields, follows=follows))
    if as_json:
        print_json(opened)
        return
    outcome = "is opened" if opened["opened"] else "is running already and takes it"
    after = f"; it follows {opened['follows']}" if opened["follows"] else ""
    line = f"{opened['child_id']} {outcome}: {opened['title']}{after}"
    out.print(escape(line), soft_wrap=True)


@app.command("close")
def incident_close(
    id: Id,
    reason: Annotated[CloseReason, typer.Option(help="What the incident turned out to be.")] = (
        CloseReason.RESOLVED
    ),
    actor: Actor = "operator",
    note: Note = "",
    as_json: Json = False,
) -> None:
    """Close an incident for good, before its reopen window ends."""
    _send(id, commands.Close.name, actor, note, as_json, reason=reason.value)
