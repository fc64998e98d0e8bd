"""The timeline: everything that happened to an incident, typed, dated and with an actor.

An incident is the fold of these events, and people read them afterwards: each says in one plain
sentence what happened. `evolve` has a case for each. A kind, once released, keeps its name and its
fields, because histories hold them.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import accumulate
from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, Field, TypeAdapter

from core.domain.alert import Alert
from core.domain.alert_state import AlertState
from core.domain.command import TIDEGATE, Proof, attested
from core.domain.durations import format_duration
from core.domain.incident.description import Description
from core.domain.incident.model import Origin, Wanted
from core.domain.incident.policies.policy import Policy
from core.domain.incident.status import CloseReason
from core.domain.oncall.answer import Answer, OnCall, Question
from core.domain.severity import Severity
from core.domain.targets import Post
from core.domain.value import Value


class _Event(Value):
    """Events that are not `visible` change the incident and are not kept."""

    at: AwareDatetime
    actor: str = TIDEGATE
    visible: bool = True

    @abstractmethod
    def sentence(self) -> str:
        """What happened, without its time and its actor."""

    def attested(self) -> str:
        """The actor, and how it is known that it was they, if it is."""
        return self.actor


class _Commanded(_Event):
    """What a command may have caused; `note` is what the person said about it."""

    command_id: str | None = None
    note: str | None = None
    proof: Proof | None = None
    origin: Origin | None = None

    def attested(self) -> str:
        return attested(self.actor, self.proof)

    def _noted(self, sentence: str) -> str:
        return _because(sentence, self.note)


class _Described(Description, _Event):
    event_key: str | None = None
    """The event that brought the report; an alert is counted by its own entry."""

    def _severity(self) -> str:
        return f"severity {self.severity}" + (f" on {self.service}" if self.service else "")


class HeldBack(_Described):
    """An alert fires; whether it becomes an incident is not known yet."""

    kind: Literal["held_back"] = "held_back"

    def sentence(self) -> str:
        return f"Held back until it lasts: {self.title} ({self._severity()})"


class Opened(_Described):
    """The incident exists: people may be paged."""

    kind: Literal["opened"] = "opened"

    def sentence(self) -> str:
        follows = f"; it follows {self.previous}" if self.previous else ""
        return f"Opened with {self._severity()}: {self.title}{follows}"


class Discarded(_Commanded):
    """What was held back, or could not open, ends without having been an incident."""

    kind: Literal["discarded"] = "discarded"
    reason: str

    def sentence(self) -> str:
        return self._noted(f"Never became an incident: {self.reason}")


class Refused(_Commanded):
    """A command for whose answer nobody waited is not possible."""

    kind: Literal["refused"] = "refused"
    reason: str

    def sentence(self) -> str:
        return self._noted(f"{self.reason[:1].upper()}{self.reason[1:]}")


class Unchanged(_Commanded):
    """A command for whose answer nobody waited has found everything as it wants it. It is
    remembered: redelivered later, it would undo what others have done in between."""

    kind: Literal["unchanged"] = "unchanged"
    visible: bool = False

    def sentence(self) -> str:
        return self._noted("Nothing was to be done")


class Noted(_Event):
    """A remark that changes nothing."""

    kind: Literal["noted"] = "noted"
    text: str

    def sentence(self) -> str:
        return self.text


class NobodyToPage(_Event):
    """A level reaches nobody, or (`partial`) only some of its targets; once for each level."""

    kind: Literal["nobody_to_page"] = "nobody_to_page"
    level: int
    reason: str = ""
    partial: bool = False

    def sentence(self) -> str:
        level = f"Level {self.level}" if self.partial else f"Nobody to page at level {self.level}"
        return _because(level, self.reason)


class EventJoined(_Event):
    """Another event, not an alert, for the same incident."""

    kind: Literal["event_joined"] = "event_joined"
    event_key: str
    event_type: str
    document: str | None = None

    def sentence(self) -> str:
        about = f" about {self.document}" if self.document else ""
        return f"A further event joined: {self.event_type}{about}"


class _AlertEvent(_Event):
    """`state` is what is known of the alert from now on."""

    fingerprint: str
    state: AlertState
    truncated: bool = False


class AlertFired(_AlertEvent):
    """An alert fires; `count` is how often this fingerprint has, `total` how often any has."""

    kind: Literal["alert_fired"] = "alert_fired"
    title: str
    severity: Severity
    links: Mapping[str, str] = Field(default_factory=dict)
    starts_at: AwareDatetime | None = None
    count: int = 1
    total: int = 1
    arrived: bool = True
    """Whether it is one more of those that a policy counts before it opens an incident."""
    enough: bool = False
    """Whether there are now enough of them."""
    remarks: tuple[str, ...] = ()

    def sentence(self) -> str:
        fires = _times("Alert fires", self.count)
        if self.count == 1 and self.total >= 100:
            fires = f"Alert fires ({self.total:,} alerts by now)"
        return f"{fires}: {self.title}{_in_brackets(self.remarks)}"


class AlertCleared(_AlertEvent):
    """The source says that an alert is resolved."""

    kind: Literal["alert_cleared"] = "alert_cleared"
    title: str
    count: int = 1
    remarks: tuple[str, ...] = ()

    def sentence(self) -> str:
        resolved = _times("Alert resolved", self.count)
        return f"{resolved}: {self.title}{_in_brackets(self.remarks)}"


class AlertHeld(_AlertEvent):
    """The source says that an alert still fires although it has recovered, or a person has ended
    the incident. It may be a replica's late word. A remark says so on the timeline, without the
    whole alert."""

    kind: Literal["alert_held"] = "alert_held"
    visible: bool = False
    alert: Alert

    def sentence(self) -> str:
        until = f" until {_moment(self.state.held_until)}" if self.state.held_until else ""
        return f"Alert fires again, as of the same moment; held{until}: {self.alert.title}"


class AlertHeard(_AlertEvent):
    """A repeated, late or early word about an alert, which changes at most what is known of it."""

    kind: Literal["alert_heard"] = "alert_heard"
    visible: bool = False
    title: str = ""

    def sentence(self) -> str:
        return f"A repeated or late word about an alert: {self.title}"


class Listening(_Event):
    """What came opens no incident; more alerts may come, until then."""

    kind: Literal["listening"] = "listening"
    visible: bool = False
    policy: Policy
    until: AwareDatetime
    previous: str | None = None

    def sentence(self) -> str:
        return f"Waiting for alerts that fire until {_moment(self.until)}"


class AlertsRecalled(_Event):
    """What the run before knew of alerts."""

    kind: Literal["alerts_recalled"] = "alerts_recalled"
    visible: bool = False
    states: Mapping[str, AlertState]

    def sentence(self) -> str:
        return f"{len(self.states):,} alerts are known from before"


class Forgotten(_Event):
    """The time is over in which late words are still heard."""

    kind: Literal["forgotten"] = "forgotten"
    visible: bool = False

    def sentence(self) -> str:
        return "Late words are not waited for any more"


class SeverityChanged(_Commanded):
    """By hand, or because a worse alert fires."""

    kind: Literal["severity_changed"] = "severity_changed"
    before: Severity
    severity: Severity

    def sentence(self) -> str:
        way = "raised" if self.severity.is_worse_than(self.before) else "lowered"
        return self._noted(f"Severity {way} from {self.before} to {self.severity}")


class Assigned(_Commanded):
    """Who works on it and who commands; both as they are from now on. `is_news` is whether the
    assignee is to be notified; `notified` are the addresses of the target of that name, if there is
    one."""

    kind: Literal["assigned"] = "assigned"
    assignee: str | None = None
    commander: str | None = None
    is_news: bool = False
    notified: tuple[str, ...] = ()

    def sentence(self) -> str:
        commander = f", commanded by {self.commander}" if self.commander else ""
        notified = ", who is notified" if self.notified else ""
        return self._noted(f"Assigned to {self.assignee or 'nobody'}{notified}{commander}")


class Snoozed(_Commanded):
    """Nobody is paged until then."""

    kind: Literal["snoozed"] = "snoozed"
    until: AwareDatetime

    def sentence(self) -> str:
        return self._noted(f"Snoozed until {_moment(self.until)}")


class SnoozeEnded(_Commanded):
    """Paging may start again."""

    kind: Literal["snooze_ended"] = "snooze_ended"

    def sentence(self) -> str:
        return self._noted("Snooze ended")


class Commented(_Commanded):
    """The comment is in `note`."""

    kind: Literal["commented"] = "commented"

    def sentence(self) -> str:
        return self._noted("Comment")


class Reopened(_Commanded):
    """The incident was mitigated or resolved, and no longer is."""

    kind: Literal["reopened"] = "reopened"
    reason: str

    def sentence(self) -> str:
        return self._noted(f"Reopened: {self.reason}")


class Unacknowledged(_Commanded):
    """Nobody has it any more."""

    kind: Literal["unacknowledged"] = "unacknowledged"
    reason: str

    def sentence(self) -> str:
        return self._noted(f"Open again: {self.reason}")


class Escalated(_Event):
    """Nobody acknowledged in time, or the levels just before (`skipped`) reach nobody; `repeat`
    counts how often the level is paged."""

    kind: Literal["escalated"] = "escalated"
    level: int
    waited: float
    repeat: int = 1
    skipped: tuple[int, ...] = ()

    def sentence(self) -> str:
        waited = f"nobody acknowledged in {format_duration(self.waited)}"
        if self.skipped:
            numbers = " and ".join(map(str, self.skipped))
            reach = "reaches" if len(self.skipped) == 1 else "reach"
            waited = f"level {numbers} {reach} nobody"
        if self.repeat > 1:
            return f"Level {self.level} is paged again (repeat {self.repeat}): {waited}"
        return f"Escalated to level {self.level}: {waited}"


class EscalatedByHand(_Commanded):
    """A person asked for a level to be paged; `repeat` counts how often it is. What holds all other
    paging, if anything does, is in `held`."""

    kind: Literal["escalated_by_hand"] = "escalated_by_hand"
    level: int
    targets: tuple[str, ...]
    repeat: int = 1
    held: str | None = None
    held_until: AwareDatetime | None = None

    def sentence(self) -> str:
        deed = f"Escalated to level {self.level}"
        if self.repeat > 1:
            deed = f"Level {self.level} is paged again (repeat {self.repeat})"
        text = f"{deed}: {', '.join(self.targets)}"
        if self.held and self.held_until:
            text += f"; other paging stays on hold ({self.held} until {_moment(self.held_until)})"
        return self._noted(text)


class PagingHeld(_Event):
    """Somebody would have been paged, and is not, for a reason that lasts until then."""

    kind: Literal["paging_held"] = "paging_held"
    reason: str
    until: AwareDatetime

    def sentence(self) -> str:
        return f"Nobody is paged until {_moment(self.until)}: {self.reason}"


class PagingResumed(_Event):
    """The reason is over: paging starts at level 1."""

    kind: Literal["paging_resumed"] = "paging_resumed"

    def sentence(self) -> str:
        return "Paging starts again at level 1"


class StepTaken(_Event):
    """A level was due; `step` levels have been gone through. It only counts."""

    kind: Literal["step_taken"] = "step_taken"
    step: int
    visible: bool = False

    def sentence(self) -> str:
        return f"Paging reached step {self.step}"


class OnCallAsked(_Event):
    """Who is on call for the first `levels` levels is being asked."""

    kind: Literal["on_call_asked"] = "on_call_asked"
    visible: bool = False
    number: int
    levels: int
    question: Question

    def sentence(self) -> str:
        return "Asking who is on call"


class OnCallFound(_Event):
    """Who is on call is known."""

    kind: Literal["on_call_found"] = "on_call_found"
    visible: bool = False
    answer: Answer

    def sentence(self) -> str:
        names = ", ".join(dict.fromkeys(each.name for each in self.answer.people))
        return f"On call: {names or 'nobody'}"


class OnCallUnknown(_Event):
    """Who is on call cannot be found out now, and is asked again at `retry_at`. Only the first of
    several failures is visible."""

    kind: Literal["on_call_unknown"] = "on_call_unknown"
    reason: str
    retry_at: AwareDatetime

    def sentence(self) -> str:
        return f"Who is on call, and what is silenced, is not known: {self.reason}"


class OnCallMayDiffer(_Event):
    """Who is on call may have changed, and is to be asked again."""

    kind: Literal["on_call_may_differ"] = "on_call_may_differ"
    visible: bool = False

    def sentence(self) -> str:
        return "Who is on call may have changed"


class PagingWanted(_Event):
    """A level is to be paged when it is known who is on call; see `Wanted`."""

    kind: Literal["paging_wanted"] = "paging_wanted"
    visible: bool = False
    wanted: Wanted

    def sentence(self) -> str:
        return f"Level {self.wanted.level} is to be paged"


class PersonPaged(_Event):
    """The paging of a person begins, by their contact methods; `asked_by` is the person who
    escalated by hand."""

    kind: Literal["person_paged"] = "person_paged"
    level: int
    repeat: int
    on_call: OnCall
    asked_by: str | None = None

    def sentence(self) -> str:
        who = self.on_call
        quiet = ""
        if who.quiet_until and not self.asked_by:
            quiet = f"; not before {_moment(who.quiet_until)}: their quiet hours"
        until = f" until {_moment(who.until)}" if who.until else ""
        role = f" as {who.role}" if who.role else ""
        return f"{who.name} is paged{role}{until}{quiet}"


class HandedOver(_Event):
    """A person who was paged is not on call any more; `to` are the names of those who are.
    `targets` have taken a page for that person, and hear of it."""

    kind: Literal["handed_over"] = "handed_over"
    on_call: OnCall
    to: tuple[str, ...]
    targets: tuple[str, ...] = ()

    def sentence(self) -> str:
        others = " and ".join(self.to)
        return f"{self.on_call.name} hands over to {others} for {self.on_call.recipient}"


class AssigneeNotified(_Event):
    """A new assignee hears of the assignment, by their first contact methods."""

    kind: Literal["assignee_notified"] = "assignee_notified"
    assignee: str
    by: str
    note: str | None = None
    targets: tuple[str, ...]

    def sentence(self) -> str:
        return f"{self.assignee} is notified of the assignment by {self.by}"


class PageStarted(_Event):
    """A page to one target is being sent; `round` counts from 1. `asked_by` is the person who
    escalated by hand, if one did."""

    kind: Literal["page_started"] = "page_started"
    key: str
    level: int
    target: str
    repeat: int = 1
    fallback: tuple[str, ...] = ()
    round: int = 1
    asked_by: str | None = None
    person: str | None = None
    after: float = 0
    """Of a person's contact method: the seconds that their rules wait before they use it."""

    def sentence(self) -> str:
        again = f", round {self.round}" if self.round > 1 else ""
        return f"Paging {self.target} (level {self.level}{again})"


