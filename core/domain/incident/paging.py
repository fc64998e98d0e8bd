"""Pages: whom a level reaches, under which keys, with which words, and how often it is tried."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from core.domain.incident.effects import Page
from core.domain.incident.model import Incident, PageState, PageStatus, compact_time
from core.domain.incident.timeline import (
    Noted,
    PageCalledOff,
    PageFailed,
    PageStarted,
    TimelineEvent,
)

FIRST_LEVEL: Final = 1
ESCALATION_LEVEL: Final = 2

ROUND_DELAYS: Final = tuple(timedelta(seconds=s) for s in (30, 60, 120, 300, 600))
"""Waits after failed rounds; after the round that follows the last one, a page is given up."""

_VARIABLES: Final = {
    FIRST_LEVEL: "TIDEGATE_PAGE_URLS",
    ESCALATION_LEVEL: "TIDEGATE_ESCALATION_URLS",
}


def page_level(incident: Incident, level: int, now: datetime) -> list[TimelineEvent]:
    """One page to each target of a level of an open incident; a remark when it has none.

    The key names incident, opening, level and target, so that the next incident under the same ID
    and a reopening page anew, while a retry does not.
    """
    targets = incident.policy.targets.get(level, ()) if incident.policy else ()
    if not targets:
        variable = _VARIABLES.get(level, "the policy")
        return [Noted(at=now, text=f"Nobody to page at level {level}: {variable} names no target")]
    opening = compact_time(incident.opened_at or now)
    again = f"/reopened-{incident.reopened}" if incident.reopened else ""
    stem = f"{incident.id}@{opening}{again}/level-{level}"
    return [
        PageStarted(at=now, key=f"{stem}/{target}", level=level, target=target)
        for target in targets
    ]


def next_round(key: str, page: PageState, now: datetime) -> PageStarted:
    return PageStarted(at=now, key=key, level=page.level, target=page.target, round=page.round + 1)


def failed(key: str, page: PageState, reason: str, now: datetime) -> PageFailed:
    """The round failed; says when the next one is, if there is one."""
    retry_at = None
    if page.round <= len(ROUND_DELAYS):
        retry_at = now + ROUND_DELAYS[page.round - 1]
    return PageFailed(
        at=now, key=key, level=page.level, target=page.target, reason=reason, retry_at=retry_at
    )


def call_off(incident: Incident, now: datetime) -> list[PageCalledOff]:
    """Every page that is on its way or waits for another round."""
    return [
        PageCalledOff(at=now, key=key, level=page.level, target=page.target)
        for key, page in incident.pages.items()
        if page.status in (PageStatus.SENDING, PageStatus.WAITING)
    ]


def page_for(incident: Incident, started: PageStarted) -> Page:
    """What to tell the target."""
    lines = [incident.summary, ""] if incident.summary else []
    if started.level > FIRST_LEVEL and incident.policy:
        lines += [f"Nobody acknowledged within {incident.policy.ack_timeout:g} s.", ""]
    facts = {
        "Severity": incident.severity.value,
        "Service": incident.service,
        "Reported by": incident.reporter,
        "Began": _moment(incident.started_at),
        "Opened": _moment(incident.opened_at),
        "Document": incident.document,
        "Incident": incident.id,
    }
    lines += [f"{name}: {value}" for name, value in facts.items() if value]
    lines += incident.links
    return Page(
        key=started.key,
        level=started.level,
        target=started.target,
        title=f"[{incident.severity.value.upper()}] {incident.title}",
        body="\n".join(lines),
        severity=incident.severity,
    )


def _moment(moment: datetime | None) -> str | None:
    return moment.strftime("%Y-%m-%d %H:%M:%S %Z") if moment else None
