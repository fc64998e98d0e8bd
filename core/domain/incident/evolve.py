"""How each timeline event changes an incident; an incident is the fold of its events.

There are no rules here, because the events have happened. `lifecycle` decides which ones happen.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from core.domain.incident import alert_counts
from core.domain.incident import timeline as t
from core.domain.incident.description import description_of
from core.domain.incident.model import (
    IN_FLIGHT,
    KEPT_LINES,
    KEPT_NAMES,
    KEPT_PAGES,
    KEPT_POSTS,
    REMEMBERED_COMMANDS,
    REMEMBERED_EVENTS,
    Assignment,
    Escalation,
    Incident,
    Inquiry,
    Origin,
    PageState,
    PageStatus,
    Pending,
    PersonPaging,
    PostState,
    Wanted,
)
from core.domain.incident.status import Status
from core.domain.oncall.answer import Answer, OnCall
from core.domain.oncall.people import ContactStep
from core.domain.severity import Severity
from core.domain.targets import News
from core.domain.text import one_line, shortened

_WORDS: Final = (t.AlertFired, t.AlertCleared, t.AlertHeld, t.AlertHeard)
_UNTOLD: Final = (t.PageStarted, t.PageCancelled)
"""Visible events that are not told under posts: what becomes of a page is."""
_LINE_CHARS: Final = 200


def apply(incident: Incident, event: t.TimelineEvent) -> Incident:
    """The incident after the event."""
    changes = _changes(incident, event)
    if isinstance(event, _WORDS):
        changes["events"] = incident.events + 1
    elif key := getattr(event, "event_key", None):
        changes["events"] = incident.events + (not isinstance(event, t.Superseded))
        changes["recent_events"] = _remember(incident.recent_events, key, REMEMBERED_EVENTS)
    if command := getattr(event, "command_id", None):
        changes["recent_commands"] = _remember(
            incident.recent_commands, command, REMEMBERED_COMMANDS
        )
        changes["report_stale"] = changes.get(
            "report_stale", incident.report_stale or incident.report_wanted is not None
        )
    if origin := getattr(event, "origin", None):
        changes["origins"] = _latest(incident.origins, origin)
    if incident.posts and event.visible and not isinstance(event, _UNTOLD):
        changes["posts"] = _to_tell(changes.get("posts", incident.posts), event)
    return incident.model_copy(update=changes)


def _latest(known: tuple[Origin, ...], origin: Origin) -> tuple[Origin, ...]:
    same = [each for each in known if _about(each) == _about(origin)]
    others = [each for each in known if _about(each) != _about(origin)]
    return (*others, max([*same, origin], key=lambda each: each.at))


def _about(origin: Origin) -> tuple[str, str]:
    return origin.system, origin.matter


def has_seen(incident: Incident, event_key: str) -> bool:
    """Whether an event with that key was received before, as far as the incident remembers."""
    return alert_counts.digest(event_key) in incident.recent_events


def has_handled(incident: Incident, command_id: str) -> bool:
    """Whether a command with that ID was handled before, as far as the incident remembers."""
    return alert_counts.digest(command_id) in incident.recent_commands


def targets_in_flight(incident: Incident, person: str) -> frozenset[str]:
    """The contact methods of a person with a page that has neither arrived nor been origin up."""
    pages = incident.pages.values()
    return frozenset(p.target for p in pages if p.person == person and p.status in IN_FLIGHT)


def _changes(incident: Incident, event: t.TimelineEvent) -> dict[str, Any]:
    match event:
        case t.HeldBack():
            return {
                **description_of(event),
                "worst_severity": event.severity,
                "status": Status.PENDING,
                "pending": Pending(since=event.at),
                "silent_until": None,
            }
        case t.Opened():
            return {
                **description_of(event),
                "worst_severity": _worst(incident, event.severity),
                "status": Status.OPEN,
                "pending": None,
                "silent_until": None,
                "opened_at": event.at,
                "open_since": event.at,
                "escalation": Escalation(since=event.at),
            }
        case t.Discarded():
            return {
                "status": Status.CLOSED,
                "closed_at": event.at,
                "pending": None,
                **_ended(incident, event.at),
                **_paging_over(incident, assignment=None),
                "heard": _all_heard(incident, News.RESOLVED),
            }
        case t.NobodyToPage():
            return {"unreachable_levels": (*incident.unreachable_levels, event.level)}
        case t.AlertFired():
            return _fired(incident, event)
        case t.AlertCleared():
            alerts = alert_counts.cleared(
                incident.alerts,
                event.fingerprint,
                event.state,
                truncated=event.truncated,
                at=event.at,
            )
            return {"alerts": alerts}
        case t.AlertHeld():
            alerts = alert_counts.settling(
                incident.alerts, event.fingerprint, event.state, event.alert, at=event.at
            )
            return {"alerts": alerts}
        case t.AlertHeard():
            alerts = alert_counts.heard(
                incident.alerts, event.fingerprint, event.state, truncated=event.truncated
            )
            return {"alerts": alerts}
        case t.AlertsRecalled():
            return {"alerts": alert_counts.AlertCounts(states=event.states)}
        case t.Listening():
            return {
                "policy": event.policy,
                "previous": event.previous,
                "silent_until": event.until,
            }
        case t.Forgotten():
            return {
                "silent_until": None,
                "alerts": incident.alerts.model_copy(update={"held": {}}),
            }
        case t.SeverityChanged():
            changes: dict[str, Any] = {
                "severity": event.severity,
                "worst_severity": _worst(incident, event.severity),
            }
            held = incident.escalation.held_until
            if event.severity.is_worse_than(event.before):
                # What held the paging may not hold it at this severity: check again immediately.
                if held:
                    changes["escalation"] = _escalation(incident, held_until=min(held, event.at))
                # Nor quiet hours of people, whose rules may differ, too.
                elif incident.escalation.people:
                    changes["inquiry"] = _inquiry(incident, ask_at=event.at)
            return changes
        case t.Assigned():
            return {
                "assignee": event.assignee,
                "commander": event.commander,
                "inquiry": _inquiry(incident, assignment=_assignment(incident, event)),
                **_reached(incident, event.notified, incident.news),
            }
        case t.AssigneeNotified():
            return _reached(incident, event.targets, incident.news)
        case t.Snoozed():
            return {"snoozed_until": event.until, **_paging_over(incident)}
        case t.SnoozeEnded():
            return {"snoozed_until": None, "escalation": _afresh(incident, event.at)}
        case t.Commented():
            return {"comments": incident.comments + 1}
        case t.Refused():
            return {}
        case t.Unchanged():
            return {"report_stale": incident.report_stale}
        case t.Reopened():
            return {
                **_open_again(incident, event.at),
                "alerts": alert_counts.taken_up(incident.alerts),
                "mitigated_at": None,
                "resolved_at": None,
                "resolved_by": None,
                "reopened": incident.reopened + 1,
                "report_wanted": None,
                "report_stale": False,
            }
        case t.Unacknowledged():
            return _open_again(incident, event.at)
        case t.PagingHeld():
            return {"escalation": _escalation(incident, held_until=event.until)}
        case t.PagingResumed():
            return {"escalation": _afresh(incident, event.at)}
        case t.PagingWanted():
            return {"inquiry": _inquiry(incident, wanted=_wanted(incident, event.wanted))}
        case t.OnCallAsked():
            return {
                "inquiry": _inquiry(
                    incident,
                    number=event.number,
                    asked_at=event.at,
                    asked_levels=event.levels,
                    ask_at=None,
                    assignment=_asked(incident.inquiry.assignment),
                )
            }
        case t.OnCallFound():
            return {
                "inquiry": Inquiry(
                    number=incident.inquiry.number,
                    answer=event.answer,
                    answered_at=event.at,
                    levels=incident.inquiry.asked_levels,
                    ask_at=incident.inquiry.ask_at,
                    assignment=_not_asked(incident.inquiry.assignment),
                ),
                "escalation": _escalation(
                    incident, people=_brought_up_to_date(incident, event.answer, event.at)
                ),
            }
        case t.OnCallUnknown():
            return {"inquiry": _asked_again_later(incident.inquiry, event)}
        case t.OnCallMayDiffer():
            return {"inquiry": _inquiry(incident, ask_at=event.at)}
        case t.PersonPaged():
            return {"escalation": _person_paged(incident, event)}
        case t.HandedOver():
            people = {
                id: paging
                for id, paging in incident.escalation.people.items()
                if id != event.on_call.person
            }
            return {
                "escalation": _escalation(incident, people=people),
                "reached": tuple(name for name in incident.reached if name not in event.targets),
                "heard": {n: news for n, news in incident.heard.items() if n not in event.targets},
            }
        case t.StepTaken():
            return {"escalation": _escalation(incident, step=event.step, paged_at=event.at)}
        case t.PageStarted():
            return _page_started(incident, event)
        case t.PageDelivered():
            page = incident.pages.get(event.key)
            late = page is not None and page.status is PageStatus.CANCELLED
            return {
                **_page_became(incident, event.key, PageStatus.DELIVERED, via=event.via),
                "pages_delivered": incident.pages_delivered + 1,
                "first_paged_at": incident.first_paged_at or event.at,
                **_reached(incident, (event.via or event.target,), incident.news if late else None),
            }
        case t.PageFailed():
            if event.retry_at:
                return _page_became(
                    incident, event.key, PageStatus.WAITING, retry_at=event.retry_at
                )
            return {
                **_page_became(incident, event.key, PageStatus.FAILED),
                "pages_failed": incident.pages_failed + 1,
            }
        case t.PageCancelled():
            return _page_became(incident, event.key, PageStatus.CANCELLED)
        case t.Posted():
            changed_at = event.at if event.outdated else None
            state = PostState(post=event.post, changed_at=changed_at)
            others = {name: each for name, each in incident.posts.items() if name != event.target}
            kept = [*others.items()][-(KEPT_POSTS - 1) :]
            return {"posts": {**dict(kept), event.target: state}}
        case t.PostUpdateStarted():
            return _post_became(
                incident,
                event.target,
                changed_at=None,
                omitted=0,
                number=event.number,
                sending=len(incident.posts[event.target].untold),
            )
        case t.PostUpdated():
            state = incident.posts[event.target]
            untold = state.untold[state.sending or 0 :]
            return _post_became(
                incident, event.target, post=event.post, untold=untold, sending=None
            )
        case t.PostNotUpdated():
            return _post_became(incident, event.target, sending=None)
        case t.PostLost():
            posts = {name: each for name, each in incident.posts.items() if name != event.target}
            return {"posts": posts}
        case t.Acknowledged():
            return {
                "status": Status.ACKNOWLEDGED,
                "first_acknowledged_at": incident.first_acknowledged_at or event.at,
                "acknowledged_at": event.at,
                "acknowledged_by": _with_name(incident.acknowledged_by, event.actor),
                **_paging_over(incident),
                "heard": _all_heard(incident, News.ACKNOWLEDGED),
            }
        case t.Mitigated():
            return {
                "status": Status.MITIGATED,
                "mitigated_at": event.at,
                **_paging_over(incident),
                "heard": _all_heard(incident, News.ACKNOWLEDGED),
            }
        case t.Resolved():
            return {
                "status": Status.RESOLVED,
                "resolved_at": event.at,
                "resolved_by": event.actor,
                "snoozed_until": None,
                "alerts": alert_counts.dismissed(incident.alerts),
                "report_wanted": event.at,
                "report_stale": False,
                **_paging_over(incident, assignment=None),
                "heard": _all_heard(incident, News.RESOLVED),
            }
        case t.ReportWritten():
            reports = (*incident.reports, *event.uris)[-KEPT_NAMES:]
            return {"reported": event.as_of, "reports": reports}
        case t.ReportNotWritten():
            return {"reported": event.as_of}
        case t.Closed():
            changes = {
                "status": Status.CLOSED,
                "close_reason": event.reason,
                "closed_at": event.at,
                "snoozed_until": None,
                "report_stale": False,
                **_ended(incident, event.at),
                **_paging_over(incident, assignment=None),
                "heard": _all_heard(incident, News.RESOLVED),
            }
            return {**changes, "report_wanted": event.at} if event.report else changes
        case t.Escalated() | t.EscalatedByHand() | t.EventJoined() | t.Noted() | t.Superseded():
            return {}


def _worst(incident: Incident, severity: Severity) -> Severity:
    worst = incident.worst_severity
    return worst if worst and not severity.is_worse_than(worst) else severity


def _ended(incident: Incident, at: datetime) -> dict[str, Any]:
    """There is no incident any more; what is known of alerts is kept for late words, if there are
    any, unless it has waited for that long already."""
    alerts = incident.alerts
    if incident.status is not Status.RESOLVED:  # else what is held has been heard since
        alerts = alert_counts.dismissed(alerts)
    changes: dict[str, Any] = {"alerts": alerts, "silent_until": None}
    if alerts.states and incident.status is not Status.NEW and incident.policy.memory:
        changes["silent_until"] = at + timedelta(seconds=incident.policy.memory)
    return changes


def _open_again(incident: Incident, at: datetime) -> dict[str, Any]:
    return {
        "status": Status.OPEN,
        "open_since": at,
        "acknowledged_at": None,
        "acknowledged_by": (),
        "heard": {},
        **_paging_over(incident),
        "escalation": Escalation(since=at, repeats=incident.escalation.repeats),
    }


def _fired(incident: Incident, event: t.AlertFired) -> dict[str, Any]:
    alerts = alert_counts.fired(
        incident.alerts,
        event.fingerprint,
        event.state,
        title=event.title,
        severity=event.severity,
        links=event.links,
        truncated=event.truncated,
        at=event.at,
    )
    pending = incident.pending
    if pending is None:
        return {"alerts": alerts}
    rule = incident.policy.open_after
    arrivals = pending.arrivals
    if event.arrived:
        arrivals = (*arrivals, event.at)[-(rule.count if rule else 1) :]
    changed = Pending(since=pending.since, arrivals=arrivals, enough=event.enough)
    return {"alerts": alerts, "pending": changed}


def _escalation(incident: Incident, **changes: Any) -> Escalation:
    return incident.escalation.model_copy(update=changes)


def _afresh(incident: Incident, at: datetime) -> Escalation:
    """Paging starts at level 1; the numbers of repeats are kept, and whom a person has paged."""
    people = {id: each for id, each in incident.escalation.people.items() if each.asked_by}
    return Escalation(since=at, repeats=incident.escalation.repeats, people=people)


def _paging_over(incident: Incident, **changes: Any) -> dict[str, Any]:
    """Nobody is paged any more, unless it begins anew."""
    return {
        "escalation": _escalation(incident, people={}),
        "inquiry": _inquiry(incident, asked_at=None, wanted=(), ask_at=None, **changes),
    }


def _inquiry(incident: Incident, **changes: Any) -> Inquiry:
    return incident.inquiry.model_copy(update=changes)


def _assignment(incident: Incident, event: t.Assigned) -> Assignment | None:
    """Who is still to be notified, if that is a person of the on-call file: the new assignee."""
    if event.assignee == incident.assignee:
        return incident.inquiry.assignment
    if event.assignee is None or event.notified or not event.is_news:
        return None
    return Assignment(assignee=event.assignee, by=event.actor, note=event.note, at=event.at)


def _asked(assignment: Assignment | None) -> Assignment | None:
    return assignment and assignment.model_copy(update={"asked": True})


def _not_asked(assignment: Assignment | None) -> Assignment | None:
    return assignment if assignment and not assignment.asked else None


def _wanted(incident: Incident, wanted: Wanted) -> tuple[Wanted, ...]:
    """One of each level and person who asked for it."""
    others = [
        each
        for each in incident.inquiry.wanted
        if (each.level, each.asked_by) != (wanted.level, wanted.asked_by)
    ]
    return (*others, wanted)


def _asked_again_later(inquiry: Inquiry, event: t.OnCallUnknown) -> Inquiry:
    later: dict[str, Any] = {"at": event.retry_at}
    assignment = inquiry.assignment
    return inquiry.model_copy(
        update={
            "asked_at": None,
            "answered_at": event.at,
            "ask_at": event.retry_at,
            "unanswered": True,
            "wanted": tuple(
                each.model_copy(update={**later, "targets": False}) for each in inquiry.wanted
            ),
            "assignment": assignment and assignment.model_copy(update=later),
        }
    )


def _person_paged(incident: Incident, event: t.PersonPaged) -> Escalation:
    busy = targets_in_flight(incident, event.on_call.person)
    paging = PersonPaging(
        on_call=event.on_call,
        level=event.level,
        repeat=event.repeat,
        since=event.at,
        taken=tuple(step for step in event.on_call.steps if step.target in busy),
        asked_by=event.asked_by,
    )
    escalation = incident.escalation
    return _escalation(
        incident,
        people={**escalation.people, event.on_call.person: _delayed(paging, event.at)},
        repeats=_counted(escalation, event.level, event.repeat),
    )


def _counted(escalation: Escalation, level: int, repeat: int) -> Mapping[int, int]:
    return {**escalation.repeats, level: max(repeat, escalation.repeats.get(level, 0))}


def _brought_up_to_date(
    incident: Incident, answer: Answer, at: datetime
) -> Mapping[str, PersonPaging]:
    """Those who are paged, with what is known of them now."""
    return {
        id: _delayed(paging.model_copy(update={"on_call": known}), at, before=paging)
        if (known := _known(answer, paging.on_call))
        else paging
        for id, paging in incident.escalation.people.items()
    }


def _known(answer: Answer, on_call: OnCall) -> OnCall | None:
    """What the answer says of the same person first."""
    same = (each for each in answer.people if each.person == on_call.person)
    return next(same, None)


def _delayed(
    paging: PersonPaging, at: datetime, before: PersonPaging | None = None
) -> PersonPaging:
    """The paging, with its next step at the end of the person's quiet hours, or immediately if they
    do not hold it any more."""
    quiet, step = paging.on_call.quiet_until, next(iter(paging.steps), None)
    if step is None or paging.asked_by:
        return paging
    since, waits = paging.since, timedelta(seconds=step.after)
    if quiet:
        since = max(since, quiet - waits)
    elif before and before.on_call.quiet_until:
        since = min(since, at - waits)
    return paging.model_copy(update={"since": since})


def _page_started(incident: Incident, event: t.PageStarted) -> dict[str, Any]:
    page = PageState(
        level=event.level,
        target=event.target,
        person=event.person,
        repeat=event.repeat,
        fallback=event.fallback,
        round=event.round,
        asked_by=event.asked_by,
        at=event.at,
    )
    changes: dict[str, Any] = {"pages": _kept({**incident.pages, event.key: page})}
    if event.round == 1:
        escalation = incident.escalation
        people = dict(escalation.people)
        if event.person and (paging := people.get(event.person)):
            taken = (*paging.taken, ContactStep(after=event.after, target=event.target))
            people[event.person] = paging.model_copy(update={"taken": taken})
        changes["escalation"] = _escalation(
            incident, people=people, repeats=_counted(escalation, event.level, event.repeat)
        )
    return changes


def _kept(pages: Mapping[str, PageState]) -> Mapping[str, PageState]:
    """The pages to keep: if there are too many, the oldest that have ended are dropped."""
    surplus = len(pages) - KEPT_PAGES
    if surplus <= 0:
        return pages
    ended = [key for key, page in pages.items() if page.status not in IN_FLIGHT]
    forgotten = set(ended[:surplus])
    return {key: page for key, page in pages.items() if key not in forgotten}


def _page_became(
    incident: Incident, key: str, status: PageStatus, **changes: Any
) -> dict[str, Any]:
    page = incident.pages.get(key)
    if page is None:
        return {}
    changed = page.model_copy(update={"retry_at": None, **changes, "status": status})
    return {"pages": {**incident.pages, key: changed}}


def _post_became(incident: Incident, target: str, **changes: Any) -> dict[str, Any]:
    changed = incident.posts[target].model_copy(update=changes)
    return {"posts": {**incident.posts, target: changed}}


def _to_tell(posts: Mapping[str, PostState], event: t.TimelineEvent) -> Mapping[str, PostState]:
    """The posts, with one more line to be told under each. Of those that wait the last are kept."""
    sentence = f"{event.at.astimezone(UTC):%H:%M:%S} {event.attested()}: {event.sentence()}"
    line = shortened(one_line(sentence), _LINE_CHARS)
    changed = {}
    for target, state in posts.items():
        sending, waiting = state.sending or 0, (*state.untold[state.sending or 0 :], line)
        kept = waiting[-KEPT_LINES:]
        changed[target] = state.model_copy(
            update={
                "changed_at": state.changed_at or event.at,
                "untold": (*state.untold[:sending], *kept),
                "omitted": state.omitted + len(waiting) - len(kept),
            }
        )
    return changed


def _reached(incident: Incident, targets: tuple[str, ...], heard: News | None) -> dict[str, Any]:
    """These targets learn what becomes of the incident from now on, and know so much already."""
    if not targets:
        return {}
    reached = incident.reached
    for target in targets:
        reached = _with_name(reached, target)
    known = {name: news for name, news in incident.heard.items() if name not in targets}
    if heard:
        known |= dict.fromkeys(targets, heard)
    return {"reached": reached, "heard": {n: news for n, news in known.items() if n in reached}}


def _all_heard(incident: Incident, news: News) -> dict[str, News]:
    return dict.fromkeys(incident.reached, news)


def _with_name(names: tuple[str, ...], name: str) -> tuple[str, ...]:
    return names if name in names else (*names, name)[-KEPT_NAMES:]


def _remember(known: tuple[str, ...], text: str, limit: int) -> tuple[str, ...]:
    return (*known, alert_counts.digest(text))[-limit:]