class PageDelivered(_Event):
    """A target's service took the page: the target's own, or `via` its fallback."""

    kind: Literal["page_delivered"] = "page_delivered"
    key: str
    level: int
    target: str
    via: str | None = None

    def sentence(self) -> str:
        via = f" through its fallback {self.via}" if self.via else ""
        return f"Page delivered to {self.target}{via} (level {self.level})"


class PageFailed(_Event):
    """A round of a page failed; `retry_at` is None when it was the last one."""

    kind: Literal["page_failed"] = "page_failed"
    key: str
    level: int
    target: str
    reason: str
    retry_at: AwareDatetime | None = None

    def sentence(self) -> str:
        then = f"next round at {self.retry_at:%H:%M:%S %Z}" if self.retry_at else "given up"
        return f"Page to {self.target} (level {self.level}) failed, {then}: {self.reason}"


class PageCancelled(_Event):
    """A page that has not been delivered is no longer wanted."""

    kind: Literal["page_cancelled"] = "page_cancelled"
    key: str
    level: int
    target: str

    def sentence(self) -> str:
        return f"Page to {self.target} (level {self.level}) cancelled"


class Posted(_Event):
    """A target has a message about the incident, to be edited when the incident changes;
    `outdated` is whether it has changed already."""

    kind: Literal["posted"] = "posted"
    visible: bool = False
    target: str
    post: Post
    outdated: bool = False

    def sentence(self) -> str:
        return f"{self.target} has a message about it"


