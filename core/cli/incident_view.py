"""Incidents as a terminal shows them: a list, a header, a timeline.

Pure functions of what is shown, of the width in columns, which is None for a pipe, and of the
moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Any, Final

from rich.text import Text

from core.cli.clock import shown_time
from core.cli.layout import Item, fact_lines, hanging, item_lines, line
from core.domain.command import TIDEGATE, attested
from core.domain.durations import format_age
from core.domain.handles import handle_of
from core.domain.incident.decisions import on_call
from core.domain.incident.model import Incident, PageStatus
from core.domain.incident.status import UNRESOLVED, Status
from core.domain.text import times

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
_ACTOR_COLUMNS: Final = 14
_NARROW: Final = 60
"""With fewer columns a sentence of the timeline stands below its time."""
_AFTERWARDS: Final = {
    PageStatus.SENDING: " (being paged)",
    PageStatus.WAITING: " (failed, will be retried)",
    PageStatus.DELIVERED: "",
    PageStatus.FAILED: " (failed)",
    PageStatus.CANCELLED: " (cancelled)",
}


def list_lines(
    incidents: Sequence[IncidentSummary], *, now: datetime, width: int | None
) -> list[Text]:
    """One or two lines for each incident: its handle, how bad it is, how it stands, how long ago it
    began, who has it, and what it is."""
    return item_lines([_item(incident, now) for incident in incidents], width)


def _item(incident: IncidentSummary, now: datetime) -> Item:
    status = incident.status or ""
    if incident.ended:
        status = f"{status} ({incident.ended})" if status else incident.ended
    service = f" ({incident.service})" if incident.service else ""
    facts = (
        _coloured(incident.severity or ""),
        _coloured(status),
        line(format_age(now - incident.began)),
        _who(incident),
    )
    return Item(incident.handle, f"{incident.title or incident.id}{service}", facts)


def _who(incident: IncidentSummary) -> Text:
    """Who has it: the assignee, or else who acknowledged it."""
    if who := incident.assignee or incident.acknowledged_by:
        return line(who)
    waits = not incident.ended and incident.status in (*UNRESOLVED, Status.PENDING)
    return Text("nobody", "dim") if waits else Text()


def header_lines(
    incident: Incident, *, now: datetime, width: int | None, zone: tzinfo | None = None
) -> list[Text]:
    """What describes an incident. Times have their zones; `zone` is the terminal's by default."""

    def at(moment: datetime) -> str:
        return shown_time(moment, now=now, zone=zone)

    def ahead(moment: datetime | None, before: str = "") -> Text | None:
        return line(f"{before}{at(moment)}, in {format_age(moment - now)}") if moment else None

    opened, previous = incident.opened_at, incident.previous
    acknowledged = incident.acknowledged_by and incident.status is not Status.ACKNOWLEDGED
    facts: list[tuple[str, Text | None]] = [
        ("incident", Text(handle_of(incident.id))),
        ("status", _status(incident, at)),
        ("acknowledged", _acknowledgers(incident, at) if acknowledged else None),
        ("severity", _coloured(incident.severity.value)),
        ("service", line(incident.service or "")),
        ("assignee", line(incident.assignee or "")),
        ("commander", line(incident.commander or "")),
        ("snoozed", ahead(incident.snoozed_until, "until ")),
        ("opened", line(f"{at(opened)}, {format_age(now - opened)} ago" if opened else "")),
        ("paged", line(_paged(incident))),
        *(("on call", line(each)) for each in _on_call(incident, at)),
        ("next page", ahead(on_call.next_page(incident))),
        ("alerts", line(_alerts(incident))),
        *((name, line(link)) for name, link in incident.named_links.items()),
        *(("link", line(link)) for link in incident.links),
        ("document", line(incident.document or "")),
        ("follows", line(f"{handle_of(previous)} {previous}" if previous else "")),
        ("report", line(next((u for u in reversed(incident.reports) if u.endswith(".md")), ""))),
        ("ID", line(incident.id)),
    ]
    lines = hanging(Text(), line(incident.title or incident.id, "bold"), width)
    lines += fact_lines(facts, width)
    if incident.summary:
        lines.append(Text())
        for paragraph in incident.summary.splitlines():
            lines += hanging(Text("  "), line(paragraph), width)
    return [*lines, Text()]


def change_lines(
    incident: Incident,
    before: Incident,
    *,
    now: datetime,
    width: int | None,
    zone: tzinfo | None = None,
) -> list[Text]:
    """How it stands now, if that has changed since it was shown last."""
    if incident.status is before.status:
        return []
    status = _status(incident, lambda moment: shown_time(moment, now=now, zone=zone))
    return hanging(Text(), Text.assemble(("now ", "bold"), status), width)


