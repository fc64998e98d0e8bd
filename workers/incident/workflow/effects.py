"""The outbox: each effect of the domain starts an activity, whose outcome goes back to the domain.

Deterministic: runs in the workflow sandbox.
"""

from __future__ import annotations

from temporalio import workflow

from core.domain.incident.effects import (
    REPORT_KEY,
    CancelInFlight,
    FollowUp,
    Page,
    StartSuccessor,
    WriteReport,
)
from core.domain.incident.inputs import PageSettled, ReportSettled
from core.domain.incident.model import PageStatus
from workers.incident.activities import IncidentActivities
from workers.incident.workflow import activity_options
from workers.incident.workflow.in_flight import WithActivity
from workers.incident.workflow.state import State


def dispatch(state: State, *, starting: bool = True) -> None:
    """Carry out the effects in the outbox. Unless `starting`, those that start an activity stay."""
    if starting:
        state.pending_reports.start()
    outbox, state.outbox = state.outbox, []
    for effect in outbox:
        match effect:
            case CancelInFlight():
                state.in_flight.cancel(effect.keys)
            case StartSuccessor():
                pass  # its event is among the arrivals
            case Page() | WriteReport() | FollowUp():
                if starting:
                    _start(state, effect)
                else:
                    state.outbox.append(effect)


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


def _page(state: State, page: Page) -> None:
    def settled(failure: str | None, via: str | None) -> None:
        state.handle(PageSettled(key=page.key, failure=failure, via=via))

    handle = workflow.start_activity_method(IncidentActivities.page, page, **activity_options.PAGE)
    state.in_flight.watch(handle, settled, effect=page, key=page.key)


def _write_report(state: State, report: WriteReport) -> None:
    id = state.incident.id

    def settled(failure: str | None, uris: list[str] | None) -> None:
        if id != state.incident.id:  # its successor has started in this run
            state.pending_reports.finished(id, failure or uris)
            return
        state.handle(ReportSettled(as_of=report.as_of, uris=tuple(uris or ()), failure=failure))

    report_input = state.timeline.report_input(state.incident)
    handle = workflow.start_activity_method(
        IncidentActivities.write_report, report_input, **activity_options.REPORT
    )
    state.in_flight.watch(handle, settled, effect=report, key=REPORT_KEY)


def _follow_up(state: State, follow_up: FollowUp) -> None:
    def settled(failure: str | None, _: object) -> None:
        if failure:
            workflow.logger.warning("follow-up not delivered (%s): %s", follow_up.what, failure)

    handle = workflow.start_activity_method(
        IncidentActivities.follow_up, follow_up, **activity_options.FOLLOW_UP
    )
    state.in_flight.watch(handle, settled, effect=follow_up)
