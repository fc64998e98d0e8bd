"""Messages: what people read when they are paged, and what they hear afterwards.

A person who was woken reads the title, how to acknowledge, and the runbook; channels that take less
cut from the end (core/ports/notifier.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from core.domain.command import SOURCE_PREFIX, TIDEGATE
from core.domain.durations import format_age
from core.domain.handles import handle_of
from core.domain.incident.command_states import EFFECTIVE_IN
from core.domain.incident.commands import Acknowledge, Escalate, Resolve, Snooze
from core.domain.incident.effects import FollowUp, Link, Page, UpdatePost
from core.domain.incident.ids import compact_time
from core.domain.incident.model import Incident, PageState, PageStatus, PostState
from core.domain.incident.status import Status
from core.domain.incident.timeline import (
    Acknowledged,
    Closed,
    Discarded,
    HandedOver,
    Mitigated,
    PageDelivered,
    PageStarted,
    PostUpdateStarted,
    Resolved,
)
from core.domain.severity import Severity
from core.domain.targets import News
from core.domain.text import times

MAX_LINKS: Final = 8
"""Most links of one message."""

_BUTTONS: Final = (Acknowledge.name, Escalate.name, Snooze.name, Resolve.name)
_LINKS_FIRST: Final = ("runbook", "dashboard", "panel")
_MINUTE: Final = timedelta(minutes=1)

Change = Acknowledged | Mitigated | Resolved | Closed | Discarded
"""Events that are news for whoever took a page."""


def page_for(incident: Incident, started: PageStarted) -> Page:
    """The page as its target gets it."""
    return Page(
        key=started.key,
        level=started.level,
        target=started.target,
        repeat=started.repeat,
        fallback=started.fallback,
        title=_titled(incident),
        text=incident.summary or "",
        action=_acknowledge(incident),
        facts=(
            *_asked(started),
            *_role(incident, started),
            *_facts(incident, started.at, started.key),
        ),
        details=_details(incident),
        links=_links(incident),
        severity=incident.severity,
        dedup_key=incident.id,
        again=started.round > 1,
        **_shown(incident, (started.target, *started.fallback)),
    )


def update_post(incident: Incident, started: PostUpdateStarted, state: PostState) -> UpdatePost:
    """What a target's message is to show, and what is to be told under it."""
    return UpdatePost(
        key=f"{incident.id}/post/{started.target}/{started.number}",
        target=started.target,
        number=started.number,
        post=state.post,
        story=state.untold,
        omitted=state.omitted,
        title=_titled(incident),
        text=incident.summary or "",
        action=_acknowledge(incident)
        if incident.status is Status.OPEN
        else f"Show: tidegate incident show {handle_of(incident.id)}",
        facts=_facts(incident, started.at),
        details=_details(incident),
        links=_links(incident),
        severity=incident.severity,
        dedup_key=incident.id,
        stands=_stands(incident),
        buttons=_buttons(incident),
    )


def news_of(event: Change) -> News:
    match event:
        case Acknowledged() | Mitigated():
            return News.ACKNOWLEDGED
        case Resolved() | Closed() | Discarded():
            return News.RESOLVED


def follow_up(incident: Incident, event: Change, targets: tuple[str, ...]) -> FollowUp:
    """What these targets hear of a change."""
    what = news_of(event)
    return _follow_up(
        incident,
        what,
        targets,
        key=f"{incident.id}/{what}/{compact_time(event.at)}",
        title=f"{_changed(event)}: {incident.title}",
        note=event.note,
        at=event.at,
    )


def late_follow_up(incident: Incident, event: PageDelivered, what: News) -> FollowUp:
    """What the target hears of a page that arrived although it was cancelled."""
    by = incident.acknowledged_by if what is News.ACKNOWLEDGED else ()
    return _follow_up(
        incident,
        what,
        (event.via or event.target,),
        key=f"{event.key}/{what}",
        title=f"{what.value.capitalize()}{_by(by)}: {incident.title}",
        note=None,
        at=event.at,
    )


