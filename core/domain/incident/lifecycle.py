"""The incident's state machine: what follows from what, and nothing about how it comes to pass.

    decide(incident, input, now) -> (events, effects)        apply(incident, event) -> incident

`decide` is total: whatever cannot be done in a state yields nothing, and `refusal` says why to
whoever asked. Effects follow from events, so that the timeline never misses one.

    input                  open           acknowledged     mitigated     resolved      closed
    an alert fires         absorb         absorb; page if  open again,   open again,   a new
                                          it is worse      if it is new  or a new one  one
    it fires still         count          count; page if   count         count         -
                                          it is worse
    all alerts resolved    resolved       resolved, or     resolved      -             -
                                          only said
    acknowledgement old    -              open, level 1    -             -             -
    wake                   page what is   retry pages      -             close, after  -
                           due                                           the window
    commands               see `command_handling`

Which word of a source means that an alert fires, fires still or recovers: core.domain.alert_state.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import reduce
from typing import NamedTuple

from core.domain.incident.commands import Command
from core.domain.incident.decisions import (
    alerts,
    closing,
    command_handling,
    opening,
    paging,
    timers,
)
from core.domain.incident.effects import (
    REPORT_KEY,
    CancelInFlight,
    Effect,
    FollowUp,
    News,
    StartSuccessor,
    WriteReport,
)
from core.domain.incident.evolve import apply
from core.domain.incident.inputs import (
    AlertReceived,
    Cancel,
    FurtherEvent,
    Input,
    Open,
    PageSettled,
    Recalled,
    Remark,
    ReportSettled,
    Wake,
)
from core.domain.incident.model import CloseReason, Incident, PageStatus, Status
from core.domain.incident.timeline import (
    Acknowledged,
    Closed,
    Forgotten,
    Noted,
    PageCancelled,
    PageDelivered,
    PageStarted,
    Reopened,
    ReportNotWritten,
    ReportWritten,
    Resolved,
    Superseded,
    TimelineEvent,
    WithEffects,
)

deadline = timers.deadline
is_finished = closing.is_finished
is_forgotten = closing.is_forgotten
opens = alerts.opens
possible = command_handling.possible
refusal = command_handling.refusal


class Decision(NamedTuple):
    """What happened, and what the shell must do about it. No events: nothing has changed."""

    events: tuple[TimelineEvent, ...]
    effects: tuple[Effect, ...]


def decide(incident: Incident, given: Input, now: datetime) -> Decision:
    """What happens because of `given` at `now`, and of whatever is due by then.

    Events are to be applied in their order; those with `visible` are the timeline's.
    """
    events = _events(incident, given, now)
    after = reduce(apply, events, incident)
    if events or isinstance(given, Wake):
        due = timers.advance(after, now)
        events, after = [*events, *due], reduce(apply, due, after)
    return Decision(tuple(events), tuple(_effects(incident, after, events)))


def _events(incident: Incident, given: Input, now: datetime) -> list[TimelineEvent]:
    match given:
        case Open():
            return opening.open_by_report(incident, given, now)
        case AlertReceived():
            return alerts.receive(incident, given, now)
        case Recalled():
            return alerts.recall(incident, given, now)
        case FurtherEvent():
            return alerts.join(incident, given, now)
        case Command():
            return command_handling.handle(incident, given, now)
        case PageSettled():
            return _page_settled(incident, given, now)
        case ReportSettled():
            return _report_settled(incident, given, now)
        case Cancel():
            return _cancelled(incident, given, now)
        case Remark():
            return [Noted(at=now, text=given.text)]
        case Wake():
            return []


def _cancelled(incident: Incident, given: Cancel, now: datetime) -> list[TimelineEvent]:
    """It ends at once, and listens no more."""
    closed = closing.close(incident, CloseReason.CANCELLED, now, note=given.reason)
    after = reduce(apply, closed, incident)
    return closed if is_forgotten(after) else [*closed, Forgotten(at=now)]


def _page_settled(incident: Incident, given: PageSettled, now: datetime) -> list[TimelineEvent]:
    page = incident.pages.get(given.key)
    if page is None or page.status not in (PageStatus.SENDING, PageStatus.CANCELLED):
        return []
    if given.failure is None:  # even if it was cancelled: it cannot be taken back
        via = given.via if given.via != page.target else None
        return [PageDelivered(at=now, key=given.key, level=page.level, target=page.target, via=via)]
    if page.status is PageStatus.CANCELLED:
        return []
    return [paging.failed(given.key, page, given.failure, now)]


def _report_settled(incident: Incident, given: ReportSettled, now: datetime) -> list[TimelineEvent]:
    if incident.reported == given.as_of:
        return []
    if given.failure is None:
        return [ReportWritten(at=now, as_of=given.as_of, uris=given.uris)]
    if given.as_of != incident.report_wanted:
        return []  # cancelled: the incident was reopened, or there was more to report
    return [ReportNotWritten(at=now, as_of=given.as_of, reason=given.failure)]


def _effects(
    before: Incident, after: Incident, events: Sequence[TimelineEvent]
) -> Iterable[Effect]:
    cancelled = [event.key for event in events if isinstance(event, PageCancelled)]
    if any(_unsays_report(event) for event in events):
        cancelled.append(REPORT_KEY)
    if cancelled:
        yield CancelInFlight(keys=tuple(cancelled))
    for event in events:
        if isinstance(event, WithEffects):
            yield from _effects_of(event, before, after)


def _effects_of(event: WithEffects, before: Incident, after: Incident) -> Iterable[Effect]:
    match event:
        case PageCancelled() | Reopened():
            pass  # one effect for all of them
        case PageStarted():
            if after.pages[event.key].status is PageStatus.SENDING:
                yield paging.page_for(after, event)
        case PageDelivered():
            if news := _missed(before, after, event):
                yield _follow_up(after, news, (event.via or event.target,))
        case Acknowledged():
            if after.reached:
                yield _follow_up(after, "acknowledged", after.reached)
        case Resolved():
            if after.reached:
                yield _follow_up(after, "resolved", after.reached)
            yield WriteReport(as_of=event.at)
        case Closed():
            if after.reached and before.status is not Status.RESOLVED:
                yield _follow_up(after, "resolved", after.reached)
            if event.report:
                yield WriteReport(as_of=event.at)
        case Superseded():
            yield StartSuccessor(event_key=event.event_key, held=event.held)


def _unsays_report(event: TimelineEvent) -> bool:
    """Whether a report that is being written is not the one that is wanted any more."""
    return isinstance(event, Reopened) or (isinstance(event, Closed) and event.report)


def _missed(before: Incident, after: Incident, event: PageDelivered) -> News | None:
    """What the target of a page that arrived although it was cancelled does not know yet."""
    page = before.pages.get(event.key)
    if page is None or page.status is not PageStatus.CANCELLED:
        return None
    if after.status in (Status.ACKNOWLEDGED, Status.MITIGATED):
        return "acknowledged"
    return "resolved" if after.status in (Status.RESOLVED, Status.CLOSED) else None


def _follow_up(incident: Incident, what: News, targets: tuple[str, ...]) -> FollowUp:
    return FollowUp(what=what, targets=targets, dedup_key=incident.id, title=incident.title)
