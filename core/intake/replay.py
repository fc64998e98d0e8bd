"""Replay: a quarantined delivery, or one item, goes through its format and the intake again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from core.errors import DocumentNotFound
from core.formats.registry import read
from core.formats.shared.delivery import Arrival, Delivery
from core.intake.accept import Intake
from core.intake.quarantine import Quarantine
from core.intake.receipts import Receipt
from core.intake.records import QuarantinedDelivery

if TYPE_CHECKING:
    from core.formats.mapping.mapping import AlertMapping

MappingOf: TypeAlias = "Callable[[Delivery], AlertMapping | None]"
"""Returns the mapping of a delivery's sender as it is now."""


def items_of(record: QuarantinedDelivery, *, mapping_of: MappingOf) -> dict[int, Arrival]:
    """What the original holds, as it is read now, by number: the first is 1."""
    delivery = record.delivery()
    return dict(enumerate(read(replace(delivery, mapping=mapping_of(delivery))), 1))


def chosen(
    record: QuarantinedDelivery, items: Mapping[int, Arrival], item: int | None
) -> Mapping[int, Arrival]:
    """All items, or only the one with this number. Raises `DocumentNotFound` if there is none."""
    if item is None:
        return items
    if item not in items:
        raise DocumentNotFound(
            f"quarantine record {record.handle} has no item {item:,}: it has {len(items):,}",
            fix=f"`tidegate quarantine show {record.handle}` numbers them",
        )
    return {item: items[item]}


async def replay(
    quarantine: Quarantine,
    intake: Intake,
    id: str,
    *,
    mapping_of: MappingOf,
    item: int | None = None,
) -> list[Receipt]:
    """One receipt per event of the delivery, or the one of its `item`, a number from 1. A note
    beside the record keeps them, and settles it when all its items were started.

    Raises `DocumentNotFound` if there is no such record or item. What cannot start now is `retry`;
    what still cannot work is quarantined again, in the same place.
    """
    record = await quarantine.get(id)
    # In a thread: it may be large, and whoever replays it may have others to answer.
    items = await asyncio.to_thread(items_of, record, mapping_of=mapping_of)
    replayed = chosen(record, items, item)
    receipts = await intake.accept(list(replayed.values()))
    numbered = dict(zip(replayed, receipts, strict=True))
    await quarantine.note_replay(record, numbered, items=len(items))
    return receipts
