"""The timeline in words: what happened in one sentence, without its time and its actor."""

from __future__ import annotations

from datetime import datetime

from core.domain.durations import spoken
from core.domain.incident.timeline import (
    Acknowledged,
    AlertCleared,
    AlertFired,
    Assigned,
    Closed,
    Commented,
    Discarded,
    Escalated,
    EventJoined,
    HeldBack,
    Mitigated,
    NobodyToPage,
    Noted,
    Opened,
    PageCancelled,
    PageDelivered,
    PageFailed,
    PageStarted,
    PagingHeld,
    PagingResumed,
    Reopened,
    ReportNotWritten,
    ReportWritten,
    Resolved,
    SeverityChanged,
    Snoozed,
    SnoozeEnded,
    StepTaken,
    Superseded,
    TimelineEvent,
    Unacknowledged,
)


def describe(event: TimelineEvent) -> str:
    """What happened in one sentence without its time and its actor."""
    match event:
        case Opened():
            after = f"; it follows {event.previous}" if event.previous else ""
            severity = f"severity {event.severity}{_on(event.service)}"
            return f"Opened with {severity}: {event.title}{after}"
        case HeldBack():
            what = f"{event.title} (severity {event.severity}{_on(event.service)})"
            return f"Held back until it lasts: {what}"
        case Discarded():
            return f"Never became an incident: {event.reason}{_quoted(event.note)}"
        case Noted():
            return event.text
        case NobodyToPage():
            what = "Level" if event.partial else "Nobody to page at level"
            return f"{what} {event.level}{_quoted(event.reason)}"
        case EventJoined():
            about = f" about {event.document}" if event.document else ""
            return f"A further event joined: {event.event_type}{about}"
        case AlertFired():
            what = _nth("Alert fires", event.count)
            if event.count == 1 and event.total >= 100:
                what = f"Alert fires ({event.total:,} alerts by now)"
            return f"{what}: {event.title}{_remarks(event.remarks)}"
        case AlertCleared():
            return f"{_nth('Alert resolved', event.count)}: {event.title}{_remarks(event.remarks)}"
        case SeverityChanged():
            way = "raised" if event.severity.is_worse_than(event.before) else "lowered"
            changed = f"Severity {way} from {event.before} to {event.severity}"
            return f"{changed}{_quoted(event.note)}"
        case Assigned():
            who = f"Assigned to {event.assignee or 'nobody'}"
            command = f", commanded by {event.commander}" if event.commander else ""
            return f"{who}{command}{_quoted(event.note)}"
        case Snoozed():
            return f"Snoozed until {_moment(event.until)}{_quoted(event.note)}"
        case SnoozeEnded():
            return f"Snooze ended{_quoted(event.note)}"
        case Commented():
            return f"Comment{_quoted(event.note)}"
        case Reopened():
            return f"Reopened: {event.reason}{_quoted(event.note)}"
        case Unacknowledged():
            return f"Open again: {event.reason}{_quoted(event.note)}"
        case Escalated():
            waited = f"nobody acknowledged in {spoken(event.waited)}"
            if event.repeat > 1:
                return f"Level {event.level} is paged again (repeat {event.repeat}): {waited}"
            return f"Escalated to level {event.level}: {waited}"
        case PagingHeld():
            return f"Nobody is paged until {_moment(event.until)}: {event.reason}"
        case PagingResumed():
            return "Paging begins at level 1 again"
        case StepTaken():
            return f"Paging went on to step {event.step}"
        case PageStarted():
            again = f", round {event.round}" if event.round > 1 else ""
            return f"Paging {event.target} (level {event.level}{again})"
        case PageDelivered():
            via = f" through its fallback {event.via}" if event.via else ""
            return f"Page delivered to {event.target}{via} (level {event.level})"
        case PageFailed():
            then = f"next round at {event.retry_at:%H:%M:%S %Z}" if event.retry_at else "given up"
            return f"Page to {event.target} (level {event.level}) failed, {then}: {event.reason}"
        case PageCancelled():
            return f"Page to {event.target} (level {event.level}) cancelled"
        case Acknowledged():
            return f"Acknowledged{_quoted(event.note)}"
        case Mitigated():
            return f"Mitigated{_quoted(event.note)}"
        case Resolved():
            force = " although alerts still fire" if event.forced else ""
            return f"Resolved{force}{_quoted(event.note)}"
        case ReportWritten():
            return f"Post-incident report written: {', '.join(event.uris)}"
        case ReportNotWritten():
            return f"No post-incident report: {event.reason}"
        case Superseded():
            return f"A new incident begins: {event.reason}"
        case Closed():
            return f"Closed ({event.reason}){_quoted(event.note)}"


def _on(service: str | None) -> str:
    return f" on {service}" if service else ""


def _nth(what: str, count: int) -> str:
    return what if count == 1 else f"{what} ({count:,} times by now)"


def _remarks(remarks: tuple[str, ...]) -> str:
    return f" ({'; '.join(remarks)})" if remarks else ""


def _quoted(note: str | None) -> str:
    return f": {note}" if note else ""


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S %Z}"
