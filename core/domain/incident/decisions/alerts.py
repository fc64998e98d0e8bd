"""Alerts: what the words of their sources do to an incident in each state."""

from __future__ import annotations

from datetime import datetime, timedelta

from core.domain.alert import Alert, AlertStatus
from core.domain.alert_state import AlertState, Heard, believed, hear, settled
from core.domain.incident.alert_counts import AlertCounts, fingerprint_of
from core.domain.incident.decisions import closing, opening, paging
from core.domain.incident.decisions.alert_entries import (
    Word,
    alert_cleared,
    alert_fired,
    alert_heard,
    alert_held,
    is_round,
)
from core.domain.incident.evolve import apply, has_seen
from core.domain.incident.inputs import AlertReceived, FurtherEvent, Listen, Recalled
from core.domain.incident.model import Incident, Wanted
from core.domain.incident.policies.policy import Recurrence
from core.domain.incident.status import CloseReason, Status
from core.domain.incident.timeline import (
    AlertCleared,
    AlertFired,
    AlertHeard,
    AlertsRecalled,
    Discarded,
    EventJoined,
    Listening,
    Noted,
    PagingWanted,
    Reopened,
    Resolved,
    SeverityChanged,
    Superseded,
    TimelineEvent,
)


def receive(incident: Incident, input: AlertReceived, now: datetime) -> list[TimelineEvent]:
    """What a word of a source does, by what is known of its alert (core.domain.alert_state)."""
    alert, counts = input.alert, incident.alerts
    fingerprint = fingerprint_of(alert.key)
    before = counts.states.get(fingerprint, AlertState())
    policy = input.policy or incident.policy
    settle = timedelta(seconds=policy.settle) if alert.replicated else None
    after, heard = hear(before, alert, now, settle=settle)
    if heard is Heard.HELD and not counts.can_hold:
        after, heard = believed(after), Heard.FIRED
    word = Word(alert, fingerprint, before, after)
    if incident.status is Status.NEW:
        return _before_it_opens(incident, input, word, heard, now)
    match heard:
        case Heard.FIRED:
            if not _takes_part(incident):
                return _superseded(incident, input.event_key, _fires_on(alert), now)
            return _fires(incident, word, now)
        case Heard.HELD:
            return alert_held(incident, word, now)
        case Heard.RECOVERED if incident.status is not Status.CLOSED:
            return _recovers(incident, alert_cleared(incident, word, now), now)
        case Heard.REPEATED if _is_tallied(incident, word):
            return _fires_still(incident, word, now)
        case Heard.RECOVERED | Heard.REPEATED | Heard.REMEMBERED | Heard.STALE:
            return _recovers(incident, alert_heard(word, now), now)


def opens(incident: Incident, input: AlertReceived, now: datetime) -> bool:
    """Whether an alert would open the incident, as far as is known now."""
    state = incident.alerts.states.get(fingerprint_of(input.alert.key), AlertState())
    return incident.status is Status.NEW and hear(state, input.alert, now)[1] is Heard.FIRED


def recall(incident: Incident, input: Recalled, now: datetime) -> list[TimelineEvent]:
    """What the run before knew counts for an incident that has not opened."""
    if incident.status is not Status.NEW or not input.states:
        return []
    return [AlertsRecalled(at=now, states=input.states)]


def listen(incident: Incident, input: Listen, now: datetime) -> list[TimelineEvent]:
    """Late alerts are waited for again, as after the incident before."""
    if incident.status is not Status.NEW or incident.silent_until:
        return []
    return [Listening(at=now, policy=input.policy, until=input.until, previous=input.previous)]


def settling_due(incident: Incident) -> datetime | None:
    """When the first of the alerts that are held counts as true."""
    return min(incident.alerts.settling, default=None)


def settle(incident: Incident, now: datetime) -> list[TimelineEvent]:
    """What was held, and was not resolved again in the meantime, fires."""
    events: list[TimelineEvent] = []
    for fingerprint, alert in incident.alerts.held.items():
        state = incident.alerts.states[fingerprint]
        if true := settled(state, now):
            for event in _settles(incident, Word(alert, fingerprint, state, true), now):
                events.append(event)
                incident = apply(incident, event)
    return events


def join(incident: Incident, input: FurtherEvent, now: datetime) -> list[TimelineEvent]:
    """What another event that is not an alert does: usually somebody's report."""
    if incident.status is Status.NEW or has_seen(incident, input.event_key):
        return []
    reason = f"a further event came: {input.event_type}"
    if not _takes_part(incident):
        return _superseded(incident, input.event_key, reason, now)
    joined = EventJoined(
        at=now,
        event_key=input.event_key,
        event_type=input.event_type,
        document=input.document,
    )
    if incident.status is Status.PENDING:
        return [joined, opening.opened_from(incident, now)]
    if incident.status is Status.RESOLVED:
        return [joined, Reopened(at=now, reason="it happened again before the incident was closed")]
    return [joined]


def _before_it_opens(
    incident: Incident, input: AlertReceived, word: Word, heard: Heard, now: datetime
) -> list[TimelineEvent]:
    """What fires opens an incident; anything else is remembered until it does."""
    policy = input.policy or incident.policy
    if heard is Heard.FIRED:
        return opening.open_by_alert(incident, word, policy, input.previous, now)
    entries: list[TimelineEvent] = [alert_heard(word, now)]
    if heard is Heard.HELD:
        entries = alert_held(incident, word, now)
    if incident.silent_until:
        return entries
    until = now + timedelta(seconds=policy.memory)
    return [Listening(at=now, policy=policy, until=until, previous=input.previous), *entries]


