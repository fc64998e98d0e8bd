"""The commands of an incident as forms: which there are, what a form means, and how it is sent.

A command is given as an update, which a worker answers. Where none does in a moment, it is given as
a signal with the same ID, which waits for one; so is an acknowledgement right away, because nobody
else is to be paged meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from core.adapters.temporal import incidents
from core.app.console.forms import NotRead, command_id, new_key, not_read
from core.app.console.frame import Visit
from core.domain.command import LONGEST_NAME, Proof
from core.domain.durations import format_duration
from core.domain.incident.command_states import EFFECTIVE_IN, NO_OP_IN
from core.domain.incident.commands import (
    COMMANDS,
    LONGEST_COMMENT,
    LONGEST_NOTE,
    Acknowledge,
    AnyCommand,
    Assign,
    Close,
    Comment,
    Escalate,
    Mitigate,
    Reopen,
    Resolve,
    SetSeverity,
    Snooze,
    Unacknowledge,
)
from core.domain.incident.status import CloseReason
from core.domain.severity import Severity
from core.errors import CommandRefused, TransientError

if TYPE_CHECKING:
    from temporalio.client import Client

LABELS: Final = {
    Acknowledge.name: "I have it",
    Unacknowledge.name: "Give it back",
    Escalate.name: "Page the next level",
    Mitigate.name: "Mark as mitigated",
    Resolve.name: "Resolve",
    Reopen.name: "Reopen",
    Assign.name: "Assign",
    Snooze.name: "Snooze",
    Comment.name: "Comment",
    SetSeverity.name: "Set the severity",
    Close.name: "Close",
}
"""What each command is called on its button."""

CHOICES: Final[Mapping[str, Any]] = {
    "labels": LABELS,
    "snooze": [(str(n), format_duration(n)) for n in (900, 1800, 3600, 7200, 14_400, 28_800)],
    "severity": [*Severity],
    "reason": [(each.value, each.value.replace("_", " ")) for each in CloseReason],
    "longest_note": LONGEST_NOTE,
    "longest_comment": LONGEST_COMMENT,
    "longest_name": LONGEST_NAME,
}

_PATIENCE: Final = 2.0
"""Seconds that a worker has to answer."""


def possible(status: str) -> tuple[str, ...]:
    """The commands that have an effect in a state."""
    return tuple(name for name in COMMANDS if status in EFFECTIVE_IN[name])


def read(visit: Visit, id: str) -> AnyCommand:
    """The command in a form. Raises `NotRead`."""
    form = visit.form
    kind = COMMANDS.get(form.get("name", ""))
    if kind is None:
        raise NotRead("There is no such command.")
    fields = _fields(form, kind)
    envelope = {
        **fields,
        # That somebody has it is meant anew each time: it may have been given back. Whatever else
        # is sent twice pages nobody twice, and says nothing twice.
        "command_id": f"console-{new_key()}"
        if kind is Acknowledge
        else command_id(visit, kind.name, [id, fields]),
        "actor": visit.session.caller.name,
        "proof": Proof.CONSOLE.value,
    }
    with not_read():
        return kind.model_validate(envelope)


def _fields(form: Mapping[str, str], kind: type[AnyCommand]) -> dict[str, Any]:
    """What somebody has typed and chosen; what was left empty, or as it was, is left out."""
    fields: dict[str, Any] = {}
    if note := form.get("note", "").strip():
        fields["note"] = note
    if kind is Resolve and "force" in form:
        fields["force"] = True
    elif kind is Assign:
        for name in ("assignee", "commander"):
            typed = form.get(name, "").strip()
            if typed != form.get(f"was_{name}", ""):
                fields[name] = typed or None
    elif chosen := {Snooze: "for", SetSeverity: "severity", Close: "reason"}.get(kind):
        fields[chosen] = form.get(chosen)
    return fields


async def give(client: Client, id: str, command: AnyCommand) -> None:
    """Give a command. Raises `CommandRefused` where it is known to be impossible, and as
    `incidents.send` and `incidents.signal`."""
    fields = command.model_dump(mode="json", by_alias=True, exclude_unset=True)
    if command.name != Acknowledge.name:
        try:
            async with asyncio.timeout(_PATIENCE):
                await incidents.send(client, id, command.name, fields)
        except (TimeoutError, TransientError):
            pass  # it is handled once, also if the worker takes both
        else:
            return
    summary = await incidents.summary(client, id)
    status = summary.status or ""
    if not summary.ended and status not in (
        *EFFECTIVE_IN[command.name],
        *NO_OP_IN.get(command.name, ()),
    ):
        raise CommandRefused(f"Cannot {command.name.replace('_', ' ')}: the incident is {status}.")
    await incidents.signal(client, id, command.name, fields)
