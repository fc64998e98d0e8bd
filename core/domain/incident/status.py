"""Where an incident stands, for whoever needs no more of it."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Status(StrEnum):
    """Where an incident stands.

    `new` lasts only while its first event is being read, `pending` while its alerts are held back
    because they may resolve by themselves.
    """

    NEW = "new"
    PENDING = "pending"
    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    MITIGATED = "mitigated"
    RESOLVED = "resolved"
    CLOSED = "closed"


UNRESOLVED: Final = (Status.OPEN, Status.ACKNOWLEDGED, Status.MITIGATED)


class CloseReason(StrEnum):
    """What an incident turned out to be."""

    RESOLVED = "resolved"
    FALSE_ALARM = "false_alarm"
    DUPLICATE = "duplicate"
    CANCELLED = "cancelled"
