"""Reads the quarantine of a test's settings."""

from __future__ import annotations

from core import bootstrap
from core.config.settings import Settings
from core.intake.quarantine import QuarantinedDelivery


async def kept(settings: Settings) -> list[QuarantinedDelivery]:
    """All records."""
    return [record async for record in bootstrap.quarantine(settings).records()]
