"""One incident: how it stands, what has happened to it, and what can be done about it.

A worker tells the whole story. While none answers, the page shows what the incident has published
of itself, and its commands wait in Temporal.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from core.adapters.temporal import incidents
from core.adapters.temporal.incident_list import IncidentSummary
from core.adapters.temporal.incident_names import resolve
from core.app.console import incident_commands as commands
from core.app.console.forms import NotRead, new_key
from core.app.console.frame import Page, Visit, digest, unchanged
from core.app.console.incidents import PATH as LIST
from core.app.identity.caller import Role
from core.domain.command import Word, attested
from core.domain.durations import format_age
from core.domain.handles import handle_of
from core.domain.incident.commands import LONGEST_ID
from core.domain.incident.decisions import on_call
from core.domain.incident.model import Incident, PageStatus
from core.domain.incident.status import Status
from core.domain.text import shortened, times
from core.domain.web_address import parsed
from core.errors import CommandRefused, TransientError

if TYPE_CHECKING:
    from temporalio.client import Client

PATH: Final = "/incident"

_PATIENCE: Final = 0.7
"""Seconds that a page waits for a worker: who opens it may have a second to act."""
_LIVE_PATIENCE: Final = 10.0
"""Seconds that the part waits that refreshes: a worker may have to start for it."""
_TITLE_CHARS: Final = 300
_SUMMARY_CHARS: Final = 4_000
_MOST_ENTRIES: Final = 200
_MOST_LABELS: Final = 50
_MOST_ALERTS: Final = 50
_DELIVERY: Final = {
    PageStatus.SENDING: "being sent",
    PageStatus.WAITING: "failed, will be retried",
    PageStatus.DELIVERED: "delivered",
    PageStatus.FAILED: "failed",
    PageStatus.CANCELLED: "cancelled",
}


class Wanted(BaseModel):
    """Which incident, what was `sent` to it a moment ago, and what of it the browser shows."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: Annotated[str, Field(min_length=1, max_length=LONGEST_ID)]
    sent: Word | None = None
    did: Word | None = None
    mark: Word | None = None
    seen: Word | None = None
    forms: Word | None = None
    entries: int | None = None


@dataclass(frozen=True, slots=True)
class _Story:
    """What is known of an incident: `incident` and `timeline` if a worker has answered."""

    summary: IncidentSummary
    incident: Incident | None = None
    timeline: Sequence[Mapping[str, Any]] = ()

    @property
    def status(self) -> str:
        return self.incident.status if self.incident else self.summary.status or ""

    @property
    def takes_commands(self) -> bool:
        return not self.summary.ended

    def has_it(self, name: str) -> bool:
        if self.status != Status.ACKNOWLEDGED:
            return False
        if self.incident:
            return name in self.incident.acknowledged_by
        return name == self.summary.acknowledged_by


async def shown(visit: Visit) -> Response:
    """The whole page."""
    return await _shown(visit, "incident.html", _PATIENCE)


async def live(visit: Visit) -> Response:
    """The parts of it that refresh; 204 where nothing has changed."""
    return await _shown(visit, "incident_live.html", _LIVE_PATIENCE)


async def report(visit: Visit) -> Response:
    """The post-incident report, as it was written."""
    wanted = visit.query(Wanted)
    content = await visit.console.services.reports.read(wanted.id, suffix="md")
    return visit.page(
        "report.html",
        title="Post-incident report",
        back=visit.url(PATH, id=wanted.id),
        report=content.decode(errors="replace"),
        section=LIST,
    )


async def act(visit: Visit) -> Response:
    """Give a command, and lead to what became of it."""
    wanted = visit.query(Wanted)
    client = await visit.console.services.client()
    id = await resolve(client, wanted.id)
    try:
        command = commands.read(visit, id)
        await commands.give(client, id, command)
    except (NotRead, CommandRefused) as problem:
        return await _refused(visit, client, id, problem)
    mark = visit.session.mark(f"{command.name} {command.command_id}")
    return visit.see(PATH, id=id, sent=command.command_id, did=command.name, mark=mark)


async def _refused(
    visit: Visit, client: Client, id: str, problem: NotRead | CommandRefused
) -> Response:
    """The incident's page, with why nothing was done and what is possible."""
    story = await _story(client, id, _PATIENCE)
    status = 400 if isinstance(problem, NotRead) else 409
    values = _values(visit, id, story, Wanted(id=id))
    return visit.page("incident.html", status, problem=_why(problem), **values)


