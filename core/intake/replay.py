"""Replay: a quarantined original goes through the same format and the same intake once more."""

from __future__ import annotations

from core.formats.registry import read
from core.intake.accept import Intake
from core.intake.quarantine import Quarantine
from core.intake.receipts import Receipt


async def replay(quarantine: Quarantine, intake: Intake, id: str) -> list[Receipt]:
    """One receipt per event of the original. A note stays beside the record, and settles it when
    all of it was started.

    Raises `DocumentNotFound` when there is no such record. What cannot be started now comes back as
    `retry`; what still cannot work is in quarantine already.
    """
    record = await quarantine.get(id)
    receipts = await intake.accept(read(record.delivery()))
    await quarantine.note_replay(record, receipts)
    return receipts
