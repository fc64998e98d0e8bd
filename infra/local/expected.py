"""What the stack's listeners will read from what is sent, and which workflow each event is for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from core import bootstrap
from core.adapters.temporal.run_state import RunState
from core.config.settings import Settings
from core.domain.event import Event
from core.formats.registry import USERS_OWN, read
from core.formats.shared.delivery import Delivery, Malformed, shared_scope, way_headers
from core.formats.shared.queue_format import QueueFormat
from core.formats.shared.times import format_time
from core.intake.receipts import Receipt, Verdict
from core.webhooks.decode import Decoded, Refused, decode
from core.webhooks.endpoints import Endpoint
from core.webhooks.request import Request

ANY: Final = "VERSION"
"""Stands for what the cloud will call it: the version of an upload, or the ID of a message."""


def format_of_queue(queue: str, settings: Settings) -> QueueFormat:
    """The format of a queue's messages, by TIDEGATE_QUEUE_FORMATS."""
    return bootstrap.format_of_queue(settings, queue, USERS_OWN)


def expected_of(
    body: str, queue: str, carrier: Mapping[str, str], read_as: QueueFormat, settings: Settings
) -> list[Event | Malformed]:
    """What the listener will read from a message; `carrier` are the headers by which the queue
    identifies it."""
    headers = {**carrier} | way_headers(
        f"queue:{queue}",
        scope=shared_scope(settings.queue_scope),
        trusted=settings.trusted_types,
    )
    delivery = Delivery(
        format=read_as.format,
        body=body.encode(),
        headers={**headers, **read_as.headers(format_time(datetime.now(UTC)))},
        unique=ANY,
        mapping=read_as.mapping,
    )
    return [arrival.item for arrival in read(delivery)]


def items_of(request: Request, hook: str, endpoint: Endpoint) -> list[Event | Malformed]:
    """What the listener will read from a request."""
    try:
        decoded = decode(request, hook, endpoint, datetime.now(UTC))
    except Refused:  # as the answer will say
        return []
    return [each.item for each in decoded.arrivals] if isinstance(decoded, Decoded) else []


@dataclass(frozen=True, slots=True)
class Expected:
    """The workflow that one event is for: its ID, or what that begins with, and how it was before.
    An event that cannot be read, or is `dropped`, has none."""

    item: Event | Malformed
    id: str = ""
    beginning: bool = False
    signalled: bool = False
    dropped: bool = False
    before: RunState | None = None

    def verdict(self, now: RunState) -> Verdict | None:
        """What the workflow says about the event; None if nothing yet."""
        before = self.before
        if before is None or now.run_id != before.run_id:
            return Verdict.STARTED
        if self.signalled:
            return Verdict.DELIVERED if now.events > before.events else None
        # An ID of the event's own is taken again only after a failure.
        return Verdict.DUPLICATE if before.ended in (None, "completed") else None


def once_started(expected: Sequence[Expected], found: Sequence[Receipt | None]) -> list[Receipt]:
    """The receipts that there are. Of several events for one workflow the first alone started it:
    a signal delivers the others, and without one they are duplicates."""
    receipts: list[Receipt] = []
    started: set[str | None] = set()
    for each, receipt in zip(expected, found, strict=True):
        if receipt is None:
            continue
        verdict = receipt.verdict
        if verdict is Verdict.STARTED and receipt.workflow_id in started:
            verdict = Verdict.DELIVERED if each.signalled else Verdict.DUPLICATE
        elif verdict is Verdict.STARTED:
            started.add(receipt.workflow_id)
        receipts.append(replace(receipt, verdict=verdict))
    return receipts
