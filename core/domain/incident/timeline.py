"""The timeline: everything that happened to an incident, typed, dated and with an actor.

An incident is the fold of these events, and they are what people read afterwards (`telling` says
each in one plain sentence). A kind, once released, keeps its name and fields: histories hold them.
Events that only count (`visible` is false) change the incident and are not kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, Field, TypeAdapter

from core.domain.incident.model import CloseReason
from core.domain.incident.policies.policy import Policy
from core.domain.incident.severity import Severity
from core.domain.value import Value

TIDEGATE: Final = "tidegate"
"""The actor of what nobody did by hand."""

SOURCE_PREFIX: Final = "source:"
"""Actors that begin with this are monitoring systems, not people."""


class _Happened(Value):
    at: AwareDatetime
    actor: str = TIDEGATE
    visible: bool = True


class _Asked(_Happened):
    """Something that a command may have brought about; `note` is the person's word for it."""

    command_id: str | None = None
    note: str | None = None


class _Described(_Happened):
    title: str
    severity: Severity
    service: str | None = None
    summary: str | None = None
    reporter: str | None = None
    source: str | None = None
    labels: Mapping[str, str] = Field(default_factory=dict)
    links: tuple[str, ...] = ()
    document: str | None = None
    previous: str | None = None
    started_at: AwareDatetime | None = None
    event_key: str | None = None
    """The event that was a report; an alert is counted by its own entry."""
    policy: Policy


class HeldBack(_Described):
    """An alert came; whether it is an incident will show."""

    kind: Literal["held_back"] = "held_back"


class Opened(_Described):
    """The incident exists: people may be paged."""

    kind: Literal["opened"] = "opened"


class Discarded(_Asked):
    """The end of what was no incident."""

    kind: Literal["discarded"] = "discarded"
    reason: str


class Noted(_Happened):
    """A remark that changes nothing."""

    kind: Literal["noted"] = "noted"
    text: str


class NobodyToPage(_Happened):
    """A level reaches nobody, or (`partial`) only some of its targets; once for each level."""

    kind: Literal["nobody_to_page"] = "nobody_to_page"
    level: int
    reason: str = ""
    partial: bool = False


class EventJoined(_Happened):
    """A further event for the same incident."""

    kind: Literal["event_joined"] = "event_joined"
    event_key: str
    event_type: str
    document: str | None = None


class AlertFired(_Happened):
    """An alert fires; `count` is how often this fingerprint has, `total` how often any has."""

    kind: Literal["alert_fired"] = "alert_fired"
    event_key: str
    fingerprint: str
    title: str
    severity: Severity
    link: str | None = None
    starts_at: AwareDatetime | None = None
    count: int = 1
    total: int = 1
    truncated: bool = False
    enough: bool = False
    """Whether there are enough alerts by now to open an incident."""
    remarks: tuple[str, ...] = ()


class AlertCleared(_Happened):
    """The source says that an alert is resolved."""

    kind: Literal["alert_cleared"] = "alert_cleared"
    event_key: str
    fingerprint: str
    title: str
    count: int = 1
    truncated: bool = False
    remarks: tuple[str, ...] = ()


class SeverityChanged(_Asked):
    """By hand, or because a worse alert fires."""

    kind: Literal["severity_changed"] = "severity_changed"
    before: Severity
    severity: Severity


class Assigned(_Asked):
    """Who works on it and who commands; both as they are from now on."""

    kind: Literal["assigned"] = "assigned"
    assignee: str | None = None
    commander: str | None = None


class Snoozed(_Asked):
    """Nobody is paged until then."""

    kind: Literal["snoozed"] = "snoozed"
    until: AwareDatetime


class SnoozeEnded(_Asked):
    """Paging may begin again."""

    kind: Literal["snooze_ended"] = "snooze_ended"


class Commented(_Asked):
    """Somebody said something; it is in `note`."""

    kind: Literal["commented"] = "commented"


class Reopened(_Asked):
    """The incident was mitigated or resolved, and is not any more."""

    kind: Literal["reopened"] = "reopened"
    reason: str


