"""Service Bus on this machine: queues and topics in memory, behind the service's own REST API.

    POST   /ENTITY/messages                    send; to a topic, one to each of its subscriptions
    POST   /ENTITY/messages/head?timeout=S     peek-lock the next, or 204 after the timeout
    DELETE /ENTITY/messages/ID/LOCK            complete
    PUT    /ENTITY/messages/ID/LOCK            abandon: unlock, and redeliver immediately
    POST   /ENTITY/messages/ID/LOCK            renew the lock
    GET    /ENTITY                             {"active": ..., "dead_letters": ...}

A message that is abandoned, or whose lock expires, is redelivered up to ten times; then it is
dead-lettered, to be received from ENTITY/$DeadLetterQueue.
There is no duplicate detection: the service's own covers sending only, not redelivery.

Source: Azure Service Bus REST reference, "Runtime operations"; "Message headers and properties".
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import socket
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, Final

from aiohttp import web

from infra.local.azure.peek_lock import LOCK_SECONDS, Message, Queue
from infra.local.loopback import inherited

QUOTA: Final = 256 * 1024
"""Largest message of the standard tier, in bytes."""
DEAD_LETTERS: Final = "/$DeadLetterQueue"
_BROKER: Final = "BrokerProperties"


class ServiceBus:
    """A namespace. `entities` are names of queues, or `TOPIC/subscriptions/NAME`; locks expire by
    the `clock`, in seconds."""

    def __init__(
        self, entities: Sequence[str], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._queues = {name: Queue(clock, dead=Queue(clock)) for name in entities}
        self._sequence = 0

    def app(self) -> web.Application:
        application = web.Application(client_max_size=QUOTA)
        messages = "/{entity:.+}/messages"
        application.add_routes(
            [
                web.post(messages, self._send),
                web.post(f"{messages}/head", self._receive),
                web.delete(f"{messages}/{{id}}/{{lock}}", self._settle),
                web.put(f"{messages}/{{id}}/{{lock}}", self._settle),
                web.post(f"{messages}/{{id}}/{{lock}}", self._settle),
                web.get("/{entity:.+}", self._count),
            ]
        )
        return application

    def _queue(self, request: web.Request) -> Queue:
        name = request.match_info["entity"]
        entity, _, sub = name.partition(DEAD_LETTERS)
        queue = self._queues.get(entity)
        if queue is None or sub:
            raise web.HTTPNotFound(text=f"there is no {name}")
        return queue.dead if entity != name and queue.dead is not None else queue

    async def _count(self, request: web.Request) -> web.Response:
        queue = self._queue(request)
        dead = queue.dead.count() if queue.dead is not None else 0
        return web.json_response({"active": queue.count(), "dead_letters": dead})

    async def _send(self, request: web.Request) -> web.Response:
        entity = request.match_info["entity"]
        targets = [
            queue
            for name, queue in self._queues.items()
            if name == entity or name.startswith(f"{entity}/subscriptions/")
        ]
        if not targets:
            raise web.HTTPNotFound(text=f"there is no {entity}")
        body = await request.read()
        broker = _broker(request)
        for queue in targets:
            self._sequence += 1
            message = Message(
                body=body,
                content_type=request.headers.get("Content-Type"),
                properties=_properties(request.headers),
                broker=broker,
                sequence=self._sequence,
            )
            await queue.put(message)
        return web.json_response({"MessageId": broker["MessageId"]}, status=201)

    async def _settle(self, request: web.Request) -> web.Response:
        queue, lock = self._queue(request), request.match_info["lock"]
        act = {"DELETE": queue.complete, "PUT": queue.abandon, "POST": queue.renew}[request.method]
        return web.Response(status=200 if await act(lock) else 404)

    async def _receive(self, request: web.Request) -> web.Response:
        message = await self._queue(request).lock(float(request.query.get("timeout", "60")))
        if message is None:
            return web.Response(status=204)
        broker = {
            **message.broker,
            "DeliveryCount": message.deliveries,
            "EnqueuedSequenceNumber": message.sequence,
            "EnqueuedTimeUtc": format_datetime(message.enqueued, usegmt=True),
            "LockToken": message.lock,
            "LockedUntilUtc": format_datetime(
                datetime.now(UTC) + timedelta(seconds=LOCK_SECONDS), usegmt=True
            ),
            "SequenceNumber": message.sequence,
            "State": "Active",
        }
        headers = {
            _BROKER: json.dumps(broker),
            **{name: json.dumps(value) for name, value in message.properties.items()},
        }
        if message.content_type:
            headers["Content-Type"] = message.content_type
        return web.Response(status=201, body=message.body, headers=headers)


def _broker(request: web.Request) -> dict[str, Any]:
    """The broker properties that the sender sets; every message has an ID."""
    try:
        properties = json.loads(request.headers.get(_BROKER, "{}"))
    except (ValueError, RecursionError):
        properties = None
    if not isinstance(properties, dict):
        raise web.HTTPBadRequest(text=f"{_BROKER} is not a JSON object")
    return {"MessageId": uuid.uuid4().hex, **properties}


def _properties(headers: Mapping[str, str]) -> dict[str, Any]:
    """The sender's own properties: all other headers whose values are JSON."""
    properties = {}
    for name, text in headers.items():
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            continue
        ours = name.lower() in ("content-length", _BROKER.lower())
        if not ours and isinstance(value, str | bool | int | float):
            properties[name] = value
    return properties


async def _run(listening: socket.socket, entities: list[str]) -> None:
    # A receiver that disconnects while it waits must not be given a message.
    runner = web.AppRunner(ServiceBus(entities).app(), access_log=None, handler_cancellation=True)
    await runner.setup()
    await web.SockSite(runner, listening).start()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    await ended.wait()
    await runner.cleanup()


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m infra.local.azure.service_bus")
    parser.add_argument("--socket", type=inherited, required=True, help="a file descriptor")
    parser.add_argument("entities", nargs="+", help="queues, or TOPIC/subscriptions/NAME")
    options = parser.parse_args()
    asyncio.run(_run(options.socket, options.entities))


if __name__ == "__main__":
    main()
