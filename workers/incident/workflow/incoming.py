"""Incoming events in their wire form, as inputs of the domain.

Deterministic: runs in the workflow sandbox.
"""

from __future__ import annotations

from typing import Any, Final

from temporalio import workflow

from core.domain.alert import read_alert
from core.domain.event import ALERT, INCIDENT_COMMAND, TABLE_ATTRIBUTE, Event
from core.domain.identity import workflow_id
from core.domain.incident.alert_counts import fingerprint_of
from core.domain.incident.inputs import AlertReceived, FurtherEvent, Open
from core.domain.incident.policies.file import Facts
from core.domain.signalled import signalled
from core.domain.text import shortened
from core.errors import InvalidEvent
from workers.incident.activities import IncidentActivities
from workers.incident.payloads import URI_CHARS, LoadedReport, OpeningRules
from workers.incident.workflow import activity_options
from workers.runtime.local_first import run_local_first

_TYPE_CHARS: Final = 200
"""A timeline lives as long as its incident, so what it says of an event is bounded."""
_TABLE_CHARS: Final = 20

Opener = AlertReceived | LoadedReport
"""What may open an incident, before its policy is chosen."""


def further(wire: Any) -> AlertReceived | FurtherEvent:
    """A further event of an open incident. Raises `InvalidEvent`."""
    event = Event.from_wire(wire)
    if event.type == ALERT:
        return _alert(event)
    return FurtherEvent(
        event_key=workflow_id(event.key),
        event_type=shortened(event.type, _TYPE_CHARS),
        document=shortened(event.document.uri, URI_CHARS) if event.document else None,
    )


def brings_command(wire: Any) -> bool:
    """Whether the event is a person's command."""
    return isinstance(wire, dict) and wire.get("type") == INCIDENT_COMMAND


def compact(wire: Any) -> Any:
    """The event without its alert's original, which no incident reads, for one that has to wait.
    Our listeners send none, and a storm of events must not take long to look through."""
    data = wire.get("data") if isinstance(wire, dict) else None
    if not isinstance(data, dict) or "original" not in data:
        return wire
    try:
        event = Event.from_wire(wire)
        if event.type != ALERT:
            return wire
        signal = signalled(event)
        # Its fingerprint stays the one that it has without having to wait.
        signal["data"]["key"] = fingerprint_of(_alert(event).alert.key)
        return signal
    except InvalidEvent:
        return wire


async def opener(wire: Any) -> Opener:
    """The alert that the event is, or the report that it brings. Raises `FailureError`."""
    if not isinstance(wire, dict) or wire.get("type") != ALERT:
        loaded: LoadedReport = await run_local_first(
            IncidentActivities.load_report, wire, **activity_options.LOCAL_FIRST
        )
        return loaded
    try:
        return _alert(Event.from_wire(wire))
    except InvalidEvent as error:
        raise activity_options.permanent_failure(error.code, str(error)) from error


def table_of(wire: Any) -> str | None:
    """The digest of the listener's routing table, where the event says it."""
    table = wire.get(TABLE_ATTRIBUTE) if isinstance(wire, dict) else None
    return shortened(table, _TABLE_CHARS) if isinstance(table, str) else None


def facts_of(opener: Opener) -> Facts:
    """What its policy is chosen by."""
    if isinstance(opener, LoadedReport):
        report = opener.report
        return Facts(severity=report.severity, service=report.service, labels=report.labels)
    alert = opener.alert
    return Facts(
        severity=alert.severity, source=alert.source, service=alert.service, labels=alert.labels
    )


def opening(opener: Opener, rules: OpeningRules, previous: str | None) -> Open | AlertReceived:
    """The input that opens an incident; `previous` is the ID of the one that it follows."""
    if isinstance(opener, AlertReceived):
        return opener.model_copy(update={"policy": rules.policy, "previous": previous})
    return Open(
        report=opener.report,
        policy=rules.policy,
        event_key=opener.event_key,
        document=opener.document,
        previous=previous,
    )


async def quarantine(wire: Any, code: str, reason: str) -> str:
    """Quarantine an event; returns the record's URI."""
    return await workflow.execute_activity_method(
        IncidentActivities.quarantine, args=[wire, code, reason], **activity_options.UNTIL_DONE
    )


def _alert(event: Event) -> AlertReceived:
    return AlertReceived(alert=read_alert(event), event_key=workflow_id(event.key))
