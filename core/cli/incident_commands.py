"""`tidegate incident`: what people tell incidents to do, and the opening of one by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.markup import escape

from core import bootstrap
from core.cli.console import Json, out, print_json, run
from core.cli.incident import Id, duration
from core.config.settings import Settings
from core.domain.incident import commands
from core.domain.incident.model import CloseReason
from core.domain.incident.severity import Severity

app = typer.Typer()

Actor = Annotated[str, typer.Option("--by", help="Who does it.", envvar="USER")]
Note = Annotated[str, typer.Option(help="A word for the timeline.")]


def _send(id: str, name: str, actor: str, note: str, as_json: bool, **fields: Any) -> None:
    from core.adapters.temporal import incidents

    given = {"actor": actor, **({"note": note} if note else {}), **fields}

    async def send() -> dict[str, Any]:
        client = await bootstrap.connect(Settings.from_env())
        return await incidents.send(client, id, name, given)

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
        seconds = duration(length or "").total_seconds()
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
    from core.operations.open_incident import open_incident

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
