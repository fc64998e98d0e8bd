"""Service Bus on this machine: queues and topics in memory, behind the service's own REST API.

    POST   /ENTITY/messages                    send; to a topic, one to each of its subscriptions
    POST   /ENTITY/messages/head?timeout=S     peek-lock the next, or 204 when none comes in time
    DELETE /ENTITY/messages/ID/LOCK            complete
    PUT    /ENTITY/messages/ID/LOCK            abandon: unlocked, and handed out again at once
    POST   /ENTITY/messages/ID/LOCK            renew the lock
    GET    /ENTITY                             {"active": ..., "dead_letters": ...}

A message that is abandoned, or whose lock runs out, is handed out again, MAX_DELIVERIES times; then
it becomes a dead letter. There is no duplicate detection: the service's own works at sending alone,
and redelivery happens all the same.

Source: Azure Service Bus REST reference, "Runtime operations"; "Message headers and properties".
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import time
import uuid
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, Final

from aiohttp import web

LOCK_SECONDS: Final = 12.0
"""How long a message stays locked that nobody renews: so long a host that was killed is waited for.
Deployed queues take a minute."""
MAX_DELIVERIES: Final = 10
QUOTA: Final = 256 * 1024
"""Largest message of the standard tier, in bytes."""
_BROKER: Final = "BrokerProperties"


@dataclass(slots=True)
class Message:
    """One message; `properties` are the sender's own, `locked_until` is on the monotonic clock."""

    body: bytes
    content_type: str | None
    properties: dict[str, Any]
    broker: dict[str, Any]
    sequence: int
    enqueued: datetime = field(default_factory=lambda: datetime.now(UTC))
    deliveries: int = 0
    lock: str | None = None
    locked_until: float = 0.0


class Queue:
    """A queue, or a subscription, with its dead letters."""

    def __init__(self) -> None:
        self.ready: deque[Message] = deque()
        self.locked: dict[str, Message] = {}
        self.dead: deque[Message] = deque()
        self.news = asyncio.Condition()

    async def put(self, message: Message) -> None:
        async with self.news:
            self.ready.append(message)
            self.news.notify()

    async def lock(self, timeout: float) -> Message | None:
        """The next message, locked; None when none comes in so many seconds."""
        deadline = time.monotonic() + timeout
        async with self.news:
            while True:
                self._unlock_overdue()
                if self.ready:
                    break
                left = deadline - time.monotonic()
                if left <= 0:
                    return None
                try:
                    await asyncio.wait_for(self.news.wait(), min(left, 0.25))
                except TimeoutError:
                    continue
            message = self.ready.popleft()
            message.deliveries += 1
            message.lock = str(uuid.uuid4())
            message.locked_until = time.monotonic() + LOCK_SECONDS
            self.locked[message.lock] = message
            return message

    def complete(self, lock: str) -> bool:
        self._unlock_overdue()
        return self.locked.pop(lock, None) is not None

    async def abandon(self, lock: str) -> bool:
        async with self.news:
            message = self.locked.pop(lock, None)
            if message is None:
                return False
            self._give_back(message)
            self.news.notify()
            return True

    def renew(self, lock: str) -> bool:
        self._unlock_overdue()
        if lock in self.locked:
            self.locked[lock].locked_until = time.monotonic() + LOCK_SECONDS
            return True
        return False

    def counts(self) -> dict[str, int]:
        return {"active": len(self.ready) + len(self.locked), "dead_letters": len(self.dead)}

    def _unlock_overdue(self) -> None:
        now = time.monotonic()
        for lock, message in list(self.locked.items()):
            if message.locked_until < now:
                del self.locked[lock]
                self._give_back(message)

    def _give_back(self, message: Message) -> None:
        if message.deliveries < MAX_DELIVERIES:
            self.ready.appendleft(message)
            return
        message.properties |= {
            "DeadLetterReason": "MaxDeliveryCountExceeded",
            "DeadLetterErrorDescription": (
                f"Message could not be consumed after {MAX_DELIVERIES} delivery attempts."
            ),
        }
        message.deliveries = 0
        self.dead.append(message)


class ServiceBus:
    """A namespace. `entities` are names of queues, or `TOPIC/subscriptions/NAME`."""

    def __init__(self, entities: list[str]) -> None:
        self._queues = {name: Queue() for name in entities}
        self._sequence = 0

    def app(self) -> web.Application:
        application = web.Application(client_max_size=QUOTA)
        application.router.add_route("*", "/{path:.*}", self._serve)
        return application

    async def _serve(self, request: web.Request) -> web.Response:
        entity, _, rest = request.match_info["path"].partition("/messages")
        if not rest and request.method == "GET":
            return web.json_response(self._queue(entity).counts())
        if not rest:
            return await self._send(entity, request)
        if rest == "/head":
            return await self._receive(entity, float(request.query.get("timeout", "60")))
        queue, lock = self._queue(entity), rest.rpartition("/")[2]
        match request.method:
            case "DELETE":
                settled = queue.complete(lock)
            case "PUT":
                settled = await queue.abandon(lock)
            case _:
                settled = queue.renew(lock)
        return web.Response(status=200 if settled else 404)

    def _queue(self, entity: str) -> Queue:
        if entity not in self._queues:
            raise web.HTTPNotFound(text=f"there is no {entity}")
        return self._queues[entity]

    async def _send(self, entity: str, request: web.Request) -> web.Response:
        targets = [
            queue
            for name, queue in self._queues.items()
            if name == entity or name.startswith(f"{entity}/subscriptions/")
        ]
        if not targets:
            raise web.HTTPNotFound(text=f"there is no {entity}")
        body = await request.read()
        broker = json.loads(request.headers.get(_BROKER, "{}"))
        broker.setdefault("MessageId", uuid.uuid4().hex)
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

    async def _receive(self, entity: str, timeout: float) -> web.Response:
        message = await self._queue(entity).lock(timeout)
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


def _properties(headers: Mapping[str, str]) -> dict[str, Any]:
    """The sender's own properties: all other headers, whose values are JSON."""
    found = {}
    for name, text in headers.items():
        try:
            value = json.loads(text)
        except ValueError:
            continue
        ours = name.lower() in ("content-length", _BROKER.lower())
        if not ours and isinstance(value, str | bool | int | float):
            found[name] = value
    return found


async def _run(port: int, entities: list[str]) -> None:
    runner = web.AppRunner(ServiceBus(entities).app(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    await ended.wait()
    await runner.cleanup()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m infra.local.service_bus")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("entities", nargs="+", help="queues, or TOPIC/subscriptions/NAME")
    options = parser.parse_args()
    asyncio.run(_run(options.port, options.entities))


if __name__ == "__main__":
    main()
