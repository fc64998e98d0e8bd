"""The intake: the one use case that every listener calls. Arrivals in, receipts out.

It makes one start call per event and decides nothing else: formats have understood the bytes, the
root orchestrator will route. What can never work goes to quarantine, what may work later is given
back, and nothing is settled before it is one of started, duplicate or quarantined.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from core.domain.event import Event
from core.domain.identity import workflow_id
from core.domain.validation import EventValidationService
from core.errors import PermanentError, TidegateError
from core.formats.delivery import Arrival, Malformed
from core.ports.workflow_starter import WorkflowStarter
from core.quarantine import Quarantine
from core.receipts import Receipt, Verdict


class Intake:
    """Accepts arrivals. At most `concurrency` starts are in flight at once."""

    def __init__(
        self,
        *,
        starter: WorkflowStarter,
        quarantine: Quarantine,
        validation: EventValidationService,
        concurrency: int = 100,
    ) -> None:
        self._starter = starter
        self._quarantine = quarantine
        self._validation = validation
        self._slots = asyncio.Semaphore(concurrency)

    async def accept(
        self,
        arrivals: Sequence[Arrival],
        *,
        time_left: float | None = None,
        report: Callable[[Arrival, Receipt], None] | None = None,
    ) -> list[Receipt]:
        """One receipt per arrival, in their order; `report` hears of each as soon as it is there,
        while others are still in flight.

        `time_left` is in seconds: what is unfinished then is given back as `retry`. A start that
        was cut off may have gone through; its redelivery then is a duplicate.
        """

        async def accept_one(arrival: Arrival) -> Receipt:
            receipt = await self._accept_in_time(arrival, deadline)
            if report:
                report(arrival, receipt)
            return receipt

        deadline = None if time_left is None else asyncio.get_running_loop().time() + time_left
        if len(arrivals) == 1:  # as most are: it needs no task of its own
            return [await accept_one(arrivals[0])]
        tasks = [asyncio.create_task(accept_one(arrival)) for arrival in arrivals]
        if tasks:
            await asyncio.wait(tasks)
        return [task.result() for task in tasks]

    async def _accept_in_time(self, arrival: Arrival, deadline: float | None) -> Receipt:
        limit = asyncio.timeout_at(deadline)
        try:
            async with limit, self._slots:
                return await self._accept(arrival)
        except TidegateError as error:  # a fault of the moment, or the operator's to mend
            return _receipt(arrival, Verdict.RETRY, code=error.code, reason=str(error))
        except TimeoutError:
            if not limit.expired():
                raise
            return _out_of_time(arrival)

    async def _accept(self, arrival: Arrival) -> Receipt:
        item = arrival.item
        if isinstance(item, Malformed):
            return await self._keep(arrival, item.error)
        try:
            start = await self._starter.start(self._validation.validate(item))
        except PermanentError as error:
            return await self._keep(arrival, error)
        return _receipt(
            arrival, Verdict.STARTED if start.new else Verdict.DUPLICATE, run_id=start.run_id
        )

    async def _keep(self, arrival: Arrival, error: PermanentError) -> Receipt:
        return _receipt(
            arrival,
            Verdict.QUARANTINED,
            code=error.code,
            reason=str(error),
            quarantine_uri=await self._quarantine.keep(arrival, error),
        )


def _out_of_time(arrival: Arrival) -> Receipt:
    return _receipt(
        arrival,
        Verdict.RETRY,
        code="OutOfTime",
        reason=(
            "the function's deadline came first: is Temporal slow, or the quarantine's store "
            "(`tidegate doctor`)? If not, raise the function's timeout or make its batches smaller"
        ),
    )


def _receipt(
    arrival: Arrival,
    verdict: Verdict,
    *,
    run_id: str | None = None,
    code: str | None = None,
    reason: str | None = None,
    quarantine_uri: str | None = None,
) -> Receipt:
    event = arrival.item if isinstance(arrival.item, Event) else None
    started = verdict in (Verdict.STARTED, Verdict.DUPLICATE)
    return Receipt(
        verdict=verdict,
        event_id=event.id if event else None,
        key=event.key if event else None,
        workflow_id=workflow_id(event.key) if event and started else None,
        run_id=run_id,
        fresh=event.fresh if event else False,
        code=code,
        reason=reason,
        quarantine_uri=quarantine_uri,
        time=event.time if event else None,
    )
