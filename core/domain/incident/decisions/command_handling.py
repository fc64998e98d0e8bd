"""Commands: where each is possible, why one is refused, and what it does.

    command         open           acknowledged   mitigated      resolved       closed
    acknowledge     acknowledged   one more       -              refused        refused
    unacknowledge   -              open           -              refused        refused
    escalate        pages          pages          refused        refused        refused
    mitigate        mitigated      mitigated      -              refused        refused
    resolve         resolved       resolved       resolved       -              -
    reopen          -              -              open           open           refused
    assign, snooze  done           done           done           refused        refused
    comment,        done           done           done           done           refused
    set_severity
    close           closed         closed         closed         closed         -

While alerts are held back, people may comment, assign, set the severity and close.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from core.domain.handles import handle_of
from core.domain.incident.command_states import EFFECTIVE_IN, NO_OP_IN
from core.domain.incident.commands import (
    COMMANDS,
    LONGEST_SNOOZE,
    Acknowledge,
    AnyCommand,
    Assign,
    Close,
    Command,
    Comment,
    Escalate,
    Mitigate,
    Reopen,
    Resolve,
    SetSeverity,
    Snooze,
    Unacknowledge,
)
from core.domain.incident.decisions import closing, escalation, paging
from core.domain.incident.decisions.permissions import deed_of, denial
from core.domain.incident.evolve import has_handled
from core.domain.incident.ids import parse_id
from core.domain.incident.model import Incident, Origin
from core.domain.incident.refusals import Deed, Refusal
from core.domain.incident.status import UNRESOLVED, CloseReason, Status
from core.domain.incident.timeline import (
    Acknowledged,
    Assigned,
    Commented,
    Mitigated,
    Refused,
    Reopened,
    Resolved,
    SeverityChanged,
    Snoozed,
    SnoozeEnded,
    TimelineEvent,
    Unacknowledged,
    Unchanged,
)
from core.errors import quoted


def possible(incident: Incident) -> tuple[str, ...]:
    """The names of the commands that have an effect now."""
    return tuple(name for name in COMMANDS if incident.status in EFFECTIVE_IN[name])


def refusal(incident: Incident, command: AnyCommand, now: datetime) -> Refusal | None:
    """Why a command is not possible now, and what is; None if it is, or was handled before."""
    deed = deed_of(command)
    if not _is_for(incident, command):
        return _meant_for(command.incident_id or "", deed, incident)
    if has_handled(incident, command.command_id):
        return None
    name, status = command.name, incident.status
    if status is Status.NEW and incident.silent_until:
        return Refusal(deed=deed, why="no incident is open")
    if status is Status.NEW:
        why = f"the incident is {status}, its event is still being read"
        return Refusal(deed=deed, why=why, advice="try again")
    if status not in EFFECTIVE_IN[name] and status not in NO_OP_IN.get(name, ()):
        return _not_in_state(incident, command)
    if _is_overtaken(incident, command, now):
        why = "what was said later, where it was given, has arrived before it"
        return Refusal(deed=deed, why=why)
    return denial(incident, command) or _objection(incident, command, now)


def handle(incident: Incident, command: AnyCommand, now: datetime) -> list[TimelineEvent]:
    """What a command does: nothing if it is refused, was handled before, or changes nothing."""
    if refusal(incident, command, now) or has_handled(incident, command.command_id):
        return []
    if incident.status not in EFFECTIVE_IN[command.name]:
        return []
    asked = _asked(command, now)
    cancelled = paging.cancel_all(incident, now)
    match command:
        case Acknowledge():
            return (
                []
                if command.actor in incident.acknowledged_by
                else [Acknowledged(**asked), *cancelled]
            )
        case Unacknowledge():
            return [
                *_wake(incident, asked),
                Unacknowledged(**asked, reason=f"{command.actor} gave it back"),
            ]
        case Escalate():
            return escalation.by_hand(incident, asked, now)
        case Mitigate():
            return [Mitigated(**asked), *cancelled]
        case Resolve():
            return [Resolved(**asked, forced=_still_fires(incident)), *cancelled]
        case Reopen():
            return [
                Reopened(**asked, reason=f"{command.actor} says that it is not over"),
                *paging.still_snoozed(incident, now),
            ]
        case Assign():
            return _assign(incident, command, asked)
        case Snooze():
            return _snooze(incident, command, asked, now)
        case Comment():
            return [Commented(**asked)]
        case SetSeverity():
            if command.severity is incident.severity:
                return []
            before = incident.severity
            return [SeverityChanged(**asked, before=before, severity=command.severity)]
        case Close():
            return closing.close(incident, command.reason, now, asked=asked)


def take(incident: Incident, command: AnyCommand, now: datetime) -> list[TimelineEvent]:
    """What a command does for whose answer nobody waits: as `handle`, and that it is refused. It is
    remembered whatever came of it, because it may be redelivered long after."""
    if has_handled(incident, command.command_id):
        return []
    if refused := refusal(incident, command, now):
        return [Refused(**_asked(command, now), reason=str(refused))]
    return handle(incident, command, now) or [Unchanged(**_asked(command, now))]


def _asked(command: Command, now: datetime) -> dict[str, Any]:
    """What every event of a command says of it."""
    return {
        "at": now,
        "actor": command.actor,
        "command_id": command.command_id,
        "note": command.note,
        "proof": command.proof,
        "origin": _origin(command, now),
    }


_DECIDES: Final = {
    **dict.fromkeys((Acknowledge, Unacknowledge, Mitigate, Resolve, Reopen), "status"),
    Assign: "assignee",
}
"""What the last word of a system counts about. Comments and steps are done in any order."""


def _origin(command: Command, now: datetime) -> Origin | None:
    """When it was given, if that matters; a system whose clock is ahead has given it now."""
    matter = _DECIDES.get(type(command))
    if matter is None or command.proof is None or command.given_at is None:
        return None
    return Origin(system=command.proof, matter=matter, at=min(command.given_at, now))


def _is_overtaken(incident: Incident, command: Command, now: datetime) -> bool:
    origin = _origin(command, now)
    return origin is not None and any(
        (each.system, each.matter) == (origin.system, origin.matter) and each.at > origin.at
        for each in incident.origins
    )


def _is_for(incident: Incident, command: Command) -> bool:
    return command.incident_id in (None, incident.id, incident.key or incident.id)


def _meant_for(id: str, deed: Deed, incident: Incident) -> Refusal:
    if parse_id(id)[0] == (incident.key or parse_id(incident.id)[0]):
        why = (
            f"the command is for {handle_of(id)}, which is over; {handle_of(incident.id)} follows "
            f"it and is {incident.status}"
        )
        return Refusal(deed=deed, why=why, advice="check which one is meant")
    why = f"the command is for incident {quoted(id)}, this is {incident.id!r}"
    return Refusal(deed=deed, why=why)


def _not_in_state(incident: Incident, command: AnyCommand) -> Refusal:
    deed, why = deed_of(command), f"the incident is {incident.status}"
    if incident.status is not Status.CLOSED:
        instead = Deed.REOPEN if isinstance(command, Escalate) else None
        return Refusal(deed=deed, why=why, possible=_possible_from(instead, incident))
    advice = "nothing is possible any more"
    if isinstance(command, Reopen):
        advice += f" but a new one: `tidegate incident open --follows {incident.id}`"
    return Refusal(deed=deed, why=why, advice=advice)


def _objection(incident: Incident, command: AnyCommand, now: datetime) -> Refusal | None:
    """What is wrong with a command that the state allows."""
    match command:
        case Resolve():
            return None if command.force else _fires_on(incident)
        case Snooze():
            return _bad_moment(command, now)
        case Escalate():
            return _reaches_nobody(incident)
        case Close():
            return _not_resolved(incident) if command.reason is CloseReason.RESOLVED else None
        case (
            Acknowledge()
            | Unacknowledge()
            | Mitigate()
            | Reopen()
            | Assign()
            | Comment()
            | SetSeverity()
        ):
            return None


def _reaches_nobody(incident: Incident) -> Refusal | None:
    if escalation.next_level(incident):
        return None
    return Refusal(
        deed=Deed.ESCALATE,
        why=f"the incident is {incident.status} and its policy {incident.policy.name!r} reaches "
        "nobody",
        possible=_possible_but(Deed.ESCALATE, incident),
    )


def _fires_on(incident: Incident) -> Refusal | None:
    if incident.status not in UNRESOLVED or not _still_fires(incident):
        return None
    count = incident.alerts.firing + incident.alerts.untracked
    return Refusal(
        deed=Deed.RESOLVE,
        why=f"the incident is {incident.status} and {count:,} of its alerts "
        f"{'fires' if count == 1 else 'fire'}",
        possible=(Deed.FORCE, *_possible_but(Deed.RESOLVE, incident)),
    )


def _bad_moment(command: Snooze, now: datetime) -> Refusal | None:
    if command.until is None:
        return None
    if command.until <= now:
        why = f"`until` is in the past, it is {now:%Y-%m-%dT%H:%M:%S%z} now"
        return Refusal(deed=Deed.SNOOZE, why=why)
    if command.until > now + timedelta(seconds=LONGEST_SNOOZE):
        why = f"`until` is more than {LONGEST_SNOOZE / 86_400:g} days away"
        return Refusal(deed=Deed.SNOOZE, why=why)
    return None


def _not_resolved(incident: Incident) -> Refusal | None:
    if incident.status not in (Status.PENDING, *UNRESOLVED):
        return None
    resolve = (Deed.RESOLVE,) if Resolve.name in possible(incident) else ()
    return Refusal(
        deed=Deed.CLOSE_AS_RESOLVED,
        why=f"the incident is {incident.status}",
        possible=(*resolve, Deed.CLOSE_OTHERWISE),
    )


def _possible_but(deed: Deed | None, incident: Incident) -> tuple[Deed, ...]:
    return tuple(Deed(name) for name in possible(incident) if name != deed)


def _possible_from(first: Deed | None, incident: Incident) -> tuple[Deed, ...]:
    """What is possible, beginning with `first` if that is."""
    return tuple(sorted(_possible_but(None, incident), key=lambda deed: deed is not first))


def _still_fires(incident: Incident) -> bool:
    return bool(incident.alerts.firing or incident.alerts.untracked)


def _wake(incident: Incident, asked: dict[str, Any]) -> list[TimelineEvent]:
    """The end of a snooze, because nobody has the incident any more."""
    if not incident.snoozed_until:
        return []
    who = {name: asked[name] for name in ("at", "actor", "proof")}
    return [SnoozeEnded(**who, note=f"{asked['actor']} gave the incident back")]


def _assign(incident: Incident, command: Assign, asked: dict[str, Any]) -> list[TimelineEvent]:
    before = {"assignee": incident.assignee, "commander": incident.commander}
    changes = {name: getattr(command, name) for name in before if name in command.model_fields_set}
    after = {**before, **changes}
    if after == before:
        return []
    is_news = _is_news(incident, command.assignee, command.actor)
    notified = incident.policy.addresses_of(command.assignee or "") if is_news else ()
    return [Assigned(**asked, **after, is_news=is_news, notified=notified)]


def _is_news(incident: Incident, assignee: str | None, actor: str) -> bool:
    """Whether a new assignee is to be notified, who is not the one that assigns."""
    know = {name.casefold() for name in (incident.assignee, actor) if name}
    return assignee is not None and assignee.casefold() not in know


def _snooze(
    incident: Incident, command: Snooze, asked: dict[str, Any], now: datetime
) -> list[TimelineEvent]:
    until = command.until or now + timedelta(seconds=command.for_ or 0)
    if until <= now:
        return [SnoozeEnded(**asked)] if incident.snoozed_until else []
    if until == incident.snoozed_until:
        return []
    return [Snoozed(**asked, until=until), *paging.cancel_all(incident, now)]
