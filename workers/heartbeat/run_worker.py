"""What the incident worker serves of heartbeats."""

from __future__ import annotations

from core.config.settings import Settings
from core.domain.oncall.file import OnCallFile
from workers.runtime.process import Part


def part(settings: Settings, oncall: OnCallFile) -> Part:
    """Raises `ConfigurationError` when something that it needs is missing or invalid."""
    return Part(workflows=[], activities=[])
