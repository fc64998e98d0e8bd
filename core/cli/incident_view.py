"""Incidents as a terminal shows them: a list, a headline, a timeline that reads like a story."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from rich.markup import escape
from rich.table import Table

from core.cli.console import table
from core.domain.durations import spoken

if TYPE_CHECKING:
    from core.adapters.temporal.incident_list import Listed

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
"""Kinds of entries that matter less than the others: they are shown dim."""


def listed(found: Sequence[Listed]) -> Table:
    """A table of incidents; IDs fold rather than end in dots."""
    now = datetime.now(UTC)
    titles = any(incident.title for incident in found)
    columns = ["incident", "status", "severity", "service", "assignee", "age"]
    listing = table(*columns, *(["title"] if titles else []))
    for incident in found:
        status = _coloured(incident.status)
        if incident.ended:
            status += f" [dim]({incident.ended})[/]"
        row = [
            escape(incident.id),
            status,
            _coloured(incident.severity),
            escape(incident.service or ""),
            escape(incident.assignee or ""),
            _age(now - incident.began),
        ]
        listing.add_row(*row, *([escape(incident.title or "")] if titles else []))
    return listing


def headline(incident: Mapping[str, Any], before: Mapping[str, Any] | None = None) -> Iterator[str]:
    """The incident in some lines of rich markup; after the first time only what became of it."""
    state = f"{_coloured(incident['status'])}"
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
    """The entries that were not there before, a line each; a new day is a line of its own."""
    fresh = _after(timeline, before[-1]) if before else timeline
    day = str(before[-1]["at"])[:10] if before else ""
    for entry in fresh:
        moment = _read(entry["at"]) if entry["at"] else None
        if moment and moment.date().isoformat() != day:
            day = moment.date().isoformat()
            yield f"[bold]{day}[/] [dim](UTC)[/]"
        said = escape(" ".join(str(entry["text"]).split()))
        actor = str(entry["actor"])
        who = f"[dim]{escape(actor):14}[/]" if actor == "tidegate" else f"{escape(actor):14}"
        text = f"[dim]{said}[/]" if entry.get("kind") in _MINOR else said
        clock = f"{moment:%H:%M:%S}" if moment else " " * 8
        yield f"  [cyan]{clock}[/]  {who}  {text}"


def _after(
    timeline: Sequence[Mapping[str, Any]], last: Mapping[str, Any]
) -> Sequence[Mapping[str, Any]]:
    """What follows an entry; all of it when the entry has made room for others."""
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


def _read(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _moment(text: str | None) -> str:
    return f"{_read(text):%Y-%m-%d %H:%M:%S} UTC" if text else ""


def _age(age: Any) -> str:
    """The two largest units: nobody reads the seconds of a day."""
    seconds = max(0, int(age.total_seconds()))
    days, rest = divmod(seconds, 86_400)
    if days:
        return f"{days} d {rest // 3600} h"
    return spoken(seconds if seconds < 3600 else seconds - seconds % 60)
