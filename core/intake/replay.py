"""Replay: a quarantined delivery goes through its format and the intake again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from core.formats.registry import read
from core.formats.shared.delivery import Delivery
from core.intake.accept import Intake
from core.intake.quarantine import Quarantine
from core.intake.receipts import Receipt

if TYPE_CHECKING:
    from core.formats.mapping.mapping import AlertMapping


async def replay(
    quarantine: Quarantine,
    intake: Intake,
    id: str,
    *,
    mapping_of: Callable[[Delivery], AlertMapping | None],
) -> list[Receipt]:
    """One receipt per event of the delivery. A note beside the record keeps them, and settles it if
    all its events were started. `mapping_of` returns the mapping of a delivery's sender as it is
    now.

    Raises `DocumentNotFound` if there is no such record. What cannot start now is `retry`; what
    still cannot work is quarantined again, in the same place.
    """
    record = await quarantine.get(id)
    delivery = record.delivery()
    delivery = replace(delivery, mapping=mapping_of(delivery))
    receipts = await intake.accept(read(delivery))
    await quarantine.note_replay(record, receipts)
    return receipts