def assignment(
    incident: Incident, targets: tuple[str, ...], *, by: str, note: str | None, at: datetime
) -> FollowUp:
    """What the assignee hears, at the targets of that name or by their own contact methods."""
    return FollowUp(
        key=f"{incident.id}/{News.ASSIGNED}/{compact_time(at)}",
        what=News.ASSIGNED,
        targets=targets,
        title=f"Assigned to you{_by([by])}: {_titled(incident)}",
        text="\n\n".join(filter(None, (note, incident.summary))),
        action=_acknowledge(incident),
        facts=_facts(incident, at),
        details=_details(incident),
        links=_links(incident),
        severity=incident.severity,
        dedup_key=incident.id,
        **_shown(incident, targets),
    )


def handed_over(incident: Incident, event: HandedOver) -> FollowUp:
    """What a person who was paged hears when somebody else is paged in their place."""
    others, verb = " and ".join(event.to), "is" if len(event.to) == 1 else "are"
    return _follow_up(
        incident,
        News.HANDED_OVER,
        event.targets,
        key=f"{incident.id}/{News.HANDED_OVER}/{event.on_call.person}/{compact_time(event.at)}",
        title=f"Handed over to {others}: {_titled(incident)}",
        note=f"{others} {verb} paged for {event.on_call.recipient} from now on.",
        at=event.at,
    )


def _follow_up(
    incident: Incident,
    what: News,
    targets: tuple[str, ...],
    *,
    key: str,
    title: str,
    note: str | None,
    at: datetime,
) -> FollowUp:
    return FollowUp(
        key=key,
        what=what,
        targets=targets,
        title=title,
        text=note or "",
        action=f"Show: tidegate incident show {handle_of(incident.id)}",
        facts=_lines({"At": _moment(at), "Service": incident.service}),
        details=_lines({"Incident": incident.id}),
        severity=Severity.INFO,
        dedup_key=incident.id,
        **_shown(incident, targets),
    )


def _shown(incident: Incident, targets: Sequence[str]) -> dict[str, Any]:
    """What messages with buttons need besides, with those that these targets have already."""
    posts = incident.posts
    return {
        "stands": _stands(incident),
        "buttons": _buttons(incident),
        "posts": {name: posts[name].post for name in targets if name in posts},
    }


def _buttons(incident: Incident) -> tuple[str, ...]:
    """The commands that are offered as buttons: not to acknowledge what somebody has."""
    offered = (name for name in _BUTTONS if incident.status in EFFECTIVE_IN[name])
    has_it = incident.status is Status.ACKNOWLEDGED
    return tuple(name for name in offered if not (has_it and name == Acknowledge.name))


def _stands(incident: Incident) -> str:
    """How the incident stands, in one line."""
    snoozed = incident.snoozed_until
    until = f"; snoozed until {_moment(snoozed)}" if snoozed else ""
    match incident.status:
        case Status.NEW | Status.PENDING:
            return "Not open yet"
        case Status.OPEN:
            return f"Open: nobody has it{until}"
        case Status.ACKNOWLEDGED:
            return f"Acknowledged{_by(incident.acknowledged_by)}{until}"
        case Status.MITIGATED:
            return f"Mitigated{until}"
        case Status.RESOLVED:
            return f"Resolved{_by([incident.resolved_by or TIDEGATE])}"
        case Status.CLOSED:
            reason = incident.close_reason
            return f"Closed as {reason.value.replace('_', ' ')}" if reason else "Closed"


def _titled(incident: Incident) -> str:
    return f"[{incident.severity.value.upper()}] {incident.title}"


def _acknowledge(incident: Incident) -> str:
    return f"Acknowledge: tidegate incident ack {handle_of(incident.id)}"


def _asked(started: PageStarted) -> tuple[str, ...]:
    """Who asked for the page, if a person did."""
    who = started.asked_by
    return _lines({"Asked by": who and f"{who}, who escalated to level {started.level}"})


def _role(incident: Incident, started: PageStarted) -> tuple[str, ...]:
    """Why the person is paged, if a person is."""
    paged = incident.escalation.people.get(started.person or "")
    if paged is None:
        return ()
    who = paged.on_call
    until = f" until {_moment(who.until)}" if who.until else ""
    return _lines({"Paged as": who.role and f"{who.role}{until}"})