class PostUpdateStarted(_Event):
    """A target's message is being edited."""

    kind: Literal["post_update_started"] = "post_update_started"
    visible: bool = False
    target: str
    number: int

    def sentence(self) -> str:
        return f"The message at {self.target} is being updated"


class PostUpdated(_Event):
    """A target's message shows how the incident stood, and the story is told under it. It is
    another message where the one before was gone."""

    kind: Literal["post_updated"] = "post_updated"
    visible: bool = False
    target: str
    post: Post

    def sentence(self) -> str:
        return f"The message at {self.target} is up to date"


class PostNotUpdated(_Event):
    """A target's message could not be edited in time. It is when the incident changes again."""

    kind: Literal["post_not_updated"] = "post_not_updated"
    visible: bool = False
    target: str
    reason: str

    def sentence(self) -> str:
        return f"The message at {self.target} is out of date: {self.reason}"


class PostLost(_Event):
    """A target's message cannot be edited any more."""

    kind: Literal["post_lost"] = "post_lost"
    target: str
    reason: str

    def sentence(self) -> str:
        return f"The message at {self.target} cannot be updated any more: {self.reason}"


class Acknowledged(_Commanded):
    """Somebody has it."""

    kind: Literal["acknowledged"] = "acknowledged"

    def sentence(self) -> str:
        return self._noted("Acknowledged")