def _why(problem: NotRead | CommandRefused) -> str:
    """What people are told, without what only a command line can do."""
    if isinstance(problem, NotRead):
        return str(problem)
    if problem.refusal:
        return f"Cannot {problem.refusal.deed.replace('_', ' ')}: {problem.refusal.why}."
    return problem.message


async def _shown(visit: Visit, template: str, patience: float) -> Response:
    wanted = visit.query(Wanted)
    client = await visit.console.services.client()
    id = await resolve(client, wanted.id)
    values = _values(visit, id, await _story(client, id, patience), wanted)
    if wanted.seen == values["seen"] and wanted.forms in (None, values["forms"]):
        return unchanged()
    return visit.page(template, problem=None, **values)


async def _story(client: Client, id: str, patience: float) -> _Story:
    summary = await incidents.summary(client, id)
    try:
        async with asyncio.timeout(patience):
            view = await incidents.show(client, id)
    except (TimeoutError, TransientError, CommandRefused):
        # There is no worker, or none whose answer can be had: one whose workflow has failed.
        return _Story(summary)
    return _Story(summary, Incident.model_validate(view["incident"]), view["timeline"])


def _values(visit: Visit, id: str, story: _Story, wanted: Wanted) -> dict[str, Any]:
    """All that the templates show."""
    now = datetime.now(UTC)
    summary, incident = story.summary, story.incident
    me = visit.session.caller.name
    possible = commands.possible(story.status) if story.takes_commands else ()
    may = visit.session.caller.role.covers(Role.RESPONDER)
    begun = summary.began.astimezone(UTC)
    standing = {
        "state": story.status,
        "ended": summary.ended,
        "severity": incident.severity.value if incident else summary.severity,
        "mine": story.has_it(me),
        "has_it": _has_it(story),
        "whole": incident is not None,
        "facts": [*_facts(visit, story, now)],
        "sent": _sent(visit, story, wanted),
        "links": [*_links(incident)] if incident else [],
        "labels": [*(incident.labels.items() if incident else ())][:_MOST_LABELS],
        "about": shortened(incident.summary or "", _SUMMARY_CHARS) if incident else "",
        "alerts": [*_alerts(incident)] if incident else [],
        "pages": [*_pages(incident)] if incident else [],
        "entries": [_entry(entry) for entry in story.timeline[: -_MOST_ENTRIES - 1 : -1]],
        "left_out": max(0, len(story.timeline) - _MOST_ENTRIES),
    }
    offered = {
        "possible": possible if may else (),
        "mine": standing["mine"],
        "others": bool(standing["has_it"]) and not standing["mine"],
        "severity": standing["severity"],
        "assignee": incident.assignee if incident else summary.assignee,
        "commander": incident.commander if incident else None,
        "snoozed": bool(incident and incident.snoozed_until),
        "firing": incident.alerts.firing if incident else 0,
    }
    seen, forms = digest(standing), digest(offered)
    again = (
        {"sent": wanted.sent, "did": wanted.did, "mark": wanted.mark} if standing["sent"] else {}
    )
    return {
        **standing,
        "title": shortened(
            (incident.title if incident else summary.title) or "An incident", _TITLE_CHARS
        ),
        "handle": summary.handle,
        "began": begun,
        "age": format_age(now - begun),
        "offered": offered,
        "may": may,
        "seen": seen,
        "forms": forms,
        "asked": wanted.forms,
        "key": new_key(),
        "action": visit.url(f"{PATH}/command", id=id),
        "grown": len(story.timeline) != wanted.entries,
        "live": visit.url(
            f"{PATH}/live", id=id, seen=seen, entries=str(len(story.timeline)), **again
        ),
        "choices": commands.CHOICES,
        "section": LIST,
    }


def _has_it(story: _Story) -> str | None:
    if story.status != Status.ACKNOWLEDGED:
        return None
    if story.incident:
        return ", ".join(story.incident.acknowledged_by)
    return story.summary.acknowledged_by


