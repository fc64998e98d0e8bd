"""The timeline: everything that happened to an incident, typed, dated and with an actor.

An incident is the fold of these events, and they are what people read afterwards: `describe` says
each in one plain sentence. A kind, once released, keeps its name and fields: histories hold them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, Field, TypeAdapter

from core.domain.incident.model import Policy, Record
from core.domain.incident.severity import Severity

TIDEGATE: Final = "tidegate"
"""The actor of what nobody did by hand."""


class _Happened(Record):
    at: AwareDatetime
    actor: str = TIDEGATE


class Opened(_Happened):
    """The document was read and the incident exists."""

    kind: Literal["opened"] = "opened"
    title: str
    severity: Severity
    service: str | None = None
    summary: str | None = None
    reporter: str | None = None
    labels: Mapping[str, str] = Field(default_factory=dict)
    links: tuple[str, ...] = ()
    document: str | None = None
    started_at: AwareDatetime | None = None
    event_key: str
    policy: Policy


class Noted(_Happened):
    """A remark that changes nothing."""

    kind: Literal["noted"] = "noted"
    text: str


class EventJoined(_Happened):
    """A further event for the same incident."""

    kind: Literal["event_joined"] = "event_joined"
    event_key: str
    event_type: str
    document: str | None = None


class Reopened(_Happened):
    """The incident was resolved, but not closed yet, when it happened again."""

    kind: Literal["reopened"] = "reopened"
    reason: str


class Escalated(_Happened):
    """Nobody acknowledged in time."""

    kind: Literal["escalated"] = "escalated"
    level: int
    waited: float


class PageStarted(_Happened):
    """A page to one target is on its way; `round` counts from 1."""

    kind: Literal["page_started"] = "page_started"
    key: str
    level: int
    target: str
    round: int = 1


class PageDelivered(_Happened):
    """The target's service took the page."""

    kind: Literal["page_delivered"] = "page_delivered"
    key: str
    level: int
    target: str


class PageFailed(_Happened):
    """A round of a page failed; `retry_at` is None when it was the last one."""

    kind: Literal["page_failed"] = "page_failed"
    key: str
    level: int
    target: str
    reason: str
    retry_at: AwareDatetime | None = None


class PageCalledOff(_Happened):
    """A page that was not delivered yet is no longer wanted."""

    kind: Literal["page_called_off"] = "page_called_off"
    key: str
    level: int
    target: str


class Acknowledged(_Happened):
    """Somebody has it."""

    kind: Literal["acknowledged"] = "acknowledged"
    command_id: str
    note: str | None = None


class Resolved(_Happened):
    """Somebody says it is over."""

    kind: Literal["resolved"] = "resolved"
    command_id: str
    note: str | None = None


class ReportWritten(_Happened):
    """The post-incident report of one resolution lies in the document store."""

    kind: Literal["report_written"] = "report_written"
    resolved_at: AwareDatetime
    uris: tuple[str, ...]


class ReportNotWritten(_Happened):
    """There will be no post-incident report of that resolution."""

    kind: Literal["report_not_written"] = "report_not_written"
    resolved_at: AwareDatetime
    reason: str


class Closed(_Happened):
    """The end."""

    kind: Literal["closed"] = "closed"
    reason: Literal["resolved"] = "resolved"


TimelineEvent = Annotated[
    Opened
    | Noted
    | EventJoined
    | Reopened
    | Escalated
    | PageStarted
    | PageDelivered
    | PageFailed
    | PageCalledOff
    | Acknowledged
    | Resolved
    | ReportWritten
    | ReportNotWritten
    | Closed,
    Field(discriminator="kind"),
]
TIMELINE: Final[TypeAdapter[tuple[TimelineEvent, ...]]] = TypeAdapter(tuple[TimelineEvent, ...])
"""Reads and writes a whole timeline as JSON."""


def describe(event: TimelineEvent) -> str:
    """What happened in one sentence without its time and its actor."""
    match event:
        case Opened():
            service = f" on {event.service}" if event.service else ""
            return f"Opened with severity {event.severity}{service}: {event.title}"
        case Noted():
            return event.text
        case EventJoined():
            about = f" about {event.document}" if event.document else ""
            return f"A further event joined: {event.event_type}{about}"
        case Reopened():
            return f"Reopened: {event.reason}"
        case Escalated():
            return f"Escalated to level {event.level}: nobody acknowledged in {event.waited:g} s"
        case PageStarted():
            again = f", round {event.round}" if event.round > 1 else ""
            return f"Paging {event.target} (level {event.level}{again})"
        case PageDelivered():
            return f"Page delivered to {event.target} (level {event.level})"
        case PageFailed():
            then = f"next round at {event.retry_at:%H:%M:%S %Z}" if event.retry_at else "given up"
            return f"Page to {event.target} (level {event.level}) failed, {then}: {event.reason}"
        case PageCalledOff():
            return f"Page to {event.target} (level {event.level}) called off"
        case Acknowledged():
            return f"Acknowledged{_quoted(event.note)}"
        case Resolved():
            return f"Resolved{_quoted(event.note)}"
        case ReportWritten():
            return f"Post-incident report written: {', '.join(event.uris)}"
        case ReportNotWritten():
            return f"No post-incident report: {event.reason}"
        case Closed():
            return f"Closed ({event.reason})"


def _quoted(note: str | None) -> str:
    return f": {note}" if note else ""


def abridged(timeline: Sequence[TimelineEvent], limit: int) -> tuple[TimelineEvent, ...]:
    """The timeline in at most about `limit` bytes of JSON: a longer one keeps its beginning and its
    end, and says between them how much was left out."""
    sizes = [len(event.model_dump_json()) for event in timeline]
    if sum(sizes) <= limit:
        return tuple(timeline)
    head = _fitting(sizes, limit // 2)
    tail = len(timeline) - _fitting(sizes[:head:-1], limit // 2)
    gap = Noted(at=timeline[head].at, text=f"{tail - head:,} entries are left out here")
    return (*timeline[:head], gap, *timeline[tail:])


def _fitting(sizes: Sequence[int], limit: int) -> int:
    """How many of the first entries fit."""
    return sum(1 for total in accumulate(sizes) if total <= limit)
