"""What a function reports: a receipt per event in the log, and metrics with the same names as on
AWS.

Log records of this package's logger carry their receipt in the attribute `receipt`. Where
APPLICATIONINSIGHTS_CONNECTION_STRING is set, metrics and structured log records go to Azure
Monitor; otherwise no telemetry library is loaded.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from functools import cache
from typing import Any, Final, Protocol

from core.domain.printable import printable_line
from core.formats.shared.delivery import Arrival, Delivery
from core.intake.receipts import DELIVERY_COUNT, EVENT_AGE, METRICS, REFUSED, Receipt, shown

logger = logging.getLogger("functions_azure")

_DELIVERY_HEADERS: Final = (
    "message-id",
    "queue",
    "delivery-count",
    "dead-letter-reason",
    "dead-letter-error-description",
)
"""Headers that are logged with a receipt."""


class Meter(Protocol):
    """Where metrics go."""

    def count(self, name: str, value: int) -> None: ...

    def observe(self, name: str, value: float, attributes: Mapping[str, str]) -> None: ...


class _NoMeter:
    """Drops everything."""

    def count(self, name: str, value: int) -> None:
        pass

    def observe(self, name: str, value: float, attributes: Mapping[str, str]) -> None:
        pass


@cache
def meter() -> Meter:
    """The process's meter. The first call, while the app loads, also connects the log."""
    if connection := os.environ.get("APPLICATIONINSIGHTS_CONNECTION_STRING", "").strip():
        from functions_azure import azure_monitor

        try:
            return azure_monitor.start(connection, logger)
        except ValueError:  # events matter more than telemetry; the error may quote the string
            logger.error("APPLICATIONINSIGHTS_CONNECTION_STRING is not a connection string")
    return _NoMeter()


def record(arrival: Arrival, receipt: Receipt) -> None:
    """Count one receipt and log it, as a warning where it needs attention."""
    meter().count(METRICS[receipt.verdict], 1)
    if (age := receipt.age()) is not None:
        meter().observe(EVENT_AGE, age, {})
    line = {**receipt.to_json(), **_logged_headers(arrival.delivery)}
    if receipt.accepted:
        about = printable_line(receipt.key or "")
        logger.info("event %s: %s", receipt.verdict, about, extra={"receipt": line})
    else:
        about = printable_line(receipt.reason or "")  # or its line breaks would forge lines
        logger.warning("event %s: %s", receipt.verdict, about, extra={"receipt": line})


def record_empty(delivery: Delivery) -> None:
    """Log a delivery without events, such as one about a subscription; it is settled."""
    logger.info("delivery without events", extra={"receipt": _logged_headers(delivery)})


def record_delivery(delivery: Delivery) -> None:
    """Record the delivery count of a message, and why it was dead-lettered, if it was."""
    headers = delivery.headers
    if count := headers.get("delivery-count"):
        reason = headers.get("dead-letter-reason")
        attributes = {"queue": headers["queue"]}
        if reason:
            attributes["dead_letter_reason"] = reason[:64]
        meter().observe(DELIVERY_COUNT, float(count), attributes)


def record_request(*, hook: str | None, code: str | None, status: int) -> None:
    """Count a request, with the `code` of the problem when it was refused as a whole."""
    meter().count(REFUSED, int(code is not None))
    if code:
        line = {"hook": hook, "code": code, "status": status}
        logger.warning("request refused", extra={"request": line})


def _logged_headers(delivery: Delivery) -> dict[str, Any]:
    headers = delivery.headers
    return {
        name.replace("-", "_"): shown(headers[name])
        for name in _DELIVERY_HEADERS
        if name in headers
    }
