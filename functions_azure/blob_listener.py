"""Functions for Blob Storage: changes of blobs as Event Grid tells them, in either of its schemas.

By a Service Bus queue that Event Grid delivers to, which is the durable way, or straight from Event
Grid, which gives up after a day.
"""

from __future__ import annotations

import uuid
from typing import Final

import azure.functions as func

from core.formats.shared.delivery import Delivery
from functions_azure import runtime, service_bus

FORMAT: Final = "event_grid"
_PATIENCE: Final = 30.0
"""Seconds that Event Grid waits for an answer before it delivers again."""

blueprint = func.Blueprint()


@blueprint.service_bus_queue_trigger(
    arg_name="message",
    queue_name="%BLOB_EVENTS_QUEUE%",
    connection=service_bus.CONNECTION,
    cardinality=func.Cardinality.ONE,
    data_type=func.DataType.BINARY,
)
async def blob_events_queue(message: func.ServiceBusMessage) -> None:
    """See `functions_azure.service_bus.deliver`."""
    await service_bus.deliver(FORMAT, message, entity="BLOB_EVENTS_QUEUE")


# As text: the worker gives a parameter of that type what the host sent as it is. The SDK's classes
# know fewer fields than the schemas have, and older ones no CloudEvents at all.
@blueprint.event_grid_trigger(arg_name="event")
async def blob_events_grid(event: str) -> None:
    """Settle one event. Raises for what Event Grid must deliver again."""
    body = event.encode(errors="surrogatepass")
    given = Delivery(format=FORMAT, body=body, unique=uuid.uuid4().hex)
    await runtime.settle(given, within=_PATIENCE)
