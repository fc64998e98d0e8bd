"""The outbox: each effect of the domain starts an activity, whose outcome goes back to the domain.

Deterministic: runs in the workflow sandbox.
"""

from __future__ import annotations

from temporalio import workflow
from temporalio.exceptions import FailureError, is_cancelled_exception

from core.domain.incident.effects import (
    REPORT_KEY,
    CancelInFlight,
    FindOnCall,
    FollowUp,
    Page,
    StartSuccessor,
    UpdatePost,
    WriteReport,
)
from core.domain.incident.inputs import (
    FollowedUp,
    OnCallAnswered,
    PageSettled,
    PostSettled,
    ReportSettled,
)
from core.domain.incident.model import PageStatus
from core.domain.oncall.answer import Answer
from core.domain.targets import Post
from workers.incident.activities import IncidentActivities
from workers.incident.payloads import TARGET_REMOVED, Delivered, Told
from workers.incident.workflow import activity_options
from workers.incident.workflow.in_flight import Failure, WithActivity
from workers.incident.workflow.state import State


def dispatch(state: State, *, starting: bool = True) -> bool:
    """Carry out the effects in the outbox, and return whether an activity was started. Unless
    `starting`, those that start one stay; a question always does, see `ask`."""
    if starting:
        state.pending_reports.start()
    started = False
    outbox, state.outbox = state.outbox, []
    for effect in outbox:
        match effect:
            case CancelInFlight():
                state.in_flight.cancel(effect.keys)
            case StartSuccessor():
                pass  # its event is among the arrivals
            case FindOnCall():
                state.outbox.append(effect)
            case Page() | WriteReport() | FollowUp() | UpdatePost():
                if starting:
                    _start(state, effect)
                    started = True
                else:
                    state.outbox.append(effect)
    return started


async def ask(state: State) -> None:
    """Ask the question in the outbox, if it is still wanted, and have the domain decide on the
    answer.

    The caller must start no timer meanwhile: one that is started beside a local activity and
    cancelled for its result is in the history or not, depending on whether a query comes in
    between, and then the run does not replay.
    """
    questions = [effect for effect in state.outbox if isinstance(effect, FindOnCall)]
    state.outbox = [effect for effect in state.outbox if not isinstance(effect, FindOnCall)]
    for find in questions:
        inquiry = state.incident.inquiry
        if inquiry.asked_at is None or find.number != inquiry.number:
            continue
        try:
            answer: Answer = await workflow.execute_local_activity_method(
                IncidentActivities.find_on_call, find.question, **activity_options.FIND_ON_CALL
            )
        except FailureError as error:
            if is_cancelled_exception(error):
                raise
            failure = activity_options.reason_of(error)
            state.handle(OnCallAnswered(number=find.number, failure=failure))
        else:
            state.handle(OnCallAnswered(number=find.number, answer=answer))


def _start(state: State, effect: WithActivity) -> None:
    match effect:
        case Page():
            page = state.incident.pages.get(effect.key)
            if page and page.status is PageStatus.SENDING:  # still wanted
                _page(state, effect)
        case WriteReport():
            if effect.as_of == state.incident.report_wanted:
                _write_report(state, effect)
        case FollowUp():
            _follow_up(state, effect)
        case UpdatePost():
            _update_post(state, effect)


def _page(state: State, page: Page) -> None:
    def settled(failure: Failure | None, delivered: Delivered | None) -> None:
        state.handle(
            PageSettled(
                key=page.key,
                failure=failure.reason if failure else None,
                via=delivered.via if delivered else None,
                post=delivered.post if delivered else None,
                removed=failure is not None and failure.code == TARGET_REMOVED,
            )
        )

    handle = workflow.start_activity_method(IncidentActivities.page, page, **activity_options.PAGE)
    state.in_flight.watch(handle, settled, effect=page, key=page.key)


def _write_report(state: State, report: WriteReport) -> None:
    id = state.incident.id

    def settled(failure: Failure | None, uris: list[str] | None) -> None:
        reason = failure.reason if failure else None
        if id != state.incident.id:  # its successor has started in this run
            state.pending_reports.finished(id, reason or uris)
            return
        state.handle(ReportSettled(as_of=report.as_of, uris=tuple(uris or ()), failure=reason))

    report_input = state.timeline.report_input(state.incident)
    handle = workflow.start_activity_method(
        IncidentActivities.write_report, report_input, **activity_options.REPORT
    )
    state.in_flight.watch(handle, settled, effect=report, key=REPORT_KEY)


def _follow_up(state: State, follow_up: FollowUp) -> None:
    def settled(failure: Failure | None, answer: Told | None) -> None:
        if failure:
            reason = failure.reason
            workflow.logger.warning("follow-up not delivered (%s): %s", follow_up.what, reason)
        elif answer and answer.posts and follow_up.dedup_key == state.incident.id:
            state.handle(FollowedUp(posts=answer.posts))

    handle = workflow.start_activity_method(
        IncidentActivities.follow_up, follow_up, **activity_options.FOLLOW_UP
    )
    state.in_flight.watch(handle, settled, effect=follow_up)


def _update_post(state: State, update: UpdatePost) -> None:
    def settled(failure: Failure | None, post: Post | None) -> None:
        if failure:
            workflow.logger.warning("%s not updated: %s", update.target, failure.reason)
        if update.dedup_key != state.incident.id:  # its successor has started in this run
            return
        state.handle(
            PostSettled(
                target=update.target,
                number=update.number,
                post=post,
                failure=failure.reason if failure else None,
                lost=failure is not None and failure.is_final,
            )
        )

    handle = workflow.start_activity_method(
        IncidentActivities.update_post, update, **activity_options.UPDATE_POST
    )
    state.in_flight.watch(handle, settled, effect=update)
