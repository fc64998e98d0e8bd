"""Replay: a quarantined delivery goes through its format and the intake again."""

from __future__ import annotations

from core.formats.registry import read
from core.intake.accept import Intake
from core.intake.quarantine import Quarantine
from core.intake.receipts import Receipt


async def replay(quarantine: Quarantine, intake: Intake, id: str) -> list[Receipt]:
    """One receipt per event of the delivery. A note beside the record keeps them, and settles it if
    all its events were started.

    Raises `DocumentNotFound` if there is no such record. What cannot start now is `retry`; what
    still cannot work is quarantined again, in the same place.
    """
    record = await quarantine.get(id)
    receipts = await intake.accept(read(record.delivery()))
    await quarantine.note_replay(record, receipts)
    return receipts
