"""`tidegate incident ack|assign|...|open`: command incidents, and open one by hand."""

from __future__ import annotations

import asyncio
import shlex
import uuid
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from pydantic import ValidationError
from rich.markup import escape

from core import bootstrap
from core.cli import silence
from core.cli.completion import all_incidents, complete
from core.cli.console import Json, out, print_json
from core.cli.incident_answers import answer_sentence
from core.cli.incident_options import (
    Actor,
    Commander,
    Id,
    Note,
    NoWait,
    Text,
    To,
    checked_length,
    end_of_snooze,
)
from core.cli.incident_refusals import VERBS, refused
from core.cli.oncall_options import By, For, From, Until, Why
from core.cli.quantities import duration
from core.cli.waiting import answered
from core.config.settings import Settings
from core.domain.command import Proof
from core.domain.handles import handle_of
from core.domain.incident import commands
from core.domain.incident.ids import parse_id
from core.domain.incident.refusals import Deed
from core.domain.incident.status import CloseReason
from core.domain.problems import problems_of
from core.domain.severity import Severity
from core.errors import CommandRefused

if TYPE_CHECKING:
    from core.adapters.temporal.incidents import CommandResult

app = typer.Typer()

C = TypeVar("C", bound=commands.AnyCommand)


def _command(kind: type[C], actor: str, note: str | None = None, **fields: Any) -> C:
    """A command of that kind. Raises `typer.BadParameter` with every field that is wrong."""
    if note is not None:
        fields["note"] = note
    try:
        return kind(command_id=uuid.uuid4().hex, actor=actor, **fields)
    except ValidationError as error:
        raise typer.BadParameter("; ".join(problems_of(error))) from None


def _send(id: str, command: commands.AnyCommand, as_json: bool, no_wait: bool) -> None:
    from core.adapters.temporal import incidents

    fields = command.model_dump(mode="json", by_alias=True, exclude_unset=True)
    fields["proof"] = Proof.COMMAND_LINE.value

    async def send() -> CommandResult | str:
        client = await bootstrap.connect(Settings.from_env())
        if no_wait:
            return await incidents.signal(client, id, command.name, fields)
        return await answered(incidents.send(client, id, command.name, fields))

    try:
        answer = asyncio.run(send())
    except CommandRefused as error:
        if error.refusal is None:
            raise
        raise refused(error.refusal, error.incident, command) from None
    if isinstance(answer, str):
        _sent(answer, as_json)
    elif as_json:
        print_json(answer)
    else:
        out.print(escape(answer_sentence(command, answer)), soft_wrap=True)


def _sent(id: str, as_json: bool) -> None:
    """Say that a command is on its way to the incident of that ID."""
    own = parse_id(id)[1]
    name = handle_of(id) if own else id
    if as_json:
        print_json({"sent": True, "incident_id": own, "handle": handle_of(id) if own else None})
        return
    text = f"{name}: sent; `tidegate incident show {shlex.quote(name)}` tells what came of it"
    out.print(escape(text), soft_wrap=True)


def _plain(names: tuple[str, ...], kind: type[commands.AnyCommand], help: str) -> None:
    """Add a command without fields of its own, under its names; only the first is listed."""

    def command(
        id: Id,
        actor: Actor = "operator",
        note: Note = None,
        no_wait: NoWait = False,
        as_json: Json = False,
    ) -> None:
        _send(id, _command(kind, actor, note), as_json, no_wait)

    for number, name in enumerate(names):
        app.command(name, help=help, hidden=number > 0)(command)


_plain(
    (VERBS[Deed.ACKNOWLEDGE].name, "acknowledge"),
    commands.Acknowledge,
    "Acknowledge an incident: paging stops.",
)
_plain(
    (VERBS[Deed.UNACKNOWLEDGE].name,),
    commands.Unacknowledge,
    "Withdraw the acknowledgement: a snooze ends, and paging starts again at level 1.",
)
_plain(
    (VERBS[Deed.ESCALATE].name,),
    commands.Escalate,
    "Page the next level now, whatever holds the paging; the last level is paged again.",
)


