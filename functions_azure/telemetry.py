"""What is told of each event: a receipt in the log, and metrics under the same names as on AWS.

Log records of this package's logger carry their receipt in the attribute `receipt`. Metrics go to
Azure Monitor where APPLICATIONINSIGHTS_CONNECTION_STRING is set, and the receipts with them as
structured records; where it is not, no telemetry library is loaded.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from functools import cache
from typing import Any, Final, Protocol

from core.formats.shared.delivery import Arrival, Delivery
from core.intake.receipts import DELIVERY_COUNT, EVENT_AGE, METRICS, REFUSED, Receipt, Verdict

logger = logging.getLogger("functions_azure")

_OF_THE_DELIVERY: Final = (
    "message-id",
    "queue",
    "delivery-count",
    "dead-letter-reason",
    "dead-letter-error-description",
)
"""Headers that a receipt in the log carries too."""


class Meter(Protocol):
    """Where metrics go."""

    def count(self, name: str, value: int) -> None: ...

    def observe(self, name: str, value: float, attributes: Mapping[str, str]) -> None: ...


class _Nowhere:
    def count(self, name: str, value: int) -> None:
        """There is nobody to tell."""

    def observe(self, name: str, value: float, attributes: Mapping[str, str]) -> None:
        """There is nobody to tell."""


@cache
def meter() -> Meter:
    """The process's meter. The first call, as the app is loaded, connects the log as well."""
    if connection := os.environ.get("APPLICATIONINSIGHTS_CONNECTION_STRING", "").strip():
        from functions_azure import azure_monitor

        try:
            return azure_monitor.start(connection, logger)
        except ValueError as error:  # events matter more than what is told of them
            logger.error("APPLICATIONINSIGHTS_CONNECTION_STRING is not usable: %s", error)
    return _Nowhere()


def record(arrival: Arrival, receipt: Receipt) -> None:
    """Count one receipt and log it; what somebody must look at is a warning."""
    meter().count(METRICS[receipt.verdict], 1)
    if (age := receipt.age()) is not None:
        meter().observe(EVENT_AGE, age, {})
    line = {**receipt.to_json(), **_told_of(arrival.delivery)}
    if receipt.verdict in (Verdict.STARTED, Verdict.DUPLICATE):
        logger.info("event %s: %s", receipt.verdict, receipt.key, extra={"receipt": line})
    else:
        logger.warning("event %s: %s", receipt.verdict, receipt.reason, extra={"receipt": line})


def record_empty(delivery: Delivery) -> None:
    """Log a delivery that has no events in it, such as one about a subscription; it is settled."""
    logger.info("delivery without events", extra={"receipt": _told_of(delivery)})


def record_delivery(delivery: Delivery) -> None:
    """Measure which delivery of its message this is, and why it was once dead-lettered."""
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


def _told_of(delivery: Delivery) -> dict[str, Any]:
    headers = delivery.headers
    return {n.replace("-", "_"): headers[n] for n in _OF_THE_DELIVERY if n in headers}
