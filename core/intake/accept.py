"""The intake: the one use case that every listener calls. Arrivals in, receipts out.

It makes at most one call per event. The routing table says which: a start of the root orchestrator,
a start of the workflow itself, or a signal to the workflow of the event's key. What can never work
goes to quarantine, what may work later is to be redelivered, and nothing is settled before it is in
a workflow or in quarantine.

Events for one workflow go one after another in their order, as a lane; lanes go concurrently. After
an event that must be redelivered the rest of its lane must be, too, so that a redelivery goes on
where this one stopped. Calls are bounded, and go in turns by the way in, so that a delivery of ten
thousand alerts does not make another sender's one alert wait.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from core.domain.event import Event, encode
from core.domain.routing.table import Deliver, Target, WorkflowRouter
from core.domain.signalled import EVENTS_BYTES, check_arguments, signalled
from core.domain.smoke import is_smoke
from core.domain.validation import EventValidationService
from core.errors import NoRoute, PermanentError, TidegateError, Unwanted
from core.formats.shared.delivery import WAY_HEADER, Arrival, Malformed, carrier_id
from core.intake.quarantine import Quarantine
from core.intake.receipts import Receipt, Verdict, shown
from core.intake.turns import Turns
from core.ports.workflows import Outcome, Sent, Workflows

_MAX_QUOTED: Final = 5
"""Most errors of one delivery that its quarantine record quotes."""
_VERDICTS: Final = {
    Outcome.STARTED: Verdict.STARTED,
    Outcome.DUPLICATE: Verdict.DUPLICATE,
    Outcome.DELIVERED: Verdict.DELIVERED,
}


class Intake:
    """Accepts arrivals, with at most `concurrency` calls in flight."""

    def __init__(
        self,
        *,
        workflows: Workflows,
        router: WorkflowRouter,
        quarantine: Quarantine,
        validation: EventValidationService,
        concurrency: int = 100,
    ) -> None:
        self._workflows = workflows
        self._router = router
        self._quarantine = quarantine
        self._validation = validation
        self._concurrency = concurrency
        self._turns = Turns(concurrency)

    async def accept(
        self,
        arrivals: Sequence[Arrival],
        *,
        time_left: float | None = None,
        report: Callable[[Arrival, Receipt], None] | None = None,
        behind: dict[str, Receipt] | None = None,
    ) -> list[Receipt]:
        """One receipt per arrival, in order. `report` is called with each as soon as it is known,
        while others are still in flight.

        `behind` is for a batch that is accepted in parts: by the ID of each workflow whose signals
        an earlier part could not deliver, the first receipt that says so. Every part adds its own.

        `time_left` is in seconds: what is unfinished then is `retry`. A call that timed out may
        have succeeded; then a redelivery starts nothing, and the run ignores a repeated signal.
        """
        receipts: dict[int, Receipt] = {}

        async def settle(lane: Sequence[_Unit]) -> None:
            id = lane[0].target.id if lane[0].target and lane[0].wires else None
            first = undelivered.get(id) if id else None
            for unit in lane:
                settled = (
                    [_behind(arrival, first) for arrival in unit.arrivals]
                    if first
                    else await self._settle_in_time(unit, deadline)
                )
                for place, receipt in zip(unit.places, settled, strict=True):
                    receipts[place] = receipt
                    if report:
                        report(arrivals[place], receipt)
                first = first or next((each for each in settled if not each.settled), None)
            if id and first:
                undelivered[id] = first

        undelivered = {} if behind is None else behind
        deadline = None if time_left is None else asyncio.get_running_loop().time() + time_left
        lanes = self._lanes(arrivals)
        if deadline is not None and len(lanes) > self._concurrency:
            # A batch too large for the time would else begin with the same ones whenever it comes.
            random.shuffle(lanes)
        if len(lanes) == 1:  # as most are: it needs no task of its own
            await settle(lanes[0])
        elif lanes:
            rest = iter(lanes)

            async def settle_rest() -> None:
                for lane in rest:
                    await settle(lane)

            # No more tasks than calls may be in flight: one for each lane would take memory.
            count = min(len(lanes), self._concurrency)
            tasks = [asyncio.create_task(settle_rest()) for _ in range(count)]
            await asyncio.wait(tasks)
            for task in tasks:
                task.result()
        return [receipts[place] for place in range(len(arrivals))]

    async def quarantine(self, arrivals: Sequence[Arrival], error: PermanentError) -> list[Receipt]:
        """Quarantine what is `retry`, for senders that do not. Raises `StoreUnavailable`."""
        return await self._keep(arrivals, [error] * len(arrivals))

    def _lanes(self, arrivals: Sequence[Arrival]) -> list[list[_Unit]]:
        """What is settled concurrently: each workflow's units, in order. All of a delivery that is
        refused is one unit: the delivery is kept whole, so it is kept once."""
        lanes: list[list[_Unit]] = []
        signals: dict[str, list[_Unit]] = {}
        invalid: dict[int, _Unit] = {}
        for place, arrival in enumerate(arrivals):
            try:
                if isinstance(arrival.item, Malformed):
                    raise arrival.item.error
                event = arrival.item
                target = self._target(event)
                wire = checked(event, target, self._validation)
                if target is None or wire is None:
                    lanes.append([_Unit([arrival], [place], event=event, target=target)])
                    continue
                if target.id not in signals:
                    lanes.append(signals.setdefault(target.id, []))
                _add(signals[target.id], arrival, place, target, wire)
            except Unwanted as error:
                lanes.append([_Unit([arrival], [place], unwanted=error)])
            except PermanentError as error:
                if id(arrival.delivery) not in invalid:
                    invalid[id(arrival.delivery)] = _Unit()
                    lanes.append([invalid[id(arrival.delivery)]])
                unit = invalid[id(arrival.delivery)]
                unit.arrivals.append(arrival)
                unit.places.append(place)
                unit.errors.append(error)
            except TidegateError as error:
                lanes.append([_Unit([arrival], [place], fault=error)])
        return lanes

    def _target(self, event: Event) -> Target | None:
        """The event's target; None where the table has no route for it. The orchestrator decides
        then: its table may be newer, and otherwise it quarantines the event, which its sender can
        do nothing about. None for a smoke event, too, which no table has a say in."""
        if is_smoke(event.key):
            return None
        try:
            return self._router.target(event)
        except NoRoute:
            return None

    async def _settle_in_time(self, unit: _Unit, deadline: float | None) -> list[Receipt]:
        if deadline is not None and asyncio.get_running_loop().time() >= deadline:
            return [_out_of_time(arrival) for arrival in unit.arrivals]
        limit = asyncio.timeout_at(deadline)
        way = unit.arrivals[0].delivery.headers.get(WAY_HEADER, "")
        try:
            async with limit, self._turns.take(way):
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
        if unit.unwanted:
            reason = unit.unwanted.message
            return [_receipt(each, Verdict.DROPPED, reason=reason) for each in unit.arrivals]
        if unit.errors:
            return await self._keep(unit.arrivals, unit.errors)
        try:
            sent = await self._send(unit)
        except PermanentError as error:
            return await self._keep(unit.arrivals, [error] * len(unit.arrivals))
        verdict = _VERDICTS[sent.outcome]
        receipts = [_receipt(arrival, verdict, sent=sent) for arrival in unit.arrivals]
        if verdict is Verdict.STARTED:  # the first of several events started it, the rest joined
            rest = [
                _receipt(arrival, Verdict.DELIVERED, sent=sent) for arrival in unit.arrivals[1:]
            ]
            return [receipts[0], *rest]
        return receipts

    async def _send(self, unit: _Unit) -> Sent:
        """The one call for a unit."""
        table = self._router.digest
        if unit.target and unit.wires:
            request_id = _request_id(unit.arrivals)
            return await self._workflows.signal(
                unit.wires, unit.target, request_id=request_id, table=table
            )
        assert unit.event is not None  # noqa: S101  # it has neither errors, a fault nor wires
        if unit.target and unit.target.deliver is Deliver.START:
            return await self._workflows.start(unit.event, unit.target, table=table)
        return await self._workflows.orchestrate(unit.event, table=table)

    async def _keep(
        self, arrivals: Sequence[Arrival], errors: Sequence[PermanentError]
    ) -> list[Receipt]:
        uri = await self._quarantine.keep(
            arrivals[0], _all_in_one(errors), alone=len(arrivals) == 1
        )
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


def checked(
    event: Event, target: Target | None, validation: EventValidationService
) -> dict[str, Any] | None:
    """What a signal to the target carries of a valid event; None where its delivery is another.

    Raises what `EventValidationService.validate` raises. A signal has its own bound, to which an
    alert of any size is cut: an outage is heard of, however large its labels are. Arguments that
    the route makes of the event are not: raises `InvalidInput` for those over the bound.
    """
    if target is None or target.deliver is not Deliver.SIGNAL:
        validation.validate(event)
        return None
    if target.input is not None:
        validation.validate(event)
        check_arguments(target.input, event.key)
        return event.to_wire()
    validation.validate_document(event)
    return signalled(event)


@dataclass(slots=True)
class _Unit:
    """Arrivals that are settled as one, with their places: an `event` for its target or `wires` to
    signal it with, or the `errors` for which their delivery is kept, or the `fault` for which it
    must be redelivered, or that it is `unwanted`."""

    arrivals: list[Arrival] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    target: Target | None = None
    event: Event | None = None
    wires: list[dict[str, Any]] = field(default_factory=list)
    size: int = 0
    """Bytes of the wires as one JSON list."""
    errors: list[PermanentError] = field(default_factory=list)
    fault: TidegateError | None = None
    unwanted: Unwanted | None = None


def _add(
    lane: list[_Unit], arrival: Arrival, place: int, target: Target, wire: dict[str, Any]
) -> None:
    """Put an event into the lane's last signal, or into a new one: a signal holds events of one
    delivery, and no more than a signal may carry. Where the route makes arguments of each event, it
    holds those of one."""
    size = EVENTS_BYTES if target.input is not None else len(encode(wire)) + len(",")
    last = lane[-1] if lane else None
    fits = last and last.size + size <= EVENTS_BYTES
    if not last or not fits or last.arrivals[0].delivery is not arrival.delivery:
        last = _Unit(target=target, size=len("[]") - len(","))
        lane.append(last)
    last.arrivals.append(arrival)
    last.places.append(place)
    last.wires.append(wire)
    last.size += size


def _request_id(arrivals: Sequence[Arrival]) -> str:
    """By what Temporal knows a signal to be the same one: the way, the carrier's ID of the delivery
    and the events' places and IDs in it, never the content, since a source may say the same thing
    twice and mean it. All places: a redelivery that is divided otherwise, as after an upgrade, is
    another signal, and repeats something rather than losing it. IDs as well as places: a replay by
    a corrected mapping may find another event where one was. A digest of 64 characters, which is
    what every store of Temporal's can hold."""
    first = arrivals[0]
    way = first.delivery.headers.get(WAY_HEADER)
    events = [
        (arrival.position, arrival.item.id)
        for arrival in arrivals
        if isinstance(arrival.item, Event)
    ]
    text = json.dumps([way, first.envelope_id or carrier_id(first.delivery), events])
    return hashlib.sha256(text.encode()).hexdigest()


def _behind(arrival: Arrival, first: Receipt) -> Receipt:
    return _receipt(
        arrival,
        Verdict.RETRY,
        code=first.code,
        reason=f"an earlier event for the same workflow must be delivered first: {first.reason}",
    )


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
    sent: Sent | None = None,
    code: str | None = None,
    reason: str | None = None,
    quarantine_uri: str | None = None,
) -> Receipt:
    event = arrival.item if isinstance(arrival.item, Event) else None
    return Receipt(
        verdict=verdict,
        event_id=shown(event.id) if event else None,
        key=shown(event.key) if event else None,
        workflow_id=sent.workflow_id if sent else None,
        run_id=sent.run_id if sent else None,
        unidentified=event.unidentified if event else False,
        code=code,
        reason=reason,
        quarantine_uri=quarantine_uri,
        time=event.time if event else None,
    )
