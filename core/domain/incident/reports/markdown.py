"""The post-incident report in Markdown, for people to read and complete."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from core.domain.command import attested
from core.domain.durations import format_duration
from core.domain.incident.model import Incident
from core.domain.incident.reports.post_incident import (
    PostIncidentReport,
    ReportedPage,
    build_report,
)
from core.domain.incident.timeline import TimelineEvent
from core.domain.text import counted

_LINKS_SHOWN: Final = 50
_SPECIAL: Final = re.compile(r"([\\`*_\[\]<>#|])")

_DURATIONS: Final = {
    "to_first_page": "From opening to first page",
    "to_acknowledge": "From opening to acknowledgement",
    "to_mitigate": "From opening to mitigation",
    "to_resolve": "From opening to resolution",
    "from_start_to_open": "From start to opening",
    "from_start_to_acknowledge": "From start to acknowledgement",
    "from_start_to_mitigate": "From start to mitigation",
    "from_start_to_resolve": "From start to resolution",
}


def as_markdown(incident: Incident, timeline: Sequence[TimelineEvent]) -> bytes:
    """The report in UTF-8 Markdown; all text of people and sources is escaped."""
    report = build_report(incident, timeline)
    lines = [f"# Post-incident report: {_escape(report.title)}", ""]
    lines += _table(("", ""), _facts(report))
    lines += ["", "## Summary", "", _quote(report.summary)]
    lines += ["", "## Impact", "", _escape(report.impact)]
    lines += ["", "## How long it took", "", *_table(("", ""), _durations(report))]
    if report.severity_changes:
        changes = _table(("Time", "Who", "Severity"), _severity_changes(report))
        lines += ["", "## How severe it was", "", *changes]
    lines += ["", "## Who did what", "", *_people(report.people)]
    if report.alerts:
        lines += ["", "## Alerts", "", *_alerts(report)]
    if report.on_call:
        head = ("Time", "Level", "Person", "Paged as", "Until", "Handed over")
        lines += ["", "## Who was on call", "", *_table(head, _on_call(report))]
    lines += ["", "## Escalations and pages", "", *_pages(report)]
    lines += ["", "## Timeline", ""]
    entries = [
        (_moment(entry.at), attested(entry.actor, entry.proof), entry.text)
        for entry in report.timeline
    ]
    lines += _table(("Time", "Who", "What"), entries)
    if links := list(_links(report)):
        lines += ["", "## Links", "", *links]
    if report.labels:
        lines += ["", "## Labels", "", *_table(("", ""), sorted(report.labels.items()))]
    items = [f"- [ ] {_escape(item.text)} ({_escape(item.by)})" for item in report.action_items]
    lines += ["", "## Action items", "", *(items or ["- [ ] To be agreed"]), ""]
    return "\n".join(lines).encode()


def _facts(report: PostIncidentReport) -> Iterator[tuple[str, str]]:
    moments, metrics = report.metrics.moments, report.metrics
    facts = {
        "Incident": report.handle,
        "ID": report.incident_id,
        "Follows": report.previous,
        "Status": f"{report.status} ({report.close_reason})"
        if report.close_reason
        else report.status.value,
        "Severity": _severity(report),
        "Service": report.service,
        "Source": report.source,
        "Reported by": report.reporter,
        "Commander": report.commander,
        "Assignee": report.assignee,
        "Started": _moment(moments.started),
        "Opened": _moment(moments.opened),
        "Mitigated": _moment(moments.mitigated),
        "Resolved": _moment(moments.resolved),
        "Closed": _moment(moments.closed),
        "Reopened": counted(metrics.reopened, "time") if metrics.reopened else None,
        "Document": report.document,
    }
    yield from ((name, value) for name, value in facts.items() if value)


def _severity(report: PostIncidentReport) -> str:
    worst, last = report.worst_severity, report.severity
    return last.value if worst is last else f"{worst} at worst, {last} in the end"


def _severity_changes(report: PostIncidentReport) -> Iterator[tuple[str, str, str]]:
    for change in report.severity_changes:
        note = f": {change.note}" if change.note else ""
        yield _moment(change.at), change.by, f"{change.before} to {change.severity}{note}"


def _durations(report: PostIncidentReport) -> Iterator[tuple[str, str]]:
    for field, name in _DURATIONS.items():
        seconds = getattr(report.metrics.durations, field)
        if field.startswith("from_start") and report.metrics.moments.started is None:
            continue
        yield name, format_duration(seconds) if seconds is not None else "never"


def _people(people: Mapping[str, Sequence[str]]) -> list[str]:
    if not people:
        return ["Nobody did anything by hand."]
    return [f"- **{_escape(actor)}**: {_escape('; '.join(done))}" for actor, done in people.items()]


def _alerts(report: PostIncidentReport) -> list[str]:
    rows = [
        (
            alert.title,
            alert.severity.value,
            f"{alert.fired:,}",
            _moment(alert.first_at),
            _moment(alert.last_at),
            "firing" if alert.firing else "resolved",
        )
        for alert in report.alerts
    ]
    lines = _table(("Alert", "Severity", "Fired", "First", "Last", "Now"), rows)
    others = report.metrics.distinct_alerts - len(rows)
    return [*lines, "", f"And {others:,} more."] if others > 0 else lines


def _links(report: PostIncidentReport) -> Iterator[str]:
    """Those of the incident, then those of its other alerts, by name."""
    named = list(report.named_links.items())
    for alert in report.alerts:
        named += [(name, link) for name, link in alert.links.items() if (name, link) not in named]
    for name, link in named[:_LINKS_SHOWN]:
        yield f"- {_escape(name.capitalize())}: <{_address(link)}>"
    yield from (f"- <{_address(link)}>" for link in report.links)


def _on_call(report: PostIncidentReport) -> Iterator[tuple[str, ...]]:
    for each in report.on_call:
        over = f"to {' and '.join(each.handed_over_to)} at {_moment(each.handed_over_at)}"
        yield (
            _moment(each.at),
            f"{each.level}",
            each.name,
            each.role,
            _moment(each.until),
            over if each.handed_over_at else "",
        )


def _pages(report: PostIncidentReport) -> list[str]:
    if not report.pages:
        return ["Nobody was paged."]
    rows = [
        (
            _moment(page.at),
            f"{page.level}" + (f" (repeat {page.repeat})" if page.repeat > 1 else ""),
            page.target,
            _outcome(page),
        )
        for page in report.pages
    ]
    return _table(("Time", "Level", "Target", "Outcome"), rows)


def _outcome(page: ReportedPage) -> str:
    via = f" through {page.via}" if page.via else ""
    reason = f": {page.reason}" if page.reason else ""
    return f"{page.outcome}{via}{reason}"


def _moment(moment: datetime | None) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if moment else ""


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    lines += [f"| {' | '.join(_escape(cell) for cell in row)} |" for row in rows]
    return lines


def _escape(text: str) -> str:
    """Text as one line of Markdown without any markup in effect."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _quote(text: str | None) -> str:
    if not text:
        return "None was given."
    return "\n".join(f"> {_escape(line)}".rstrip() for line in text.split("\n"))


def _address(link: str) -> str:
    return link.replace("<", "%3C").replace(">", "%3E")
