"""Replays of many records: one after another, at a rate, with what becomes of each."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

from core import bootstrap
from core.config.settings import Settings
from core.errors import DocumentNotFound, TidegateError, TransientError
from core.intake.accept import Intake
from core.intake.quarantine import Quarantine
from core.intake.receipts import Receipt
from core.intake.records import QuarantineRecord
from core.intake.replay import MappingOf, chosen, items_of, replay
from core.operations.outcome import Outcome, Result, follow, of_receipt

if TYPE_CHECKING:
    from temporalio.client import Client

    from core.operations.explain import Explanation

_FOLLOWED: Final = 4
"""Records that are followed at a time, each with all its events."""
_BACKLOG: Final = 1000
"""Records that may wait for that before no more are sent."""


def mapping_by(settings: Settings) -> MappingOf:
    """The mappings of senders as the settings have them."""
    return partial(bootstrap.mapping_of, settings=settings)


class Follower(Protocol):
    """Says what became of events by their receipts, waiting for at most `timeout` seconds."""

    def __call__(
        self, receipts: Sequence[Receipt], *, timeout: float
    ) -> Awaitable[list[Outcome]]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What became of a record's events, by number. Without any receipt it was not replayed, for the
    reason in its only outcome."""

    record: QuarantineRecord
    receipts: Mapping[int, Receipt]
    outcomes: Mapping[int, Outcome]


async def replay_records(
    quarantine: Quarantine,
    intake: Intake,
    records: Sequence[QuarantineRecord],
    *,
    mapping_of: MappingOf,
    follower: Follower,
    timeout: float,
    item: int | None = None,
    rate: float | None = None,
    report: Callable[[Replayed], None],
    sent: Callable[[QuarantineRecord], None] = lambda record: None,
) -> None:
    """Replay the records in order, or the one `item` of each. `sent` is called when one has been
    replayed, and `report` when it is known what became of it, up to `timeout` seconds later.

    `rate` is in events a second, on average: a record's events go together. A cancellation first
    waits for the record that is being replayed. Raises `DocumentNotFound` for an item that is not
    there, and what the store or the settings raise once all that was sent is reported; a record
    that was deleted meanwhile is reported.
    """
    loop = asyncio.get_running_loop()
    turns, backlog = asyncio.Semaphore(_FOLLOWED), asyncio.Semaphore(_BACKLOG)
    following: set[asyncio.Task[None]] = set()

    async def send(record: QuarantineRecord) -> int:
        try:
            receipts = await replay(quarantine, intake, record.id, mapping_of=mapping_of, item=item)
        except DocumentNotFound as error:
            if item is not None:
                raise
            gone = Outcome(result=Result.REFUSED, code=error.code, reason=error.message)
            report(Replayed(record=record, receipts={}, outcomes={1: gone}))
            backlog.release()
            return 0
        sent(record)
        numbered = dict(enumerate(receipts, item or 1))
        task = loop.create_task(report_on(record, numbered, loop.time() + timeout))
        following.add(task)
        task.add_done_callback(following.discard)
        return len(receipts)

    async def report_on(
        record: QuarantineRecord, receipts: Mapping[int, Receipt], deadline: float
    ) -> None:
        async with turns:
            left = max(deadline - loop.time(), 0)
            outcomes = await follower(list(receipts.values()), timeout=left)
        backlog.release()
        by_number = dict(zip(receipts, outcomes, strict=True))
        report(Replayed(record=record, receipts=receipts, outcomes=by_number))

    async def send_all() -> None:
        due = loop.time()
        for record in records:
            await asyncio.sleep(max(due - loop.time(), 0))
            await backlog.acquire()  # not within what a cancellation waits for
            count = await _to_its_end(send(record))
            if rate is not None:
                due = loop.time() + count / rate

    try:
        try:
            await send_all()
        except TidegateError:
            await asyncio.gather(*following)
            raise
        await asyncio.gather(*following)
    finally:
        for task in following:
            task.cancel()
        await asyncio.gather(*following, return_exceptions=True)


async def _to_its_end(work: Coroutine[Any, Any, int]) -> int:
    """The result of work that a cancellation does not interrupt."""
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        task.exception()  # seen, or asyncio would log it as one that nobody has
        raise


async def replay_one(
    quarantine: Quarantine,
    intake: Intake,
    record: QuarantineRecord,
    *,
    settings: Settings,
    client: Client,
    item: int | None,
    timeout: float,
) -> Replayed:
    """Replay a record, or one `item` of it, and wait up to `timeout` seconds for what becomes of
    its events. A cancellation does not interrupt the replay itself. Raises as `replay_records`."""
    work = asyncio.create_task(
        replay(quarantine, intake, record.id, mapping_of=mapping_by(settings), item=item)
    )
    _under_way.add(work)
    work.add_done_callback(_ended)
    deadline = asyncio.get_running_loop().time() + timeout
    receipts = dict(enumerate(await asyncio.shield(work), item or 1))
    left = max(deadline - asyncio.get_running_loop().time(), 0)
    outcomes = await follow(client, list(receipts.values()), timeout=left)
    by_number = dict(zip(receipts, outcomes, strict=True))
    return Replayed(record=record, receipts=receipts, outcomes=by_number)


_under_way: Final[set[asyncio.Task[list[Receipt]]]] = set()
"""Replays under way, which somebody may no longer wait for."""


def _ended(work: asyncio.Task[list[Receipt]]) -> None:
    _under_way.discard(work)
    if not work.cancelled():
        work.exception()  # seen, or asyncio would log it as one that nobody has


def waiting(settings: Settings) -> Follower:
    """Waits for what becomes of events; it connects to Temporal when there is one to wait for."""
    clients: list[Client] = []

    async def wait(receipts: Sequence[Receipt], *, timeout: float) -> list[Outcome]:
        if not any(receipt.workflow_id for receipt in receipts):
            return await receipts_alone(receipts, timeout=timeout)
        try:
            if not clients:
                clients.append(await bootstrap.connect(settings))
        except TransientError as error:
            return [_unknown(receipt, error) for receipt in receipts]
        return await follow(clients[0], receipts, timeout=timeout)

    return wait


async def receipts_alone(receipts: Sequence[Receipt], *, timeout: float) -> list[Outcome]:
    """What receipts alone say: nothing of what a workflow makes of an event later."""
    return [of_receipt(receipt) for receipt in receipts]


def _unknown(receipt: Receipt, error: TransientError) -> Outcome:
    outcome = of_receipt(receipt)
    if receipt.workflow_id is None:
        return outcome
    return replace(outcome, result=Result.UNKNOWN, code=error.code, reason=error.message)


async def explain_record(
    quarantine: Quarantine,
    record: QuarantineRecord,
    settings: Settings,
    *,
    mapping_of: MappingOf,
    item: int | None = None,
) -> dict[int, Explanation]:
    """What would become of a record's events, or of its `item`, by today's mapping and routes.
    Raises `DocumentNotFound`, or `ConfigFileError` for the routing table."""
    from core.operations.explain import explain_arrivals

    original = await quarantine.get(record.id)
    items = chosen(original, items_of(original, mapping_of=mapping_of), item)
    explanations = explain_arrivals(items.values(), settings)
    return dict(zip(items, explanations, strict=True))
