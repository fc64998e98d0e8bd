"""What the Functions host sends to Microsoft's worker, and takes from it: messages and requests as
the SDK's own converters decode them, responses as they encode them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import Any, Final

import azure.functions as func
from aiohttp import web
from azure.functions.meta import Datum

_OF_HTTP: Final = frozenset(
    ("brokerproperties", "content-length", "content-type", "date", "server")
)


def message(
    broker: Mapping[str, Any], headers: Mapping[str, str], body: bytes
) -> func.ServiceBusMessage:
    """A message as Service Bus hands it out. `broker` is what the broker says of it; all headers
    except HTTP's own are the sender's properties, as JSON."""
    properties = {}
    for name, text in headers.items():
        if name.lower() not in _OF_HTTP:
            with suppress(ValueError):
                properties[name] = json.loads(text)
    said = {
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
    trigger = {name: _datum(value) for name, value in said.items() if value is not None}
    decoded: func.ServiceBusMessage = _converter("serviceBusTrigger").decode(
        Datum(body, "bytes"), trigger_metadata=trigger
    )
    return decoded


async def request(given: web.Request) -> func.HttpRequest:
    """A request: header names in lower case, what is repeated joined by commas."""
    said = {
        "method": Datum(given.method, "string"),
        "url": Datum(str(given.url), "string"),
        "headers": _joined(given.headers, lower=True),
        "query": _joined(given.query),
        "params": {name: Datum(text, "string") for name, text in given.match_info.items()},
        "body": Datum(await given.read(), "bytes"),
    }
    decoded: func.HttpRequest = _converter("httpTrigger").decode(
        Datum(said, "http"), trigger_metadata={}
    )
    return decoded


def response(answer: func.HttpResponse) -> web.Response:
    """What a function answered."""
    told = _converter("http").encode(answer, expected_type=None).value
    return web.Response(
        status=int(told["status_code"].value),
        headers={name: datum.value for name, datum in told["headers"].items()},
        body=told["body"].value,
    )


def _joined(pairs: Any, *, lower: bool = False) -> dict[str, Datum]:
    """A multidict as one text per name."""
    found: dict[str, list[str]] = {}
    for name, text in pairs.items():
        found.setdefault(name.lower() if lower else name, []).append(text)
    return {name: Datum(",".join(texts), "string") for name, texts in found.items()}


def _datum(value: object) -> Datum:
    if isinstance(value, int):
        return Datum(value, "int")
    return Datum(value, "string") if isinstance(value, str) else Datum(json.dumps(value), "json")


def _converter(binding: str) -> Any:
    return func.get_binding_registry().get(binding)