@app.command(VERBS[Deed.ASSIGN].name)
def incident_assign(
    id: Id,
    to: To = None,
    nobody: Annotated[bool, typer.Option("--nobody", help="Remove the assignee.")] = False,
    commander: Commander = None,
    no_commander: Annotated[
        bool, typer.Option("--no-commander", help="Remove the incident commander.")
    ] = False,
    actor: Actor = "operator",
    note: Note = None,
    no_wait: NoWait = False,
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
    _send(id, _command(commands.Assign, actor, note, **fields), as_json, no_wait)


@app.command(VERBS[Deed.COMMENT].name)
def incident_comment(
    id: Id,
    text: Text,
    actor: Actor = "operator",
    no_wait: NoWait = False,
    as_json: Json = False,
) -> None:
    """Add a comment to the timeline."""
    _send(id, _command(commands.Comment, actor, text), as_json, no_wait)


@app.command(VERBS[Deed.SET_SEVERITY].name)
def incident_severity(
    id: Id,
    severity: Annotated[Severity, typer.Argument(help="The new severity.")],
    actor: Actor = "operator",
    note: Note = None,
    no_wait: NoWait = False,
    as_json: Json = False,
) -> None:
    """Set the severity."""
    _send(id, _command(commands.SetSeverity, actor, note, severity=severity), as_json, no_wait)


@app.command(VERBS[Deed.SNOOZE].name)
def incident_snooze(
    id: Id,
    length: Annotated[
        timedelta | None,
        typer.Argument(
            parser=duration, metavar="DURATION", help="How long: 30m, 2h; 0s ends a snooze."
        ),
    ] = None,
    for_: Annotated[
        timedelta | None,
        typer.Option("--for", parser=duration, metavar="DURATION", help="The same, as an option."),
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option(
            parser=end_of_snooze,
            metavar="TIME",
            help="Until when: the next 08:00 or '2026-01-02 08:00' in this shell's zone, or "
            "2026-01-02T08:00:00+01:00.",
        ),
    ] = None,
    actor: Actor = "operator",
    note: Note = None,
    no_wait: NoWait = False,
    as_json: Json = False,
) -> None:
    """Page nobody for a while."""
    lengths = [each for each in (length, for_) if each is not None]
    if len(lengths) + (until is not None) != 1:
        raise typer.BadParameter("give one of a duration like 30m, --for 30m and --until 08:00")
    if until is None:
        [length] = lengths
        seconds = checked_length(length).total_seconds()
        command = _command(commands.Snooze, actor, note, for_=seconds)
    else:
        command = _command(commands.Snooze, actor, note, until=until)
    _send(id, command, as_json, no_wait)


@app.command("silence")
def incident_silence(
    id: Id,
    start: From = None,
    until: Until = None,
    for_: For = None,
    why: Why = None,
    actor: By = "operator",
    as_json: Json = False,
) -> None:
    """Page nobody for a while for the incident, and for those that follow under its key.

    A silence outlives the incident, which a snooze does not: `silence list` shows it, and `silence
    end` ends it."""
    silence.add(actor, start, until, for_, why, as_json, incident=id)


_plain(
    (VERBS[Deed.MITIGATE].name,),
    commands.Mitigate,
    "Mark as mitigated: impact has stopped, the cause has not been fixed.",
)


@app.command(VERBS[Deed.RESOLVE].name)
def incident_resolve(
    id: Id,
    force: Annotated[
        bool, typer.Option("--force", help="Resolve it although alerts still fire.")
    ] = False,
    actor: Actor = "operator",
    note: Note = None,
    no_wait: NoWait = False,
    as_json: Json = False,
) -> None:
    """Mark as resolved: the post-incident report is written."""
    forced = {"force": True} if force else {}
    _send(id, _command(commands.Resolve, actor, note, **forced), as_json, no_wait)


_plain((VERBS[Deed.REOPEN].name,), commands.Reopen, "Reopen a mitigated or resolved incident.")


@app.command("open")
def incident_open(
    title: Annotated[str, typer.Argument(help="What is wrong, in one line.")] = "",
    follows: Annotated[
        str | None,
        typer.Option(
            help="The closed incident to follow; fields not given are copied from it.",
            autocompletion=complete(all_incidents),
        ),
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
    opened = asyncio.run(answered(open_incident(Settings.from_env(), fields, follows=follows)))
    if as_json:
        print_json(opened)
        return
    outcome = "opened" if opened["opened"] else "is open already and takes it"
    after = f"; it follows {handle_of(opened['follows'])}" if opened["follows"] else ""
    line = f"{opened['handle'] or opened['child_id']} {outcome}: {opened['title']}{after}"
    out.print(escape(line), soft_wrap=True)


@app.command(VERBS[Deed.CLOSE].name)
def incident_close(
    id: Id,
    reason: Annotated[CloseReason, typer.Option(help="What the incident turned out to be.")] = (
        CloseReason.RESOLVED
    ),
    actor: Actor = "operator",
    note: Note = None,
    no_wait: NoWait = False,
    as_json: Json = False,
) -> None:
    """Close an incident for good, before its reopen window ends."""
    _send(id, _command(commands.Close, actor, note, reason=reason), as_json, no_wait)