def timeline_lines(
    timeline: Sequence[Mapping[str, Any]],
    before: Sequence[Mapping[str, Any]] = (),
    *,
    width: int | None,
    zone: tzinfo | None = None,
) -> Iterator[Text]:
    """The entries that are not in `before`; each new day begins with a line of its own."""
    new = _after(timeline, before[-1]) if before else timeline
    day = _utc(before[-1]["at"]).date() if before and before[-1]["at"] else None
    for entry in new:
        moment = _utc(entry["at"]) if entry["at"] else None
        if moment and moment.date() != day:
            day = moment.date()
            yield Text.assemble((day.isoformat(), "bold"), (f" {_zones(moment, zone)}", "dim"))
        minor = "dim" if entry.get("kind") in _MINOR else ""
        sentence = line(str(entry["text"]), minor)
        who = attested(str(entry["actor"]), entry.get("proof"))
        actor = line(who, "dim" if entry["actor"] == TIDEGATE else "")
        clock = Text(f"{moment:%H:%M:%S}" if moment else " " * 8, "cyan")
        label = Text.assemble("  ", clock, "  ", actor)
        column = 2 + 8 + 2 + _ACTOR_COLUMNS
        beside = label + Text(" " * max(0, column - label.cell_len) + "  ")
        if width is None or (width >= _NARROW and label.cell_len <= column):
            yield from hanging(beside, sentence, width)
        else:
            yield label
            indent = column + 2 if width >= _NARROW else 4
            yield from hanging(Text(" " * indent), sentence, width)


def _zones(moment: datetime, zone: tzinfo | None) -> str:
    """The zone of the timeline's times, and how far the terminal's own is from it."""
    local = moment.astimezone(zone)
    if not local.utcoffset():
        return "(UTC)"
    return f"(UTC; {local:%Z} is {local.isoformat()[-len('+02:00') :]})"


def _after(
    timeline: Sequence[Mapping[str, Any]], last: Mapping[str, Any]
) -> Sequence[Mapping[str, Any]]:
    """The entries after `last`; all of them if it has been dropped to make room."""
    for position in range(len(timeline) - 1, -1, -1):
        if timeline[position] == last:
            return timeline[position + 1 :]
    return timeline


def _status(incident: Incident, at: Callable[[datetime], str]) -> Text:
    """How the incident stands, with who brought that about and when."""

    def when(word: str, moment: datetime | None) -> str:
        return f" {word} {at(moment)}" if moment else ""

    text = _coloured(incident.status.value)
    match incident.status:
        case Status.NEW:
            return text
        case Status.PENDING:
            return text.append(when("since", incident.pending.since if incident.pending else None))
        case Status.OPEN:
            again = incident.open_since if incident.open_since != incident.opened_at else None
            return text.append(when("again since", again))
        case Status.ACKNOWLEDGED:
            return text.append(" ").append_text(_acknowledgers(incident, at))
        case Status.MITIGATED:
            return text.append(when("at", incident.mitigated_at))
        case Status.RESOLVED:
            if incident.resolved_by:
                text.append(" by ").append_text(line(incident.resolved_by))
            return text.append(when("at", incident.resolved_at))
        case Status.CLOSED:
            why = f" ({incident.close_reason.value})" if incident.close_reason else ""
            return text.append(why).append(when("at", incident.closed_at))


def _acknowledgers(incident: Incident, at: Callable[[datetime], str]) -> Text:
    when = f" at {at(incident.acknowledged_at)}" if incident.acknowledged_at else ""
    return Text("by ").append_text(line(", ".join(incident.acknowledged_by))).append(when)


def _paged(incident: Incident) -> str:
    """Who was paged, and what became of the last page to each."""
    targets = {page.target: page.status for page in incident.pages.values()}
    return ", ".join(f"{target}{_AFTERWARDS[status]}" for target, status in targets.items())


def _on_call(incident: Incident, at: Callable[[datetime], str]) -> Iterator[str]:
    """The people who are being paged, and as what."""
    for paged in incident.escalation.people.values():
        who = paged.on_call
        role = f", {who.role}" if who.role else ""
        until = f" until {at(who.until)}" if who.until else ""
        quiet = f"; not before {at(who.quiet_until)}" if who.quiet_until else ""
        yield f"{who.name}{role}{until}{quiet}"


def _alerts(incident: Incident) -> str:
    counts = incident.alerts
    if not counts.fired:
        return ""
    return f"{counts.firing:,} firing of {counts.distinct:,}, received {times(counts.fired)}"


def _coloured(word: str) -> Text:
    return line(word, _COLOURS.get(word, ""))


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