def _facts(incident: Incident, now: datetime, key: str | None = None) -> tuple[str, ...]:
    """What whoever is woken needs first."""
    alerts = incident.alerts
    began = incident.started_at or incident.opened_at
    return _lines(
        {
            "Since": began and f"{_moment(began)}{_so_far(began, now)}",
            "Service": incident.service,
            "Firing": alerts.distinct and _firing(alerts.firing, alerts.distinct),
            "Acknowledged by": ", ".join(incident.acknowledged_by),
            "Paged before": None if incident.acknowledged_by else _paged(incident, now, key),
            "Assigned to": incident.assignee,
            "Reopened": incident.reopened and times(incident.reopened),
        }
    )


def _details(incident: Incident) -> tuple[str, ...]:
    return _lines(
        {
            "Reported by": incident.reporter,
            "Sent by": incident.source,
            "Document": incident.document,
            "Follows": incident.previous,
            "Incident": incident.id,
        }
    )


def _links(incident: Incident) -> tuple[Link, ...]:
    """The links of the alert or the report that opened it, then what other firing alerts have
    besides: runbooks and dashboards first, `MAX_LINKS` at most."""
    named = dict(incident.named_links)
    for alert in incident.alerts.tracked.values():
        if alert.firing:
            named = {**alert.links, **named}
    links = [Link(name=name, url=url) for name, url in named.items()]
    links += [Link(name="link", url=url) for url in incident.links]
    return tuple(sorted(links, key=_rank)[:MAX_LINKS])


def _rank(link: Link) -> int:
    name = link.name.lower()
    ranks = (place for place, first in enumerate(_LINKS_FIRST) if name.startswith(first))
    return next(ranks, len(_LINKS_FIRST))


def _paged(incident: Incident, now: datetime, key: str | None) -> str | None:
    """Whom each level has paged since the paging began, and what came of it."""
    since = incident.escalation.since
    levels: dict[int, list[PageState]] = {}
    for other, page in incident.pages.items():
        if other != key and page.at and since and since <= page.at < now:
            levels.setdefault(page.level, []).append(page)
    outcomes = ((level, ", ".join(_came(levels[level], now))) for level in sorted(levels))
    return "; ".join(f"level {level}: {what}" for level, what in outcomes if what) or None


def _came(pages: list[PageState], now: datetime) -> Iterator[str]:
    """What came of the pages to one level, in words."""
    took = [page for page in pages if page.status is PageStatus.DELIVERED]
    sending = [page for page in pages if page.status is PageStatus.SENDING]
    failed = [page for page in pages if page.status in (PageStatus.WAITING, PageStatus.FAILED)]
    if took:
        began = min(page.at for page in took if page.at)
        yield f"{_names(took)}, not acknowledged for {format_age(now - began)}"
    if sending:
        yield f"{_names(sending)} not delivered yet"
    if failed:
        yield f"{_names(failed)} not reached"


def _names(pages: Iterable[PageState]) -> str:
    names = (f"{page.target} through {page.via}" if page.via else page.target for page in pages)
    return " and ".join(dict.fromkeys(names))


def _changed(event: Change) -> str:
    match event:
        case Acknowledged():
            return f"Acknowledged{_by([event.actor])}"
        case Mitigated():
            return f"Mitigated{_by([event.actor])}"
        case Resolved():
            return f"Resolved{_by([event.actor])}"
        case Closed():
            return f"Closed as {event.reason.value.replace('_', ' ')}{_by([event.actor])}"
        case Discarded():
            return "Never became an incident"


def _by(actors: Iterable[str]) -> str:
    """By whom; nothing where nobody did it by hand."""
    names = [actor.removeprefix(SOURCE_PREFIX) for actor in actors if actor != TIDEGATE]
    return f" by {' and '.join(names)}" if names else ""


def _firing(firing: int, distinct: int) -> str:
    if distinct == 1:
        return "1 alert" if firing else "none"
    return f"{firing:,} of {distinct:,} alerts"


def _so_far(began: datetime, now: datetime) -> str:
    """How long it has lasted, from a minute on."""
    return f" ({format_age(now - began)})" if now - began >= _MINUTE else ""


def _lines(facts: Mapping[str, object]) -> tuple[str, ...]:
    return tuple(f"{name}: {value}" for name, value in facts.items() if value)


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
