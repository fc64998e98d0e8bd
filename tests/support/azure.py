"""The function app under test: its functions by name, and what Microsoft's worker passes to them.

Messages and requests are decoded by the SDK's own converters from what the Functions host sends, so
that a function gets the same objects as in Azure.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from unittest import mock
from uuid import uuid4

import azure.functions as func
from azure.functions.http import HttpRequest
from azure.functions.meta import Datum

from core import bootstrap
from core.config.settings import Settings
from core.ports.workflows import Workflows
from function_app import app
from functions_azure import runtime, service_bus, webhook_listener
from tests.support.payloads import recorded_json

NAMESPACE = "example-bus"
ENVIRONMENT = {
    "ServiceBusConnection__fullyQualifiedNamespace": f"{NAMESPACE}.servicebus.windows.net",
    "BLOB_EVENTS_QUEUE": "blob-events",
    "MESSAGES_QUEUE": "messages",
    "MESSAGES_TOPIC": "news",
    "MESSAGES_SUBSCRIPTION": "tidegate",
    "TIDEGATE_DOCUMENTS": "azure://exampledocs/incidents/",
}
"""The app's settings, except for Temporal's and the quarantine's."""

SENT = datetime(2026, 3, 4, 9, 17, 41, 250_000, tzinfo=UTC)

INDEX = {str(function.get_function_name()): function for function in app.get_functions()}
"""Every function by name. An app returns them only once in a process."""


def function(name: str) -> Callable[[Any], Awaitable[Any]]:
    """The function that the worker calls."""
    body: Callable[[Any], Awaitable[Any]] = INDEX[name].get_user_function()
    return body


def message(
    body: object,
    *,
    message_id: str | None = "",
    properties: Mapping[str, object] | None = None,
    content_type: str | None = None,
    delivery_count: int = 1,
    **metadata: object,
) -> func.ServiceBusMessage:
    """A message of Service Bus, with bytes as they are or anything else as JSON. Without a
    `message_id` it gets a new one; None stands for senders that set none. `metadata` is further
    metadata of the host, e.g. DeadLetterReason."""
    trigger_metadata = {
        "MessageId": uuid4().hex if message_id == "" else message_id,
        "ContentType": content_type,
        "DeliveryCount": delivery_count,
        "SequenceNumber": 4711,
        "EnqueuedTimeUtc": SENT.isoformat(),
        "UserProperties": dict(properties or {}),
        "ApplicationProperties": dict(properties or {}),
        **metadata,
    }
    trigger = {name: _datum(value) for name, value in trigger_metadata.items() if value is not None}
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    decoded: func.ServiceBusMessage = _converter("serviceBusTrigger").decode(
        Datum(raw, "bytes"), trigger_metadata=trigger
    )
    return decoded


def request(
    method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> func.HttpRequest:
    """A request to the app."""
    return HttpRequest(
        method,
        f"https://tidegate.example.net{path}",
        headers=headers or {},
        params={},
        route_params={"name": path.rpartition("/")[2]},
        body_type="bytes",
        body=body,
    )


def created(name: str, sequencer: str, *, cloudevents: bool = False) -> Any:
    """Event Grid's event of one upload to exampledocs/incidents, in either schema."""
    event = recorded_json(f"webhooks/event_grid/blob-created{'-cloudevents' * cloudevents}")
    event = event[0] if isinstance(event, list) else event
    event["subject"] = f"/blobServices/default/containers/incidents/blobs/{name}"
    event["data"]["sequencer"] = sequencer
    return event


@contextmanager
def fresh_process(
    settings: Settings | None = None, workflows: Workflows | None = None
) -> Iterator[None]:
    """A cold start, without settings or client, and none left afterwards. Messages are abandoned
    immediately. With a `workflows` the functions use that one and these settings."""
    _forget()
    try:
        with mock.patch.object(service_bus, "hold", return_value=0.0):
            if settings is None or workflows is None:
                yield
            else:
                intake = bootstrap.intake(settings, workflows=workflows)
                with (
                    mock.patch.object(runtime, "intake", return_value=intake),
                    mock.patch.object(runtime, "settings", return_value=settings),
                ):
                    yield
    finally:
        _forget()


def _forget() -> None:
    for cached in (runtime.settings, runtime.intake, webhook_listener.webhooks):
        if hasattr(cached, "cache_clear"):
            cached.cache_clear()


def _datum(value: object) -> Datum:
    if isinstance(value, str):
        return Datum(value, "string")
    return Datum(json.dumps(value), "json")


def _converter(binding: str) -> Any:
    return func.get_binding_registry().get(binding)