class Unacknowledged(_Asked):
    """Nobody has it any more."""

    kind: Literal["unacknowledged"] = "unacknowledged"
    reason: str


class Escalated(_Happened):
    """Nobody acknowledged in time; `repeat` counts how often the level is paged."""

    kind: Literal["escalated"] = "escalated"
    level: int
    waited: float
    repeat: int = 1


class PagingHeld(_Happened):
    """Somebody was to be paged, and is not, for a reason that lasts until then."""

    kind: Literal["paging_held"] = "paging_held"
    reason: str
    until: AwareDatetime


class PagingResumed(_Happened):
    """The reason is over: paging begins at level 1."""

    kind: Literal["paging_resumed"] = "paging_resumed"


class StepTaken(_Happened):
    """A level was due; `step` levels have been gone through. It only counts."""

    kind: Literal["step_taken"] = "step_taken"
    step: int
    visible: bool = False


class PageStarted(_Happened):
    """A page to one target is on its way; `round` counts from 1."""

    kind: Literal["page_started"] = "page_started"
    key: str
    level: int
    target: str
    repeat: int = 1
    fallback: tuple[str, ...] = ()
    round: int = 1


class PageDelivered(_Happened):
    """A target's service took the page: the target's own, or `via` its fallback."""

    kind: Literal["page_delivered"] = "page_delivered"
    key: str
    level: int
    target: str
    via: str | None = None


class PageFailed(_Happened):
    """A round of a page failed; `retry_at` is None when it was the last one."""

    kind: Literal["page_failed"] = "page_failed"
    key: str
    level: int
    target: str
    reason: str
    retry_at: AwareDatetime | None = None


class PageCancelled(_Happened):
    """A page that was not delivered yet is no longer wanted."""

    kind: Literal["page_cancelled"] = "page_cancelled"
    key: str
    level: int
    target: str


class Acknowledged(_Asked):
    """Somebody has it."""

    kind: Literal["acknowledged"] = "acknowledged"


class Mitigated(_Asked):
    """It does not hurt any more, and is not over."""

    kind: Literal["mitigated"] = "mitigated"


class Resolved(_Asked):
    """It is over, says somebody or the source."""

    kind: Literal["resolved"] = "resolved"
    forced: bool = False
    """Whether alerts still fired."""


class _Settled(_Happened):
    as_of: AwareDatetime
    """The resolution or closing that the report is of."""


class ReportWritten(_Settled):
    """The post-incident report lies in the document store."""

    kind: Literal["report_written"] = "report_written"
    uris: tuple[str, ...]


class ReportNotWritten(_Settled):
    """There will be no such post-incident report."""

    kind: Literal["report_not_written"] = "report_not_written"
    reason: str


class Superseded(_Happened):
    """An event belongs to a new incident under the same key."""

    kind: Literal["superseded"] = "superseded"
    event_key: str
    reason: str


class Closed(_Asked):
    """The end; `report` says whether there is something to report that no report says yet."""

    kind: Literal["closed"] = "closed"
    reason: CloseReason = CloseReason.RESOLVED
    report: bool = False


WithEffects = (
    Acknowledged
    | Closed
    | PageCancelled
    | PageDelivered
    | PageStarted
    | Reopened
    | Resolved
    | Superseded
)
"""Events that the shell has something to do for; `lifecycle` says what for each."""

WithoutEffects = (
    AlertCleared
    | AlertFired
    | Assigned
    | Commented
    | Escalated
    | EventJoined
    | HeldBack
    | Mitigated
    | Discarded
    | Noted
    | Opened
    | PageFailed
    | PagingHeld
    | PagingResumed
    | ReportNotWritten
    | ReportWritten
    | SeverityChanged
    | Snoozed
    | SnoozeEnded
    | StepTaken
    | Unacknowledged
    | NobodyToPage
)
"""Events that only change the incident."""

TimelineEvent = Annotated[WithEffects | WithoutEffects, Field(discriminator="kind")]
TIMELINE: Final[TypeAdapter[tuple[TimelineEvent, ...]]] = TypeAdapter(tuple[TimelineEvent, ...])
"""Reads and writes a whole timeline as JSON."""


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
