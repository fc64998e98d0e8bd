"""Inputs: what reaches an incident from outside. Events, commands, and results of its effects."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import AwareDatetime

from core.domain.alert import Alert
from core.domain.alert_state import AlertState
from core.domain.incident.commands import AnyCommand
from core.domain.incident.policies.policy import Policy
from core.domain.incident.reports.incident_report import IncidentReport
from core.domain.oncall.answer import Answer
from core.domain.targets import Post
from core.domain.value import Value


class Open(Value):
    """A report was read; `event_key` is the identity of the event that brought it.

    `previous` is the incident that this one follows under the same workflow ID.
    """

    report: IncidentReport
    policy: Policy
    event_key: str
    document: str | None = None
    previous: str | None = None


class AlertReceived(Value):
    """A source reports that an alert fires or is resolved.

    `policy` and `previous` are only needed for an alert that may begin an incident. `event_key`
    names the event; whether the alert is a repeat is decided by its state.
    """

    alert: Alert
    event_key: str
    policy: Policy | None = None
    previous: str | None = None


class Recalled(Value):
    """What the previous run under the same workflow ID knew of alerts, by fingerprint."""

    states: Mapping[str, AlertState]


class Listen(Value):
    """Nothing that came opens an incident: the silence after the `previous` one goes on, `until`
    then and under its policy."""

    policy: Policy
    until: AwareDatetime
    previous: str | None = None


class FurtherEvent(Value):
    """Another event, not an alert, that was routed to this incident."""

    event_key: str
    event_type: str
    document: str | None = None


class Remark(Value):
    """Something to note on the timeline."""

    text: str


class Wake(Value):
    """The time of `timers.deadline` may have passed."""


class CommandSent(Value):
    """A command for whose answer nobody waits: the timeline says if it is refused."""

    command: AnyCommand


class PageSettled(Value):
    """One round of a page ended: it was delivered by `via` (the target or one of its fallbacks), or
    it failed for a reason. `post` is the message that the target has of it now."""

    key: str
    failure: str | None = None
    via: str | None = None
    post: Post | None = None
    removed: bool = False
    """Whether it failed because none of its targets is configured any more."""


class FollowedUp(Value):
    """Targets have heard something, and have these messages now."""

    posts: Mapping[str, Post]


class PostSettled(Value):
    """The update of a target's message ended: it is the message `post` now, or it failed for a
    reason; for good if it is `lost`."""

    target: str
    number: int
    post: Post | None = None
    failure: str | None = None
    lost: bool = False


class OnCallAnswered(Value):
    """The answer to the question of that number, or why there is none."""

    number: int
    answer: Answer | None = None
    failure: str | None = None


class OnCallChanged(Value):
    """Who is on call, or what is silenced, may have changed."""


class ReportSettled(Value):
    """The report about one resolution or closing was written to `uris`, or it failed for a
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
    | Listen
    | FurtherEvent
    | Remark
    | Wake
    | PageSettled
    | FollowedUp
    | PostSettled
    | OnCallAnswered
    | OnCallChanged
    | ReportSettled
    | Cancel
    | CommandSent
    | AnyCommand
)
