"""Severity: five words, and what becomes of a sixth.

A report with a severity nobody knows must still wake somebody, so it is never refused for it: it
counts as `DEFAULT`, and the timeline says that it was assumed.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Severity(StrEnum):
    """How bad it is, worst first."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"


DEFAULT: Final = Severity.MEDIUM


def severity_of(given: str | None) -> Severity | None:
    """The severity that a text means, in any case and with blanks around it; None for another."""
    try:
        return Severity((given or "").strip().lower())
    except ValueError:
        return None
