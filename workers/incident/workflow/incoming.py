"""Events as they arrive, in their wire form: what the domain is to make of them."""

from __future__ import annotations

from typing import Any, TypeGuard

from temporalio import workflow

from core.domain.alert import AlertStatus, read_alert
from core.domain.event import ALERT, Event
from core.domain.incident.inputs import AlertReceived, FurtherEvent, Open
from core.domain.incident.policies.file import Facts
from core.errors import InvalidEvent
from workers.incident.activities import IncidentActivities
from workers.incident.payloads import Loaded, Rules
from workers.incident.workflow import activity_options

First = AlertReceived | Loaded
"""What may open an incident, before it is known by which policy."""


def joining(wire: Any) -> AlertReceived | FurtherEvent:
    """A further event of an incident. Raises `InvalidEvent`."""
    event = Event.from_wire(wire)
    if event.type == ALERT:
        return _alert(event)
    uri = event.document.uri if event.document else None
    return FurtherEvent(event_key=event.key, event_type=event.type, document=uri)


async def first(wire: Any) -> First:
    """The alert that the event is, or else the report that it brings. Raises `FailureError`."""
    if not isinstance(wire, dict) or wire.get("type") != ALERT:
        loaded: Loaded = await activity_options.promptly(IncidentActivities.load_report, wire)
        return loaded
    try:
        return _alert(Event.from_wire(wire))
    except InvalidEvent as error:
        raise activity_options.final(error.code, str(error)) from error


def is_resolved(given: object) -> TypeGuard[AlertReceived]:
    """Whether it is an alert that does not fire any more, which opens nothing."""
    return isinstance(given, AlertReceived) and given.alert.status is AlertStatus.RESOLVED


def facts_of(given: First) -> Facts:
    """What its policy is chosen by."""
    if isinstance(given, Loaded):
        report = given.report
        return Facts(severity=report.severity, service=report.service, labels=report.labels)
    alert = given.alert
    return Facts(
        severity=alert.severity, source=alert.source, service=alert.service, labels=alert.labels
    )


def opening(given: First, rules: Rules, previous: str | None) -> Open | AlertReceived:
    """What the domain opens an incident by, after the `previous` one."""
    if isinstance(given, AlertReceived):
        return given.model_copy(update={"policy": rules.policy, "previous": previous})
    return Open(
        report=given.report,
        policy=rules.policy,
        event_key=given.event_key,
        document=given.document,
        previous=previous,
    )


async def keep(wire: Any, code: str, reason: str) -> str:
    """Quarantine an event; returns the record's URI."""
    return await workflow.execute_activity_method(
        IncidentActivities.keep_failed, args=[wire, code, reason], **activity_options.UNTIL_DONE
    )


def _alert(event: Event) -> AlertReceived:
    return AlertReceived(alert=read_alert(event), event_key=event.key)