def _settles(incident: Incident, word: Word, now: datetime) -> list[TimelineEvent]:
    if incident.status is Status.NEW:
        return opening.open_by_alert(incident, word, incident.policy, incident.previous, now)
    if _takes_part(incident):
        return _fires(incident, word, now)
    # The next incident hears it again, as something new.
    new = alert_heard(word._replace(after=AlertState()), now)
    key = f"held:{word.fingerprint}"
    return [new, *_superseded(incident, key, _fires_on(word.alert), now, held=word.alert)]


def _is_tallied(incident: Incident, word: Word) -> bool:
    """Whether a repeat says that an alert of this incident fires still."""
    fires = word.alert.status is AlertStatus.FIRING and word.after.firing
    tracked = word.fingerprint in incident.alerts.tracked
    return fires and tracked and incident.status is not Status.CLOSED


def _fires_on(alert: Alert) -> str:
    return f"an alert fires: {alert.title}"


def _fires(incident: Incident, word: Word, now: datetime) -> list[TimelineEvent]:
    fired = alert_fired(incident, word, now)
    if incident.status is Status.RESOLVED:
        reason = f"recurred, an alert fires: {fired.title}"
        return [
            fired,
            *_raised(incident, fired),
            Reopened(at=now, actor=fired.actor, reason=reason),
        ]
    if incident.status is Status.MITIGATED and fired.fingerprint not in incident.alerts.tracked:
        reason = f"a new alert fires: {fired.title}"
        return [
            fired,
            *_raised(incident, fired),
            Reopened(at=now, actor=fired.actor, reason=reason),
            *paging.still_snoozed(incident, now),
        ]
    return _joins(incident, fired, now)


def _fires_still(incident: Incident, word: Word, now: datetime) -> list[TimelineEvent]:
    """A repeat is counted. One that is worse than all before is news."""
    fired = alert_fired(incident, word, now)
    return [fired] if incident.status is Status.RESOLVED else _joins(incident, fired, now)


def _joins(incident: Incident, fired: AlertFired, now: datetime) -> list[TimelineEvent]:
    raised = _raised(incident, fired)
    events: list[TimelineEvent] = [fired, *raised]
    if incident.status is Status.ACKNOWLEDGED and raised:
        worse = apply(incident, raised[0])
        if held := paging.certain_hold(worse, now):
            why = f"Nobody is paged for the higher severity: {held.reason}"
            events.append(Noted(at=now, text=why))
        else:
            level = paging.FIRST_LEVEL
            repeat = paging.next_repeat(incident, level)
            wanted = Wanted(level=level, repeat=repeat, at=now, targets=True)
            events.append(PagingWanted(at=now, wanted=wanted))
    return events


def _raised(incident: Incident, fired: AlertFired) -> list[SeverityChanged]:
    """The incident's new severity, if the alert is worse than that and than any alert before: a
    severity that somebody has lowered stays low while the same alerts go on firing."""
    worst = incident.alerts.worst
    worse = fired.severity.is_worse_than(incident.severity)
    if not worse or (worst and not fired.severity.is_worse_than(worst)):
        return []
    return [
        SeverityChanged(
            at=fired.at,
            actor=fired.actor,
            before=incident.severity,
            severity=fired.severity,
            note=f"an alert fires: {fired.title}",
        )
    ]


def _recovers(
    incident: Incident, entry: AlertCleared | AlertHeard, now: datetime
) -> list[TimelineEvent]:
    """What a recovery does, or a word that tells no more than that its delivery was whole."""
    if incident.status is Status.CLOSED:
        return [entry]
    if incident.status is Status.RESOLVED:
        return [entry.model_copy(update={"visible": False})]
    actor = entry.actor
    after = apply(incident, entry)
    # A source that goes on recovering is told of as seldom as an alert that goes on firing.
    recoveries = after.alerts.recoveries
    news = recoveries > incident.alerts.recoveries and is_round(recoveries)
    if not after.alerts.all_clear or incident.alerts.all_clear:
        unknown = _unknown(after.alerts) if news else None
        return [entry, Noted(at=now, text=unknown)] if unknown else [entry]
    match incident.status:
        case Status.PENDING:
            if not opening.passes(incident):
                return [entry]
            reason = "every alert was resolved before it opened"
            return [entry, Discarded(at=now, actor=actor, reason=reason)]
        case Status.ACKNOWLEDGED if not incident.policy.auto_resolve_acknowledged:
            note = "The source recovered; somebody who has the incident is to resolve it"
            return [entry, Noted(at=now, text=note)] if news else [entry]
        case Status.NEW | Status.OPEN | Status.ACKNOWLEDGED | Status.MITIGATED:
            note = "all alerts are resolved"
            resolved = Resolved(at=now, actor=actor, note=note)
            return [entry, resolved, *paging.cancel_all(incident, now)]


def _unknown(alerts: AlertCounts) -> str | None:
    """Why it is unknown whether all alerts are resolved, although none is known to be firing."""
    if not alerts.fired or alerts.firing:
        return None
    if alerts.incomplete:
        return "The source left alerts out: whether all are resolved is not known"
    if alerts.untracked:
        return "There were too many alerts to keep apart: whether all are resolved is not known"
    return None


def _takes_part(incident: Incident) -> bool:
    """Whether new events still belong to this incident, and not to a successor."""
    if incident.status is Status.RESOLVED:
        return incident.policy.recurrence is Recurrence.REOPEN
    return incident.status is not Status.CLOSED


def _superseded(
    incident: Incident, event_key: str, reason: str, now: datetime, *, held: Alert | None = None
) -> list[TimelineEvent]:
    """The event begins a new incident, and this one is over."""
    superseded = Superseded(at=now, event_key=event_key, reason=reason, held=held)
    return [superseded, *closing.close(incident, CloseReason.RESOLVED, now)]
