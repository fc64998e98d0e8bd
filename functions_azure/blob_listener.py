"""Functions for Blob Storage: blob changes from Event Grid, in either of its schemas.

Through a Service Bus queue that Event Grid delivers to, which is durable, or directly from Event
Grid, which stops retrying after a day.
"""

from __future__ import annotations

import uuid
from typing import Final

import azure.functions as func

from core.formats.shared.delivery import Delivery, way_headers
from functions_azure import runtime, service_bus

FORMAT: Final = "event_grid"
_PATIENCE: Final = 30.0
"""Seconds that Event Grid waits for a response before it redelivers."""

_WAY: Final = way_headers("topic:event-grid")
"""The way of what Event Grid delivers to the function and is not about a blob."""

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


# As str: the worker passes such a parameter the host's text unchanged. The SDK's classes have fewer
# fields than the schemas, and older versions know no CloudEvents.
@blueprint.event_grid_trigger(arg_name="event")
async def blob_events_grid(event: str) -> None:
    """Settle one event. Raises when Event Grid must redeliver it."""
    body = event.encode(errors="surrogatepass")
    delivery = Delivery(format=FORMAT, body=body, headers=_WAY, unique=uuid.uuid4().hex)
    await runtime.settle(delivery, within=_PATIENCE)
