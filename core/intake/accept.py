"""The intake: the one use case that every listener calls. Arrivals in, receipts out.

It makes one start call per event and decides nothing else: formats have read the bytes, the root
orchestrator will route. What can never work is quarantined, what may work later is `retry`, and
nothing is acknowledged before it is started, a duplicate or quarantined.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from core.domain.event import Event
from core.domain.identity import workflow_id
from core.domain.validation import EventValidationService
from core.errors import InvalidEvent, PermanentError, TidegateError
from core.formats.shared.delivery import Arrival, Malformed
from core.intake.quarantine import Quarantine
from core.intake.receipts import Receipt, Verdict
from core.ports.workflow_starter import WorkflowStarter

_MAX_QUOTED: Final = 5
"""Most errors of one delivery that its quarantine record quotes."""


class Intake:
    """Accepts arrivals. At most `concurrency` starts are in flight."""

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
        self._concurrency = concurrency
        self._slots = asyncio.Semaphore(concurrency)

    async def accept(
        self,
        arrivals: Sequence[Arrival],
        *,
        time_left: float | None = None,
        report: Callable[[Arrival, Receipt], None] | None = None,
    ) -> list[Receipt]:
        """One receipt per arrival, in order. `report` is called with each as soon as it is known,
        while others are still in flight.

        `time_left` is in seconds: what is unfinished then is `retry`. A start that timed out may
        have succeeded; then its redelivery is a duplicate.
        """
        receipts: dict[int, Receipt] = {}

        async def settle(unit: _Unit) -> None:
            for place, receipt in zip(
                unit.places, await self._settle_in_time(unit, deadline), strict=True
            ):
                receipts[place] = receipt
                if report:
                    report(arrivals[place], receipt)

        deadline = None if time_left is None else asyncio.get_running_loop().time() + time_left
        units = self._units(arrivals)
        if deadline is not None and len(units) > self._concurrency:
            # Or a batch too large for its time would begin with the same ones at each redelivery.
            random.shuffle(units)
        if len(units) == 1:  # the usual case needs no task
            await settle(units[0])
        elif units:
            tasks = [asyncio.create_task(settle(unit)) for unit in units]
            await asyncio.wait(tasks)
            for task in tasks:
                task.result()
        return [receipts[place] for place in range(len(arrivals))]

    async def quarantine(self, arrivals: Sequence[Arrival], error: PermanentError) -> list[Receipt]:
        """Quarantine what is `retry`, for senders that do not. Raises `StoreUnavailable`."""
        return await self._keep(arrivals, [error] * len(arrivals))

    def _units(self, arrivals: Sequence[Arrival]) -> list[_Unit]:
        """Each valid event by itself, and all malformed or invalid ones of a delivery together: the
        delivery is quarantined whole, so only once."""
        units: list[_Unit] = []
        invalid: dict[int, _Unit] = {}
        for place, arrival in enumerate(arrivals):
            try:
                if isinstance(arrival.item, Malformed):
                    raise arrival.item.error
                event = self._validation.validate(arrival.item)
                units.append(_Unit([arrival], [place], event=event))
            except InvalidEvent as error:
                if id(arrival.delivery) not in invalid:
                    invalid[id(arrival.delivery)] = _Unit()
                    units.append(invalid[id(arrival.delivery)])
                unit = invalid[id(arrival.delivery)]
                unit.arrivals.append(arrival)
                unit.places.append(place)
                unit.errors.append(error)
            except PermanentError as error:
                units.append(_Unit([arrival], [place], errors=[error]))
            except TidegateError as error:
                units.append(_Unit([arrival], [place], fault=error))
        return units

    async def _settle_in_time(self, unit: _Unit, deadline: float | None) -> list[Receipt]:
        limit = asyncio.timeout_at(deadline)
        try:
            async with limit, self._slots:
                return await self._settle(unit)
        except TidegateError as error:  # a transient fault or a misconfiguration
            reason = str(error)
            return [
                _receipt(arrival, Verdict.RETRY, code=error.code, reason=reason)
                for arrival in unit.arrivals
            ]
        except TimeoutError:
            if not limit.expired():
                raise
            return [_out_of_time(arrival) for arrival in unit.arrivals]

    async def _settle(self, unit: _Unit) -> list[Receipt]:
        if unit.fault:
            raise unit.fault
        if unit.event is None:
            return await self._keep(unit.arrivals, unit.errors)
        [arrival] = unit.arrivals
        try:
            start = await self._starter.start(unit.event)
        except PermanentError as error:
            return await self._keep([arrival], [error])
        verdict = Verdict.STARTED if start.new else Verdict.DUPLICATE
        return [_receipt(arrival, verdict, run_id=start.run_id)]

    async def _keep(
        self, arrivals: Sequence[Arrival], errors: Sequence[PermanentError]
    ) -> list[Receipt]:
        uri = await self._quarantine.keep(arrivals[0], _all_in_one(errors))
        return [
            _receipt(
                arrival,
                Verdict.QUARANTINED,
                code=error.code,
                reason=str(error),
                quarantine_uri=uri,
            )
            for arrival, error in zip(arrivals, errors, strict=True)
        ]


@dataclass(slots=True)
class _Unit:
    """Arrivals that are settled as one, with their places: an `event` to start, or the `errors` for
    which their delivery is quarantined, or the `fault` for which it must be redelivered."""

    arrivals: list[Arrival] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    event: Event | None = None
    errors: list[PermanentError] = field(default_factory=list)
    fault: TidegateError | None = None


def _all_in_one(errors: Sequence[PermanentError]) -> PermanentError:
    """The only error, or the first one's kind with a summary of all."""
    if len(errors) == 1:
        return errors[0]
    quoted = "; ".join(error.message for error in errors[:_MAX_QUOTED])
    more = f"; and {len(errors) - _MAX_QUOTED:,} more" if len(errors) > _MAX_QUOTED else ""
    message = f"{len(errors):,} of its records cannot be accepted: {quoted}{more}"
    return type(errors[0])(message, fix=errors[0].fix)


def _out_of_time(arrival: Arrival) -> Receipt:
    return _receipt(
        arrival,
        Verdict.RETRY,
        code="OutOfTime",
        reason=(
            "out of time: is Temporal slow, or the quarantine's store (`tidegate doctor`)? If not, "
            "raise the function's timeout or make its batches smaller"
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
        unidentified=event.unidentified if event else False,
        code=code,
        reason=reason,
        quarantine_uri=quarantine_uri,
        time=event.time if event else None,
    )
