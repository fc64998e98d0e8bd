"""What the Functions host exchanges with Microsoft's worker: messages and requests as the SDK's own
converters decode them, responses as they encode them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import Any, Final

import azure.functions as func
from aiohttp import web
from azure.functions.meta import Datum

_HTTP_HEADERS: Final = frozenset(
    ("brokerproperties", "content-length", "content-type", "date", "server")
)


def message(
    broker: Mapping[str, Any], headers: Mapping[str, str], body: bytes
) -> func.ServiceBusMessage:
    """A received message. `broker` are the broker's properties; all headers except HTTP's own are
    the sender's properties, as JSON."""
    properties = {}
    for name, text in headers.items():
        if name.lower() not in _HTTP_HEADERS:
            with suppress(ValueError):
                properties[name] = json.loads(text)
    metadata = {
        "MessageId": broker["MessageId"],
        "ContentType": headers.get("Content-Type"),
        "CorrelationId": broker.get("CorrelationId"),
        "DeliveryCount": broker["DeliveryCount"],
        "SequenceNumber": broker["SequenceNumber"],
        "EnqueuedTimeUtc": parsedate_to_datetime(broker["EnqueuedTimeUtc"]).isoformat(),
        "DeadLetterReason": properties.get("DeadLetterReason"),
        "DeadLetterErrorDescription": properties.get("DeadLetterErrorDescription"),
        "UserProperties": properties,
        "ApplicationProperties": properties,
    }
    trigger = {name: _datum(value) for name, value in metadata.items() if value is not None}
    decoded: func.ServiceBusMessage = _converter("serviceBusTrigger").decode(
        Datum(body, "bytes"), trigger_metadata=trigger
    )
    return decoded


async def request(http: web.Request) -> func.HttpRequest:
    """A request: header names in lower case, repeated ones joined by commas."""
    data = {
        "method": Datum(http.method, "string"),
        "url": Datum(str(http.url), "string"),
        "headers": _joined(http.headers, lower=True),
        "query": _joined(http.query),
        "params": {name: Datum(text, "string") for name, text in http.match_info.items()},
        "body": Datum(await http.read(), "bytes"),
    }
    decoded: func.HttpRequest = _converter("httpTrigger").decode(
        Datum(data, "http"), trigger_metadata={}
    )
    return decoded


def response(answer: func.HttpResponse) -> web.Response:
    """A function's response. The SDK gives cookies by themselves, as there may be several."""
    encoded = _converter("http").encode(answer, expected_type=None).value
    sent = web.Response(
        status=int(encoded["status_code"].value),
        headers={name: datum.value for name, datum in encoded["headers"].items()},
        body=encoded["body"].value,
    )
    for jar in encoded["cookies"] or ():
        for cookie in jar.values():
            sent.headers.add("Set-Cookie", cookie.OutputString())
    return sent


def _joined(pairs: Any, *, lower: bool = False) -> dict[str, Datum]:
    """A multidict with the values of each name joined."""
    values: dict[str, list[str]] = {}
    for name, text in pairs.items():
        values.setdefault(name.lower() if lower else name, []).append(text)
    return {name: Datum(",".join(texts), "string") for name, texts in values.items()}


def _datum(value: object) -> Datum:
    """As the host does, which sends numbers as JSON: the worker refuses the kind `int`."""
    return Datum(value, "string") if isinstance(value, str) else Datum(json.dumps(value), "json")


def _converter(binding: str) -> Any:
    return func.get_binding_registry().get(binding)