def _sent(visit: Visit, story: _Story, wanted: Wanted) -> dict[str, str] | None:
    """What became of a command that this session has given."""
    sent, did = wanted.sent, wanted.did
    if not visit.session.wrote(f"{did} {sent}", wanted.mark or ""):
        return None
    label = commands.LABELS.get(did or "", "")
    found = next((each for each in story.timeline if each.get("command_id") == sent), None)
    if found:
        kind = "refused" if found["kind"] == "refused" else "done"
        return {"kind": kind, "label": label, "text": str(found["text"])}
    if story.incident:
        return {"kind": "unseen", "label": label, "text": ""}
    return {"kind": "waits", "label": label, "text": ""}


def _facts(visit: Visit, story: _Story, now: datetime) -> Iterator[tuple[str, str, str | None]]:
    """Name, text and, where it leads to something here, the address."""
    summary, incident = story.summary, story.incident

    def at(moment: datetime) -> str:
        return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"

    yield "Began", f"{format_age(now - summary.began)} ago, {at(summary.began)}", None
    if incident is None:
        for name, text in (("Service", summary.service), ("Assigned to", summary.assignee)):
            if text:
                yield name, text, None
        return
    alerts = incident.alerts
    ahead = (
        ("Snoozed until", incident.snoozed_until),
        ("Next page", on_call.next_page(incident)),
    )
    counted = (
        f"{alerts.firing:,} firing of {alerts.distinct:,}, received {times(alerts.fired)}"
        if alerts.fired
        else None
    )
    for name, value in (
        ("Service", incident.service),
        ("Assigned to", incident.assignee),
        ("Commander", incident.commander),
        *(
            (name, f"in {format_age(when - now)}, {at(when)}" if when else None)
            for name, when in ahead
        ),
        ("Alerts", counted),
        ("Being paged", ", ".join(_people(incident))),
        ("Source", incident.source),
        ("Resolved by", incident.resolved_by),
        ("Closed as", incident.close_reason and incident.close_reason.replace("_", " ")),
    ):
        if value:
            yield name, value, None
    if incident.previous:
        yield "Follows", handle_of(incident.previous), visit.url(PATH, id=incident.previous)
    if any(uri.endswith(".md") for uri in incident.reports):
        yield "Report", "Read what happened", visit.url(f"{PATH}/report", id=incident.id)


def _people(incident: Incident) -> Iterator[str]:
    for paged in incident.escalation.people.values():
        yield f"{paged.on_call.name}{f' ({role})' if (role := paged.on_call.role) else ''}"


def _links(incident: Incident) -> Iterator[tuple[str, str | None]]:
    """Texts with where they lead; nowhere for what is no web address, whoever sent it."""
    for name, link in (
        *incident.named_links.items(),
        *((link, link) for link in incident.links),
        *((("The report that opened it", incident.document),) if incident.document else ()),
    ):
        parts = parsed(link) if link.isprintable() else None
        if parts and parts.scheme in ("http", "https") and parts.netloc:
            yield name, link
        else:
            yield name if name == link else f"{name}: {link}", None


def _alerts(incident: Incident) -> list[dict[str, Any]]:
    """The alerts that are known one by one: those that fire first, and the last one heard of."""
    tracked = sorted(
        incident.alerts.tracked.values(), key=lambda each: (each.firing, each.last_at), reverse=True
    )
    return [
        {
            "title": shortened(alert.title, _TITLE_CHARS),
            "severity": alert.severity.value,
            "state": "firing" if alert.firing else "resolved",
            "at": alert.last_at.astimezone(UTC),
        }
        for alert in tracked[:_MOST_ALERTS]
    ]


def _pages(incident: Incident) -> Iterator[dict[str, Any]]:
    """Each page, the last one first."""
    for page in reversed([*incident.pages.values()]):
        yield {
            "target": page.target,
            "level": page.level,
            "status": page.status.value,
            "delivery": _DELIVERY[page.status] + (f" by {page.via}" if page.via else ""),
            "at": page.at and page.at.astimezone(UTC),
        }


def _entry(entry: Mapping[str, Any]) -> dict[str, Any]:
    moment = entry.get("at")
    return {
        "at": datetime.fromisoformat(moment).astimezone(UTC) if moment else None,
        "who": attested(str(entry["actor"]), entry.get("proof")),
        "text": str(entry["text"]),
        "kind": entry.get("kind"),
    }


PAGES: Final = (
    Page(path=PATH, handle=shown),
    Page(path=f"{PATH}/live", handle=live),
    Page(path=f"{PATH}/report", handle=report),
    Page(path=f"{PATH}/command", handle=act, role=Role.RESPONDER, method="POST"),
)
