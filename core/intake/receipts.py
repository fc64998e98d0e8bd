"""Receipts: the outcome of each event. A listener turns them into its platform's answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from core.domain.event import parse_time
from core.domain.handles import handle_of
from core.domain.text import shortened
from core.errors import NotAccepted


class Verdict(StrEnum):
    """What can become of an event. All but `RETRY` settle it.

    `DELIVERED` means that a running workflow has it; Temporal does not say whether it had it
    before; `DROPPED` that no route takes it, and that the routing table drops what none takes.
    """

    STARTED = "started"
    DELIVERED = "delivered"
    DUPLICATE = "duplicate"
    DROPPED = "dropped"
    QUARANTINED = "quarantined"
    RETRY = "retry"


METRICS: Final = {
    Verdict.STARTED: "Accepted",
    Verdict.DELIVERED: "Delivered",
    Verdict.DUPLICATE: "Duplicate",
    Verdict.DROPPED: "Dropped",
    Verdict.QUARANTINED: "Quarantined",
    Verdict.RETRY: "Retried",
}
"""The metric that counts each verdict, on every platform."""
REFUSED: Final = "Refused"
"""Metric: requests that were refused as a whole, verified or not."""
EVENT_AGE: Final = "EventAge"
"""Metric: milliseconds from the event's own time to its receipt."""
DELIVERY_COUNT: Final = "DeliveryCount"
"""Metric: which delivery of its message an invocation is; 1 is the first."""


MAX_SHOWN: Final = 500
"""Most characters of what a sender names that receipts and logs show."""


def shown(name: str) -> str:
    """A sender's name for something, as receipts and logs show it."""
    return shortened(name, MAX_SHOWN)


def record_id(uri: str) -> str:
    """The ID of the quarantine record at a URI."""
    return uri.rpartition("/")[2].removesuffix(".json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The outcome of one event.

    `unidentified` means that a redelivery of it cannot be recognised. `code` and `reason` say why
    it was quarantined (at `quarantine_uri`) or must be redelivered. `time` is the event's own.
    """

    verdict: Verdict
    event_id: str | None = None
    key: str | None = None
    workflow_id: str | None = None
    run_id: str | None = None
    unidentified: bool = False
    code: str | None = None
    reason: str | None = None
    quarantine_uri: str | None = None
    time: str | None = None

    @property
    def settled(self) -> bool:
        """Whether the platform may forget the event."""
        return self.verdict is not Verdict.RETRY

    @property
    def accepted(self) -> bool:
        """Whether nobody has to do anything about the event: a workflow has it, or it is dropped as
        the routing table says. A listener warns of any other."""
        match self.verdict:
            case Verdict.STARTED | Verdict.DELIVERED | Verdict.DUPLICATE | Verdict.DROPPED:
                return True
            case Verdict.QUARANTINED | Verdict.RETRY:
                return False

    @property
    def quarantine_handle(self) -> str | None:
        """The handle of the record that it was quarantined as, which commands take."""
        return handle_of(record_id(self.quarantine_uri)) if self.quarantine_uri else None

    def age(self) -> float | None:
        """Milliseconds since the event's own time; None without a valid one."""
        if self.time is None:
            return None
        try:
            passed = datetime.now(UTC) - parse_time(self.time)
        except (ValueError, OverflowError):
            return None
        return max(passed.total_seconds() * 1000, 0.0)

    def to_json(self) -> dict[str, Any]:
        """The fields that are set, as a JSON object."""
        names = (*self.__slots__, "quarantine_handle")
        values = {name: getattr(self, name) for name in names}
        present = {name: value for name, value in values.items() if value not in (None, False)}
        return {**present, "verdict": self.verdict.value}


def require_settled(receipts: Sequence[Receipt]) -> None:
    """Raises `NotAccepted` unless the platform may forget the whole delivery."""
    if unsettled := [receipt for receipt in receipts if not receipt.settled]:
        raise NotAccepted(
            f"{len(unsettled)} of {len(receipts)} events not accepted: {unsettled[0].reason}"
        )
