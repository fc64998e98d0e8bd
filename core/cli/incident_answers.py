"""What a command to an incident did, as one sentence that begins with the incident's handle."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from core.cli.clock import shown_deadline
from core.domain.incident.commands import (
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
from core.domain.incident.status import Status

if TYPE_CHECKING:
    from core.adapters.temporal.incidents import CommandResult


def answer_sentence(
    command: AnyCommand, answer: CommandResult, *, now: datetime | None = None
) -> str:
    """What the command did to the incident, or why it changed nothing, with times in the terminal's
    zone too."""
    now = now or datetime.now(UTC)
    handle = answer["handle"]
    if answer["changed"]:
        return f"{handle} {_done(command, answer, now)}"
    return f"{handle} unchanged: {_as_it_was(command, answer, now)}"


def _done(command: AnyCommand, answer: CommandResult, now: datetime) -> str:
    who, before = command.actor, answer["before"]
    match command:
        case Acknowledge():
            others = [name for name in answer["acknowledged_by"] if name != who]
            too = f", as by {_all(others)} before" if others else ""
            return f"acknowledged by {who}{too}: nobody else is paged"
        case Unacknowledge():
            return f"open again: {_paging(answer, now)}"
        case Escalate():
            return _escalated(answer, now)
        case Mitigate():
            return f"mitigated by {who}: nobody is paged"
        case Resolve():
            return f"resolved by {who}: nobody is paged"
        case Reopen():
            return f"reopened by {who}: {_paging(answer, now)}"
        case Assign():
            return _assigned(command, answer)
        case Snooze():
            if until := answer["snoozed_until"]:
                return f"snoozed until {_until(until, now)}"
            return f"not snoozed any more: {_paging(answer, now)}"
        case Comment():
            return "comment added"
        case SetSeverity():
            paged = f"; {_paged(answer)}" if answer["paged"] else ""
            return f"severity {answer['severity']}, was {before['severity']}{paged}"
        case Close():
            return f"closed as {command.reason.replace('_', ' ')} by {who}"


def _as_it_was(command: AnyCommand, answer: CommandResult, now: datetime) -> str:
    status = answer["status"]
    match command:
        case Acknowledge():
            if status == Status.ACKNOWLEDGED:
                return f"{command.actor} has acknowledged it already"
            return f"it is {status}, nobody is paged"
        case Unacknowledge():
            if status == Status.OPEN:
                return f"nobody has acknowledged it; {_paging(answer, now)}"
            return f"it is {status}; `tidegate incident reopen` opens it again"
        case Reopen():
            return f"it is {status}"
        case Mitigate() | Resolve() | Close():
            return f"it is {status} already"
        case Assign():
            return f"it is {_assigned(command, answer, was=False)} already"
        case Snooze():
            if until := answer["snoozed_until"]:
                return f"it is snoozed until {_until(until, now)} already"
            return "it is not snoozed"
        case SetSeverity():
            return f"its severity is {answer['severity']} already"
        case Escalate() | Comment():
            return "the same command has been handled before"


def _escalated(answer: CommandResult, now: datetime) -> str:
    paged = answer["paged"][0]
    level = paged["level"]
    deed = f"level {level} paged again" if paged["repeat"] > 1 else f"escalated to level {level}"
    text = f"{deed}: {_all(paged['targets'])}"
    if held := answer["held"]:
        text += f"; other paging stays on hold until {_until(held['until'], now)}: {held['reason']}"
    if answer["status"] == Status.ACKNOWLEDGED:
        owners = answer["acknowledged_by"]
        text += f"; {_all(owners)} still {'has' if len(owners) == 1 else 'have'} it"
    return text


def _assigned(command: Assign, answer: CommandResult, *, was: bool = True) -> str:
    named, parts = command.model_fields_set, []
    if "assignee" in named:
        before = answer["before"]["assignee"]
        changed = was and before and before != answer["assignee"]
        parts.append(f"assigned to {answer['assignee'] or 'nobody'}")
        parts += [f"was {before}"] if changed else []
    if "commander" in named:
        before = answer["before"]["commander"]
        changed = was and before and before != answer["commander"]
        parts.append(f"commanded by {answer['commander'] or 'nobody'}")
        parts += [f"was {before}"] if changed else []
    notified = f"; {answer['assignee']} is notified" if was and answer["notified"] else ""
    return f"{', '.join(parts)}{notified}"


def _paging(answer: CommandResult, now: datetime) -> str:
    """Who is paged now, or why nobody is, and until when."""
    status = answer["status"]
    if status == Status.ACKNOWLEDGED:
        return f"{_all(answer['acknowledged_by'])} has it, nobody else is paged"
    if status != Status.OPEN:
        return f"it is {status}, nobody is paged"
    if held := answer["held"]:
        return f"nobody is paged until {_until(held['until'], now)}: {held['reason']}"
    if answer["paged"]:
        return _paged(answer)
    if next_page_at := answer["next_page_at"]:
        return f"the next page is due at {_until(next_page_at, now)}"
    return "its policy pages nobody else"


def _paged(answer: CommandResult) -> str:
    return "; ".join(
        f"level {each['level']} is paged: {_all(each['targets'])}" for each in answer["paged"]
    )


def _until(moment: str, now: datetime) -> str:
    return shown_deadline(datetime.fromisoformat(moment), now=now)


def _all(names: Sequence[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
