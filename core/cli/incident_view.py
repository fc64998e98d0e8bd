"""Incidents as a terminal shows them: a table, a headline, a timeline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from rich.markup import escape
from rich.table import Table

from core.cli.console import table
from core.domain.durations import format_duration

if TYPE_CHECKING:
    from core.adapters.temporal.incident_list import IncidentSummary

_COLOURS: Final = {
    "critical": "red bold",
    "high": "red",
    "medium": "yellow",
    "open": "red",
    "acknowledged": "yellow",
    "mitigated": "cyan",
    "resolved": "green",
    "closed": "dim",
}
_MINOR: Final = ("page_started", "page_cancelled")
"""Kinds of timeline entries that are shown dim."""


def incident_table(incidents: Sequence[IncidentSummary]) -> Table:
    """A table of incidents; titles only where there are any."""
    now = datetime.now(UTC)
    titles = any(incident.title for incident in incidents)
    columns = ["incident", "status", "severity", "service", "assignee", "age"]
    rows = []
    for incident in incidents:
        ended = f" [dim]({incident.ended})[/]" if incident.ended else ""
        row = [
            escape(incident.id),
            _coloured(incident.status) + ended,
            _coloured(incident.severity),
            escape(incident.service or ""),
            escape(incident.assignee or ""),
            _age(now - incident.began),
        ]
        rows.append([*row, escape(incident.title or "")] if titles else row)
    return table([*columns, "title"] if titles else columns, rows)


def headline(incident: Mapping[str, Any], before: Mapping[str, Any] | None = None) -> Iterator[str]:
    """The lines that describe an incident, as rich markup. With `before`, the incident as it was
    shown last, only a changed status."""
    state = _coloured(incident["status"])
    if incident["status"] == "closed" and incident.get("close_reason"):
        state += f" ({incident['close_reason']})"
    if before is not None:
        if before["status"] != incident["status"]:
            yield f"[bold]now[/] {state}"
        return
    yield f"[bold]{escape(str(incident['title'] or incident['id']))}[/]"
    alerts, reports = incident.get("alerts") or {}, incident.get("reports") or ()
    facts = {
        "incident": escape(str(incident["id"])),
        "status": state,
        "severity": _coloured(incident["severity"]),
        "service": _plain(incident.get("service")),
        "assignee": _plain(incident.get("assignee")),
        "commander": _plain(incident.get("commander")),
        "snoozed until": _moment(incident.get("snoozed_until")),
        "opened": _moment(incident.get("opened_at")),
        "alerts": _alerts(alerts),
        "document": _plain(incident.get("document")),
        "follows": _plain(incident.get("previous")),
        **{name: _plain(link) for name, link in (incident.get("named_links") or {}).items()},
        "report": _plain(next((u for u in reversed(reports) if u.endswith(".md")), None)),
    }
    for name, value in facts.items():
        if value:
            yield f"  [dim]{name:13}[/] {value}"
    if incident.get("summary"):
        yield ""
        for line in str(incident["summary"]).splitlines():
            yield f"  {escape(line)}"
    yield ""


def timeline_lines(
    timeline: Sequence[Mapping[str, Any]], before: Sequence[Mapping[str, Any]] = ()
) -> Iterator[str]:
    """The entries that are not in `before`, a line each; each new day is a line of its own."""
    new = _after(timeline, before[-1]) if before else timeline
    day = str(before[-1]["at"])[:10] if before else ""
    for entry in new:
        moment = _utc(entry["at"]) if entry["at"] else None
        if moment and moment.date().isoformat() != day:
            day = moment.date().isoformat()
            yield f"[bold]{day}[/] [dim](UTC)[/]"
        sentence = escape(" ".join(str(entry["text"]).split()))
        actor = str(entry["actor"])
        who = f"[dim]{escape(actor):14}[/]" if actor == "tidegate" else f"{escape(actor):14}"
        text = f"[dim]{sentence}[/]" if entry.get("kind") in _MINOR else sentence
        clock = f"{moment:%H:%M:%S}" if moment else " " * 8
        yield f"  [cyan]{clock}[/]  {who}  {text}"


def _after(
    timeline: Sequence[Mapping[str, Any]], last: Mapping[str, Any]
) -> Sequence[Mapping[str, Any]]:
    """The entries after `last`; all of them if it has been dropped to make room."""
    for position in range(len(timeline) - 1, -1, -1):
        if timeline[position] == last:
            return timeline[position + 1 :]
    return timeline


def _alerts(alerts: Mapping[str, Any]) -> str:
    fired = int(alerts.get("fired") or 0)
    if not fired:
        return ""
    firing = sum(1 for alert in (alerts.get("tracked") or {}).values() if alert.get("firing"))
    return f"{firing:,} firing of {int(alerts.get('distinct') or 0):,}, received {fired:,} times"


def _coloured(word: str | None) -> str:
    if not word:
        return ""
    colour = _COLOURS.get(word)
    return f"[{colour}]{escape(word)}[/]" if colour else escape(word)


def _plain(value: object) -> str:
    return escape(str(value)) if value else ""


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _moment(text: str | None) -> str:
    return f"{_utc(text):%Y-%m-%d %H:%M:%S} UTC" if text else ""


def _age(age: timedelta) -> str:
    """An age in its two largest units."""
    seconds = max(0, int(age.total_seconds()))
    days, rest = divmod(seconds, 86_400)
    if days:
        return f"{days} d {rest // 3600} h"
    return format_duration(seconds if seconds < 3600 else seconds - seconds % 60)
