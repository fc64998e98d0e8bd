"""The incident's state machine.

    decide(incident, input, now) -> (events, effects)        apply(incident, event) -> incident

`decide` is total: an input that is not possible in a state yields nothing, and for a command
`command_handling.refusal` says why. Effects follow from events, so that the timeline never misses
one.

    input                  open           acknowledged     mitigated     resolved      closed
    an alert fires         absorb         absorb; page if  open again,   open again,   a new
                                          it is worse      if it is new  or a new one  one
    it fires still         count          count; page if   count         count         -
                                          it is worse
    all alerts resolved    resolved       resolved, or     resolved      -             -
                                          only noted
    acknowledgement old    -              open, level 1    -             -             -
    wake                   ask who is on  retry pages      -             close, after  -
                           call                                          the window
    who is on call         page what is   page what was    -             -             -
                           due            asked for
    commands               see `command_handling`

Whether an alert fires, fires still, or recovers is decided in core.domain.alert_state.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import reduce
from itertools import accumulate
from typing import NamedTuple

from core.domain.incident.commands import Command
from core.domain.incident.decisions import (
    alerts,
    closing,
    command_handling,
    messages,
    on_call,
    opening,
    paging,
    posts,
    timers,
)
from core.domain.incident.effects import (
    REPORT_KEY,
    CancelInFlight,
    Effect,
    FindOnCall,
    StartSuccessor,
    UpdatePost,
    WriteReport,
)
from core.domain.incident.evolve import apply
from core.domain.incident.inputs import (
    AlertReceived,
    Cancel,
    CommandSent,
    FollowedUp,
    FurtherEvent,
    Input,
    Listen,
    OnCallAnswered,
    OnCallChanged,
    Open,
    PageSettled,
    PostSettled,
    Recalled,
    Remark,
    ReportSettled,
    Wake,
)
from core.domain.incident.model import Incident, PageStatus
from core.domain.incident.status import CloseReason
from core.domain.incident.timeline import (
    Acknowledged,
    Assigned,
    AssigneeNotified,
    Closed,
    Discarded,
    Forgotten,
    HandedOver,
    Mitigated,
    Noted,
    OnCallAsked,
    PageCancelled,
    PageDelivered,
    PageStarted,
    PostUpdateStarted,
    Reopened,
    ReportNotWritten,
    ReportWritten,
    Resolved,
    Superseded,
    TimelineEvent,
    WithEffects,
)


class Decision(NamedTuple):
    """What happened, and what the workflow has to do about it. Without events nothing changed."""

    events: tuple[TimelineEvent, ...]
    effects: tuple[Effect, ...]


def decide(incident: Incident, input: Input, now: datetime) -> Decision:
    """What happens because of an input at `now`, and because of timers that are due by then.

    Apply the events in their order; those that are `visible` are the timeline's.
    """
    events = _events(incident, input, now)
    states = [*accumulate(events, apply, initial=incident)]
    if events or isinstance(input, Wake):
        due = timers.advance(states[-1], now)
        events += due
        states += [*accumulate(due, apply, initial=states.pop())]
    return Decision(tuple(events), tuple(_effects(events, states)))


def last_updates(incident: Incident, now: datetime) -> tuple[UpdatePost, ...]:
    """What the messages that are out of date have yet to show, of an incident that is left."""
    return tuple(
        messages.update_post(incident, event, incident.posts[event.target])
        for event in posts.last_updates(incident, now)
    )


def _events(incident: Incident, input: Input, now: datetime) -> list[TimelineEvent]:
    match input:
        case Open():
            return opening.open_by_report(incident, input, now)
        case AlertReceived():
            return alerts.receive(incident, input, now)
        case Recalled():
            return alerts.recall(incident, input, now)
        case Listen():
            return alerts.listen(incident, input, now)
        case FurtherEvent():
            return alerts.join(incident, input, now)
        case Command():
            return command_handling.handle(incident, input, now)
        case CommandSent():
            return command_handling.take(incident, input.command, now)
        case PageSettled():
            return _page_settled(incident, input, now)
        case FollowedUp():
            return posts.posted(incident, input.posts, now)
        case PostSettled():
            return posts.settled(incident, input, now)
        case ReportSettled():
            return _report_settled(incident, input, now)
        case Cancel():
            return _cancelled(incident, input, now)
        case OnCallAnswered():
            return on_call.answered(incident, input, now)
        case OnCallChanged():
            return on_call.changed(incident, now)
        case Remark():
            return [Noted(at=now, text=input.text)]
        case Wake():
            return []


def _cancelled(incident: Incident, input: Cancel, now: datetime) -> list[TimelineEvent]:
    """It ends now, and does not wait for late alerts."""
    closed = closing.close(incident, CloseReason.CANCELLED, now, note=input.reason)
    after = reduce(apply, closed, incident)
    return closed if closing.is_forgotten(after) else [*closed, Forgotten(at=now)]


def _page_settled(incident: Incident, input: PageSettled, now: datetime) -> list[TimelineEvent]:
    page = incident.pages.get(input.key)
    if page is None or page.status not in (PageStatus.SENDING, PageStatus.CANCELLED):
        return []
    if input.failure is None:  # even if it was cancelled: it cannot be taken back
        via = input.via if input.via != page.target else None
        shown = {via or page.target: input.post} if input.post else {}
        late = page.status is PageStatus.CANCELLED
        return [
            PageDelivered(at=now, key=input.key, level=page.level, target=page.target, via=via),
            *posts.posted(incident, shown, now, outdated=late),
        ]
    if page.status is PageStatus.CANCELLED:
        return []
    failed = paging.failed(input.key, page, input.failure, now, removed=input.removed)
    gone = on_call.changed(incident, now) if page.person and input.removed else []
    return [failed, *gone]


def _report_settled(incident: Incident, input: ReportSettled, now: datetime) -> list[TimelineEvent]:
    if incident.reported == input.as_of:
        return []
    if input.failure is None:
        return [ReportWritten(at=now, as_of=input.as_of, uris=input.uris)]
    if input.as_of != incident.report_wanted:
        return []  # cancelled: the incident was reopened, or there was more to report
    return [ReportNotWritten(at=now, as_of=input.as_of, reason=input.failure)]


def _effects(events: Sequence[TimelineEvent], states: Sequence[Incident]) -> Iterable[Effect]:
    """The effects of the events; `states` are the incident before each of them, and at the end."""
    cancelled = [event.key for event in events if isinstance(event, PageCancelled)]
    if any(_cancels_report(event) for event in events):
        cancelled.append(REPORT_KEY)
    if cancelled:
        yield CancelInFlight(keys=tuple(cancelled))
    for event, before in zip(events, states, strict=False):
        if isinstance(event, WithEffects):
            yield from _effects_of(event, before, states[-1])


def _effects_of(event: WithEffects, before: Incident, after: Incident) -> Iterable[Effect]:
    match event:
        case PageCancelled() | Reopened():
            pass  # cancelled by one effect for all events, above
        case PageStarted():
            if after.pages[event.key].status is PageStatus.SENDING:
                yield messages.page_for(after, event)
        case PostUpdateStarted():
            yield messages.update_post(after, event, before.posts[event.target])
        case PageDelivered():
            page = before.pages.get(event.key)
            cancelled = page and page.status is PageStatus.CANCELLED
            # Not what is over by now: a late timer may have opened the incident again.
            if cancelled and before.news and after.news is before.news:
                yield messages.late_follow_up(after, event, before.news)
        case Acknowledged() | Mitigated() | Discarded():
            yield from _follow_up(event, before, after)
        case Resolved():
            yield from _follow_up(event, before, after)
            yield WriteReport(as_of=event.at)
        case Closed():
            yield from _follow_up(event, before, after)
            if event.report:
                yield WriteReport(as_of=event.at)
        case Assigned():
            if event.notified:
                yield messages.assignment(
                    after, event.notified, by=event.actor, note=event.note, at=event.at
                )
        case AssigneeNotified():
            yield messages.assignment(
                after, event.targets, by=event.by, note=event.note, at=event.at
            )
        case OnCallAsked():
            yield FindOnCall(number=event.number, question=event.question)
        case HandedOver():
            if event.targets:
                yield messages.handed_over(after, event)
        case Superseded():
            yield StartSuccessor(event_key=event.event_key, held=event.held)


def _follow_up(event: messages.Change, before: Incident, after: Incident) -> Iterable[Effect]:
    """The news for every target that was reached, has not heard it, and has no message that shows
    it."""
    news = messages.news_of(event)
    targets = tuple(
        name
        for name in before.reached
        if before.heard.get(name) is not news and name not in before.posts
    )
    if targets:
        yield messages.follow_up(after, event, targets)


def _cancels_report(event: TimelineEvent) -> bool:
    """Whether the event makes the report that is being written obsolete."""
    return isinstance(event, Reopened) or (isinstance(event, Closed) and event.report)