class Mitigated(_Commanded):
    """The impact has stopped; the cause has not been fixed."""

    kind: Literal["mitigated"] = "mitigated"

    def sentence(self) -> str:
        return self._noted("Mitigated")


class Resolved(_Commanded):
    """It is over, says somebody or the source."""

    kind: Literal["resolved"] = "resolved"
    forced: bool = False
    """Whether alerts were still firing."""

    def sentence(self) -> str:
        force = " although alerts still fire" if self.forced else ""
        return self._noted(f"Resolved{force}")


class _ReportSettled(_Event):
    as_of: AwareDatetime
    """The resolution or closing that the report is about."""


class ReportWritten(_ReportSettled):
    """The post-incident report is in the document store."""

    kind: Literal["report_written"] = "report_written"
    uris: tuple[str, ...]

    def sentence(self) -> str:
        return f"Post-incident report written: {', '.join(self.uris)}"


class ReportNotWritten(_ReportSettled):
    """There will be no such post-incident report."""

    kind: Literal["report_not_written"] = "report_not_written"
    reason: str

    def sentence(self) -> str:
        return f"No post-incident report: {self.reason}"


class Superseded(_Event):
    """An event belongs to a new incident under the same key."""

    kind: Literal["superseded"] = "superseded"
    event_key: str
    reason: str
    held: Alert | None = None

    def sentence(self) -> str:
        return f"Superseded by a new incident: {self.reason}"


