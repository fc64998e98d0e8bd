"""Functions for Service Bus messages: CloudEvents in every mode or any JSON of users' own senders,
and whatever format a queue or a subscription was given."""

from __future__ import annotations

from typing import Final

import azure.functions as func

from functions_azure import service_bus

FORMAT: Final = "message"

SESSIONS: Final = service_bus.sessions()
"""With sessions the host gives a session to one instance at a time, which takes its messages one
after another; one that is abandoned is the next to be delivered. So the order of each is kept."""

blueprint = func.Blueprint()


@blueprint.service_bus_queue_trigger(
    arg_name="message",
    queue_name="%MESSAGES_QUEUE%",
    connection=service_bus.CONNECTION,
    cardinality=func.Cardinality.ONE,
    data_type=func.DataType.BINARY,
    is_sessions_enabled=SESSIONS,
)
async def messages_queue(message: func.ServiceBusMessage) -> None:
    """See `functions_azure.service_bus.deliver`."""
    await service_bus.deliver(FORMAT, message, entity="MESSAGES_QUEUE")


@blueprint.service_bus_topic_trigger(
    arg_name="message",
    topic_name="%MESSAGES_TOPIC%",
    subscription_name="%MESSAGES_SUBSCRIPTION%",
    connection=service_bus.CONNECTION,
    cardinality=func.Cardinality.ONE,
    data_type=func.DataType.BINARY,
    is_sessions_enabled=SESSIONS,
)
async def messages_topic(message: func.ServiceBusMessage) -> None:
    """The same for a topic. A message counts once, however many subscriptions deliver it."""
    await service_bus.deliver(
        FORMAT, message, entity="MESSAGES_TOPIC", subscription="MESSAGES_SUBSCRIPTION"
    )
