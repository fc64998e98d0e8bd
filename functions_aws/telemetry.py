"""What a listener reports: receipts and metrics in one line of the log, warnings in lines of their
own, and traces of the invocations that X-Ray samples. The metrics have the same names as on Azure.

The line is in CloudWatch's embedded metric format and costs hardly more than a receipt alone.
Source: Amazon CloudWatch, "Specification: Embedded metric format".
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Mapping
from functools import cache, partial, wraps
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools import Logger

from core import emf
from core.domain.printable import to_json
from core.formats.shared.delivery import Arrival, Delivery
from core.intake.receipts import EVENT_AGE, METRICS, REFUSED, Receipt, Verdict, shown

if TYPE_CHECKING:
    from aws_lambda_powertools import Tracer

Handler = Callable[[Any, Any], Any]

logger = Logger(
    service=emf.SERVICE,
    # Letters as they are, control characters of senders escaped.
    json_serializer=partial(to_json, default=str, separators=(",", ":")),
)


class _Invocation(logging.Filter):
    """Adds to what is logged which invocation it belongs to, with the names that Powertools uses.
    Its own decorator prepares that at every event, though hardly any logs anything."""

    context: Any = None

    def filter(self, record: logging.LogRecord) -> bool:
        if self.context is not None:
            record.function_name = self.context.function_name
            record.function_memory_size = self.context.memory_limit_in_mb
            record.function_arn = self.context.invoked_function_arn
            record.function_request_id = self.context.aws_request_id
        return True


_invocation: Final = _Invocation()
logger.addFilter(_invocation)

_UNITS: Final[Mapping[str, emf.Unit]] = {EVENT_AGE: "Milliseconds"}
"""Units of metrics; any other counts."""
_PER_LINE: Final = 50
"""Most receipts of one line, and most deliveries without any: CloudWatch takes at most 100 values
of a metric in one line."""
_LINE_BYTES: Final = 100_000
"""Most bytes of receipts in one line, of the 256 KB that CloudWatch takes with its metrics."""
_values: Final[dict[str, list[float]]] = {}
"""The values of each metric that the next line will carry."""
_receipts: Final[list[str]] = []
"""The receipts that the next line will carry, as JSON."""
_warned: Final[set[str | None]] = set()
"""Records that a warning has named: a thousand bad parts of one delivery are one warning."""


def reported(handler: Handler) -> Handler:
    """The handler of a listener, with everything that is reported of each invocation."""

    @wraps(handler)
    def wrapper(event: Any, context: Any) -> Any:
        _invocation.context = context
        _count_cold_start(context.function_name)
        try:
            return _traced(handler)(event, context)
        finally:
            _end_line()
            _warned.clear()
            _invocation.context = None

    return wrapper


def _traced(handler: Handler) -> Handler:
    """The handler, recorded if X-Ray samples this trace; otherwise its SDK is never imported."""
    if "Sampled=1" not in os.environ.get("_X_AMZN_TRACE_ID", ""):
        return handler
    return _tracer().capture_method(capture_response=False)(handler)


@cache
def _tracer() -> Tracer:
    """The tracer of this process. It patches nothing: that would import botocore, which no event
    needs."""
    from aws_lambda_powertools import Tracer

    return Tracer(service=emf.SERVICE, auto_patch=False)


@cache
def _count_cold_start(function_name: str) -> None:
    """Count that a process handles its first event: a metric per function."""
    emf.emit({"ColdStart": ([1], "Count")}, by={"function_name": function_name})


def record(arrival: Arrival, receipt: Receipt) -> None:
    """Count one receipt and log it; one that needs attention has a line of its own, too."""
    line = {**receipt.to_json(), "message_id": _message_id(arrival.delivery)}
    kept_before = receipt.quarantine_uri is not None and receipt.quarantine_uri in _warned
    if not receipt.accepted and not kept_before:
        _warned.add(receipt.quarantine_uri)
        logger.warning("event %s: %s", receipt.verdict, receipt.reason, extra={"receipt": line})
    text = json.dumps(line)
    if sum(map(len, _receipts)) + len(text) > _LINE_BYTES:
        _end_line()
    _add(METRICS[receipt.verdict], 1)
    if (age := receipt.age()) is not None:
        _add(EVENT_AGE, age)
    _receipts.append(text)
    if len(_receipts) == _PER_LINE:
        _end_line()


def record_empty(delivery: Delivery) -> None:
    """Log a delivery that has no events in it, such as S3's test event; it is settled."""
    _add(METRICS[Verdict.STARTED], 0)
    logger.info("delivery without events", extra={"message_id": _message_id(delivery)})
    if len(_values[METRICS[Verdict.STARTED]]) >= _PER_LINE:
        _end_line()


def record_unread(count: int) -> None:
    """Count records that are to be redelivered without having been read, for lack of time."""
    _add(METRICS[Verdict.RETRY], count)
    logger.warning("%d records are redelivered unread: out of time", count)


def record_request(*, hook: str | None, code: str | None, status: int) -> None:
    """Count a request that was refused as a whole, with the `code` of its problem."""
    if code:
        _add(REFUSED, 1)
        line = {"hook": hook, "code": code, "status": status}
        logger.warning("request refused", extra={"request": line})


def _message_id(delivery: Delivery) -> str | None:
    id = delivery.headers.get("message-id")
    return id and shown(id)


def _add(metric: str, value: float) -> None:
    _values.setdefault(metric, []).append(value)


def _end_line() -> None:
    """Write what was recorded since the last line, if there is anything."""
    if _values:
        line = emf.line({name: (seen, _UNITS.get(name, "Count")) for name, seen in _values.items()})
        if _receipts:  # which are JSON already
            line = f'{line[:-1]}, "receipts": [{", ".join(_receipts)}]}}'
        sys.stdout.write(f"{line}\n")
    _values.clear()
    _receipts.clear()
