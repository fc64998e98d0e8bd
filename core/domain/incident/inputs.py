"""What can happen to an incident from outside: events, commands of people, news from the shell."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import AwareDatetime

from core.domain.alert import Alert
from core.domain.alert_state import AlertState
from core.domain.incident.commands import AnyCommand
from core.domain.incident.policies.policy import Policy
from core.domain.incident.reports.incident_report import IncidentReport
from core.domain.value import Value


class Open(Value):
    """The document was read: `event_key` is the identity of the event that brought it.

    `previous` is the incident that this one follows under the same workflow ID.
    """

    report: IncidentReport
    policy: Policy
    event_key: str
    document: str | None = None
    previous: str | None = None


class AlertReceived(Value):
    """A source says that an alert fires or is resolved.

    `policy` and `previous` are for the alert that begins an incident; later ones do without.
    `event_key` names it; whether it was heard before is told by what is known of the alert.
    """

    alert: Alert
    event_key: str
    policy: Policy | None = None
    previous: str | None = None


class Recalled(Value):
    """What the run before knew of alerts under the same key, by fingerprint."""

    states: Mapping[str, AlertState]


class FurtherEvent(Value):
    """Another event, no alert, that was routed to this incident."""

    event_key: str
    event_type: str
    document: str | None = None


class Remark(Value):
    """Something that the timeline should say."""

    text: str


class Wake(Value):
    """The moment that `lifecycle.deadline` named may have come."""


class PageSettled(Value):
    """One round of a page ended: delivered by `via` (the target itself, or a fallback of it), or
    failed with a reason."""

    key: str
    failure: str | None = None
    via: str | None = None


class ReportSettled(Value):
    """The report of one resolution or closing was written to `uris`, or could not be for a
    reason."""

    as_of: AwareDatetime
    uris: tuple[str, ...] = ()
    failure: str | None = None


class Cancel(Value):
    """The workflow was cancelled: the incident ends, and is reported."""

    reason: str = "the workflow was cancelled"


Input = (
    Open
    | AlertReceived
    | Recalled
    | FurtherEvent
    | Remark
    | Wake
    | PageSettled
    | ReportSettled
    | Cancel
    | AnyCommand
)
