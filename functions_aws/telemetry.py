"""What a listener reports: receipts in the log, metrics, and traces of the invocations that X-Ray
samples. The metrics have the same names as on Azure."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from functools import cache, partial, wraps
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from core.domain.printable import to_json
from core.formats.shared.delivery import Arrival, Delivery
from core.intake.receipts import EVENT_AGE, METRICS, REFUSED, Receipt, Verdict, shown

if TYPE_CHECKING:
    from aws_lambda_powertools import Tracer
    from aws_lambda_powertools.utilities.typing import LambdaContext

_SERVICE: Final = os.environ.get("POWERTOOLS_SERVICE_NAME") or "tidegate"
"""Tells installations apart where an account has several."""

logger = Logger(
    service=_SERVICE,
    # Letters as they are, control characters of senders escaped.
    json_serializer=partial(to_json, default=str, separators=(",", ":")),
)
metrics = Metrics(namespace="Tidegate", service=_SERVICE)

_RECEIPTS_PER_LINE: Final = 50
"""CloudWatch takes at most 100 values of a metric in one line."""
_LINE_BYTES: Final = 100_000
"""Most bytes of receipts in one line, of the 256 KB that CloudWatch takes with its metrics."""
_line: Final[list[dict[str, Any]]] = []
"""The receipts that the next line of metrics will carry."""
_sizes: Final[list[int]] = []
"""The bytes of each of them as JSON."""
_warned: Final[set[str | None]] = set()
"""Records that a warning has named: a thousand bad parts of one delivery are one warning."""


@cache
def tracer() -> Tracer:
    """The tracer of this process. It patches nothing: that would import botocore, which no event
    needs."""
    from aws_lambda_powertools import Tracer

    return Tracer(service=_SERVICE, auto_patch=False)


def traced(handler: Callable[[Any, LambdaContext], Any]) -> Callable[[Any, LambdaContext], Any]:
    """Record the invocations whose trace X-Ray samples; all others never import its SDK."""

    @wraps(handler)
    def wrapper(event: Any, context: LambdaContext) -> Any:
        if "Sampled=1" not in os.environ.get("_X_AMZN_TRACE_ID", ""):
            return handler(event, context)
        return tracer().capture_method(capture_response=False)(handler)(event, context)

    return wrapper


def record(arrival: Arrival, receipt: Receipt) -> None:
    """Count one receipt. It goes into the line that carries the metrics, which costs hardly more
    than the metrics alone; one that needs attention has a line of its own, too."""
    metrics.add_metric(name=METRICS[receipt.verdict], unit=MetricUnit.Count, value=1)
    if (age := receipt.age()) is not None:
        metrics.add_metric(name=EVENT_AGE, unit=MetricUnit.Milliseconds, value=age)
    line = {**receipt.to_json(), "message_id": _message_id(arrival.delivery)}
    kept_before = receipt.quarantine_uri is not None and receipt.quarantine_uri in _warned
    if not receipt.accepted and not kept_before:
        _warned.add(receipt.quarantine_uri)
        logger.warning("event %s: %s", receipt.verdict, receipt.reason, extra={"receipt": line})
    size = len(json.dumps(line))
    if sum(_sizes) + size > _LINE_BYTES:
        _flush()
    _line.append(line)
    _sizes.append(size)
    if len(_line) == _RECEIPTS_PER_LINE:
        _flush()


def _flush() -> None:
    end_line()
    metrics.flush_metrics()


def end_line() -> None:
    """Attach the receipts so far to the metrics, which Powertools writes when the handler ends."""
    if _line:
        metrics.add_metadata(key="receipts", value=list(_line))
        _line.clear()
        _sizes.clear()
    _warned.clear()


def record_empty(delivery: Delivery) -> None:
    """Log a delivery that has no events in it, such as S3's test event; it is settled."""
    metrics.add_metric(name=METRICS[Verdict.STARTED], unit=MetricUnit.Count, value=0)
    logger.info("delivery without events", extra={"message_id": _message_id(delivery)})


def record_request(*, hook: str | None, code: str | None, status: int) -> None:
    """Count a request, with the `code` of the problem when it was refused as a whole."""
    if code or not metrics.metric_set:
        # Powertools warns of every invocation that counts nothing, as a handshake would.
        metrics.add_metric(name=REFUSED, unit=MetricUnit.Count, value=int(code is not None))
    if code:
        line = {"hook": hook, "code": code, "status": status}
        logger.warning("request refused", extra={"request": line})


def _message_id(delivery: Delivery) -> str | None:
    id = delivery.headers.get("message-id")
    return id and shown(id)