class Closed(_Commanded):
    """The end; `report` says whether there is something that no report says yet."""

    kind: Literal["closed"] = "closed"
    reason: CloseReason = CloseReason.RESOLVED
    report: bool = False

    def sentence(self) -> str:
        return self._noted(f"Closed ({self.reason})")


WithEffects = (
    Acknowledged
    | Assigned
    | AssigneeNotified
    | Closed
    | Discarded
    | HandedOver
    | Mitigated
    | OnCallAsked
    | PageCancelled
    | PageDelivered
    | PageStarted
    | PostUpdateStarted
    | Reopened
    | Resolved
    | Superseded
)
"""Events that have effects: `lifecycle` has a case for each."""

WithoutEffects = (
    AlertCleared
    | AlertFired
    | AlertHeard
    | AlertHeld
    | AlertsRecalled
    | Commented
    | Escalated
    | EscalatedByHand
    | EventJoined
    | Forgotten
    | HeldBack
    | Listening
    | Noted
    | OnCallFound
    | OnCallMayDiffer
    | OnCallUnknown
    | Opened
    | PageFailed
    | PagingHeld
    | PagingResumed
    | PagingWanted
    | PersonPaged
    | PostLost
    | PostNotUpdated
    | PostUpdated
    | Posted
    | Refused
    | ReportNotWritten
    | ReportWritten
    | SeverityChanged
    | Snoozed
    | SnoozeEnded
    | StepTaken
    | Unacknowledged
    | Unchanged
    | NobodyToPage
)
"""Events that only change the incident."""

TimelineEvent = Annotated[WithEffects | WithoutEffects, Field(discriminator="kind")]
TIMELINE: Final[TypeAdapter[tuple[TimelineEvent, ...]]] = TypeAdapter(tuple[TimelineEvent, ...])
"""Reads and writes a whole timeline as JSON."""


def abridged(timeline: Sequence[TimelineEvent], limit: int) -> tuple[TimelineEvent, ...]:
    """The timeline in at most about `limit` bytes of JSON: a longer one keeps its beginning and its
    end, and says between them how much was left out."""
    sizes = [len(event.model_dump_json().encode()) for event in timeline]
    if sum(sizes) <= limit:
        return tuple(timeline)
    head = _fitting(sizes, limit // 2)
    tail = len(timeline) - _fitting(sizes[:head:-1], limit // 2)
    gap = Noted(at=timeline[head].at, text=f"{tail - head:,} entries are left out here")
    return (*timeline[:head], gap, *timeline[tail:])


def _fitting(sizes: Sequence[int], limit: int) -> int:
    """How many of the first entries fit."""
    return sum(1 for total in accumulate(sizes) if total <= limit)


def _times(what: str, count: int) -> str:
    return what if count == 1 else f"{what} ({count:,} times by now)"


def _in_brackets(remarks: Sequence[str]) -> str:
    return f" ({'; '.join(remarks)})" if remarks else ""


def _because(what: str, why: str | None) -> str:
    return f"{what}: {why}" if why else what


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S %Z}"
