"""What a refused command to an incident says: the cause, and what to type instead."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from core.domain.incident.commands import AnyCommand
from core.domain.incident.refusals import Deed, Refusal
from core.errors import CommandRefused


@dataclass(frozen=True, slots=True)
class Verb:
    """How a deed is typed: `tidegate incident NAME HANDLE ARGUMENTS`. `words` say it in a sentence
    that begins with "cannot"."""

    name: str
    words: str
    arguments: str = ""


VERBS: Final[Mapping[Deed, Verb]] = {
    Deed.ACKNOWLEDGE: Verb("ack", "acknowledge"),
    Deed.UNACKNOWLEDGE: Verb("unack", "unacknowledge"),
    Deed.ESCALATE: Verb("escalate", "escalate"),
    Deed.MITIGATE: Verb("mitigate", "mitigate"),
    Deed.RESOLVE: Verb("resolve", "resolve"),
    Deed.FORCE: Verb("resolve", "resolve with --force", "--force"),
    Deed.REOPEN: Verb("reopen", "reopen"),
    Deed.ASSIGN: Verb("assign", "assign", "--to NAME"),
    Deed.TAKE_COMMAND: Verb("assign", "take command", "--commander NAME"),
    Deed.HAND_OVER: Verb("assign", "pass on the command", "--commander NAME"),
    Deed.SNOOZE: Verb("snooze", "snooze", "DURATION"),
    Deed.COMMENT: Verb("comment", "comment", "TEXT"),
    Deed.SET_SEVERITY: Verb("severity", "set the severity", "SEVERITY"),
    Deed.CLOSE: Verb("close", "close"),
    Deed.CLOSE_AS_RESOLVED: Verb("close", "close as resolved", "--reason resolved"),
    Deed.CLOSE_OTHERWISE: Verb("close", "close otherwise", "--reason false_alarm"),
}
"""Every deed; the commands are named by this table, too."""


def refused(refusal: Refusal, name: str, command: AnyCommand) -> CommandRefused:
    """The error of a command that an incident has refused; `name` is its handle or workflow ID."""
    cause = f"incident {name}: cannot {VERBS[refusal.deed].words}: {refusal.why}"
    return CommandRefused(cause, fix=_next(refusal, name, command) or None, refusal=refusal)


def _next(refusal: Refusal, name: str, command: AnyCommand) -> str:
    if not refusal.possible:
        return refusal.advice
    first, *others = refusal.possible
    arguments = VERBS[first].arguments
    if first is Deed.TAKE_COMMAND:
        arguments = f"--commander {shlex.quote(command.actor)}"
    typed = f"tidegate incident {VERBS[first].name} {shlex.quote(name)} {arguments}".rstrip()
    more = ", ".join(f"{VERBS[deed].name} {VERBS[deed].arguments}".rstrip() for deed in others)
    return f"`{typed}`; also possible: {more}" if more else f"`{typed}`"
