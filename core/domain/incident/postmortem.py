"""The post-incident report: what an incident leaves behind, as Markdown to read and JSON to count.

Both say the same and depend on nothing but the incident and its timeline, so that writing them
twice gives the same bytes twice.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from core.domain.incident.model import Incident
from core.domain.incident.timeline import (
    TIDEGATE,
    Acknowledged,
    PageDelivered,
    Resolved,
    TimelineEvent,
    describe,
)

FORMAT: Final = "tidegate.post-incident-report/1"
_FROM_BEGINNING: Final = "from_beginning_to_resolve"
_SPECIAL: Final = re.compile(r"([\\`*_\[\]<>#|])")
E = TypeVar("E")


def as_json(incident: Incident, timeline: Sequence[TimelineEvent]) -> bytes:
    """UTF-8 JSON: times in RFC 3339, durations in seconds, null for what never happened."""
    durations = {name: _seconds(span) for name, span in _durations(incident, timeline).items()}
    report: dict[str, Any] = {
        "format": FORMAT,
        "incident": incident.model_dump(
            mode="json",
            exclude={"policy", "pages", "recent_commands", "recent_events", "reported", "reports"},
        ),
        "durations_seconds": durations,
        "people": {actor: list(deeds) for actor, deeds in _deeds(timeline).items()},
        "pages": [page.model_dump(mode="json") for page in incident.pages.values()],
        "timeline": [
            {"text": describe(event), **event.model_dump(mode="json")} for event in timeline
        ],
    }
    return json.dumps(report, ensure_ascii=False, indent=2).encode() + b"\n"


def as_markdown(incident: Incident, timeline: Sequence[TimelineEvent]) -> bytes:
    """UTF-8 Markdown; everything that people wrote is escaped."""
    lines = [f"# Post-incident report: {_escape(incident.title)}", ""]
    lines += _table(("", ""), _facts(incident))
    lines += ["", "## Summary", "", _quote(incident.summary)]
    spans = [
        (name.replace("_", " ").capitalize(), _span(span))
        for name, span in _durations(incident, timeline).items()
        if span is not None or name != _FROM_BEGINNING
    ]
    lines += ["", "## How long it took", "", *_table(("", ""), spans)]
    lines += ["", "## Who did what", "", *_people(timeline)]
    lines += ["", "## Timeline", ""]
    entries = [(_moment(event.at), event.actor, describe(event)) for event in timeline]
    lines += _table(("Time (UTC)", "Who", "What"), entries)
    if incident.links:
        lines += ["", "## Links", "", *(f"- <{_address(link)}>" for link in incident.links)]
    lines += ["", "## Action items", "", "- [ ] To be agreed", ""]
    return "\n".join(lines).encode()


def _facts(incident: Incident) -> Iterator[tuple[str, str]]:
    facts = {
        "Incident": incident.id,
        "Severity": incident.severity.value,
        "Service": incident.service,
        "Reported by": incident.reporter,
        "Began": _moment(incident.started_at),
        "Opened": _moment(incident.opened_at),
        "Resolved": _moment(incident.resolved_at),
        "Events": str(incident.events),
        "Reopened": f"{incident.reopened} times" if incident.reopened else None,
        "Document": incident.document,
    }
    yield from ((name, value) for name, value in facts.items() if value)
    yield from sorted(incident.labels.items())


def _durations(
    incident: Incident, timeline: Sequence[TimelineEvent]
) -> dict[str, timedelta | None]:
    """From the opening to the first page out, the first acknowledgement, the last resolution; and
    from the beginning, where the report told it and it lies before the end."""
    opened, began = incident.opened_at, incident.started_at
    resolved = _last(timeline, Resolved)
    return {
        "to_first_page": _between(opened, _first(timeline, PageDelivered)),
        "to_acknowledge": _between(opened, _first(timeline, Acknowledged)),
        "to_resolve": _between(opened, resolved),
        _FROM_BEGINNING: _between(began, resolved),
    }


def _people(timeline: Sequence[TimelineEvent]) -> list[str]:
    deeds = _deeds(timeline)
    if not deeds:
        return ["Nobody did anything by hand."]
    return [f"- **{_escape(actor)}**: {_escape('; '.join(done))}" for actor, done in deeds.items()]


def _deeds(timeline: Sequence[TimelineEvent]) -> dict[str, list[str]]:
    """What each person did, people in the order of their first deeds."""
    deeds: dict[str, list[str]] = {}
    for event in timeline:
        if event.actor != TIDEGATE:
            deeds.setdefault(event.actor, []).append(describe(event))
    return deeds


def _first(timeline: Iterable[TimelineEvent], kind: type[E]) -> datetime | None:
    return next((event.at for event in timeline if isinstance(event, kind)), None)


def _last(timeline: Sequence[TimelineEvent], kind: type[E]) -> datetime | None:
    return _first(reversed(timeline), kind)


def _between(start: datetime | None, end: datetime | None) -> timedelta | None:
    return end - start if start and end and start <= end else None


def _seconds(span: timedelta | None) -> float | None:
    return round(span.total_seconds(), 3) if span is not None else None


def _span(span: timedelta | None) -> str:
    """`1 h 02 min 05 s`; never, for what did not happen."""
    if span is None:
        return "never"
    minutes, seconds = divmod(round(span.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min {seconds:02} s"
    return f"{minutes} min {seconds:02} s" if minutes else f"{seconds} s"


def _moment(moment: datetime | None) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S") if moment else ""


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    lines += [f"| {' | '.join(_escape(cell) for cell in row)} |" for row in rows]
    return lines


def _escape(text: str) -> str:
    """Text from outside as one line of Markdown that means nothing but itself."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _quote(text: str | None) -> str:
    if not text:
        return "The report gave none."
    return "\n".join(f"> {_escape(line)}".rstrip() for line in text.split("\n"))


def _address(link: str) -> str:
    return link.replace("<", "%3C").replace(">", "%3E")
