"""Reads the quarantine of a test's settings."""

from __future__ import annotations

from core import bootstrap
from core.config.settings import Settings
from core.formats.shared.delivery import Delivery
from core.intake.quarantine import Quarantine
from core.intake.records import QuarantinedDelivery


async def kept(settings: Settings) -> list[QuarantinedDelivery]:
    """All records, with their originals."""
    return await originals(bootstrap.quarantine(settings))


async def originals(quarantine: Quarantine) -> list[QuarantinedDelivery]:
    """The same of a quarantine."""
    return [await quarantine.get(record.id) async for record in quarantine.records()]


def no_mapping(delivery: Delivery) -> None:
    """The mapping of a delivery's sender, for replays of what needs none."""
