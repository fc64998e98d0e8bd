"""Receipts: what became of each event. A listener turns them into its platform's answer."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    """The four things that can become of an event. All but `RETRY` settle it."""

    STARTED = "started"
    DUPLICATE = "duplicate"
    QUARANTINED = "quarantined"
    RETRY = "retry"


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What became of one event.

    `fresh` says that a redelivery of it could not be recognised. `code` and `reason` say why it was
    quarantined (`quarantine_uri` says where) or must be delivered again. `time` is the event's own.
    """

    verdict: Verdict
    event_id: str | None = None
    key: str | None = None
    workflow_id: str | None = None
    run_id: str | None = None
    fresh: bool = False
    code: str | None = None
    reason: str | None = None
    quarantine_uri: str | None = None
    time: str | None = None

    @property
    def settled(self) -> bool:
        """Whether the platform may forget the event."""
        return self.verdict is not Verdict.RETRY

    def to_json(self) -> dict[str, Any]:
        """The fields that are known, as a JSON object."""
        values = {name: getattr(self, name) for name in self.__slots__}
        known = {name: value for name, value in values.items() if value not in (None, False)}
        return {**known, "verdict": self.verdict.value}
