"""The outbox: what the domain wants is begun as an activity, and it is told how that has ended."""

from __future__ import annotations

from temporalio import workflow

from core.domain.incident.effects import (
    REPORT_KEY,
    CancelInFlight,
    Effect,
    FollowUp,
    Page,
    StartSuccessor,
    WriteReport,
)
from core.domain.incident.inputs import PageSettled, ReportSettled
from core.domain.incident.model import PageStatus
from workers.incident.activities import IncidentActivities
from workers.incident.workflow import activity_options
from workers.incident.workflow.state import State


def empty(state: State, *, starting: bool = True) -> None:
    """Do what the domain wants; without `starting`, leave for later what begins something."""
    if starting:
        state.debts.pay()
    later: list[Effect] = []
    while state.outbox:
        effect = state.outbox.pop(0)
        match effect:
            case CancelInFlight():
                state.under_way.call_off(effect.keys)
            case StartSuccessor():
                pass  # its event is among the arrivals
            case _ if not starting:
                later.append(effect)
            case Page():
                page = state.incident.pages.get(effect.key)
                if page and page.status is PageStatus.SENDING:  # still wanted
                    _page(state, effect)
            case WriteReport():
                if effect.as_of == state.incident.report_wanted:
                    _write_report(state, effect)
            case FollowUp():
                if state.in_full:
                    _follow_up(state, effect)
    state.outbox = later


def _page(state: State, page: Page) -> None:
    def settled(failure: str | None, taken_by: str | None) -> None:
        # A round of the first form answered nothing: it had no fallbacks.
        via = None if failure else taken_by or page.target
        state.take(PageSettled(key=page.key, failure=failure, via=via))

    handle = workflow.start_activity_method(IncidentActivities.page, page, **activity_options.PAGE)
    state.under_way.watch(handle, settled, effect=page, key=page.key)


def _write_report(state: State, report: WriteReport) -> None:
    id = state.incident.id

    def settled(failure: str | None, uris: list[str] | None) -> None:
        if id != state.incident.id:  # the next incident has begun in this run
            state.debts.paid(id, failure or uris)
            return
        state.take(ReportSettled(as_of=report.as_of, uris=tuple(uris or ()), failure=failure))

    ending = state.chronicle.ending(state.incident)
    handle = workflow.start_activity_method(
        IncidentActivities.write_report, ending, **activity_options.REPORT
    )
    state.under_way.watch(handle, settled, effect=report, key=REPORT_KEY)


def _follow_up(state: State, follow_up: FollowUp) -> None:
    def settled(failure: str | None, _: object) -> None:
        if failure:
            workflow.logger.warning("%s was not told everywhere: %s", follow_up.what, failure)

    handle = workflow.start_activity_method(
        IncidentActivities.follow_up, follow_up, **activity_options.IF_POSSIBLE
    )
    state.under_way.watch(handle, settled, effect=follow_up)
