"""In-memory queues with locks, as of Service Bus: a message is received, locked, and then completed
or abandoned."""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

LOCK_SECONDS: Final = 12.0
"""How long a message stays locked without renewal, and so how long the messages of a killed host
are delayed. On deployed queues it is a minute."""
MAX_DELIVERIES: Final = 10
_LOOK: Final = 0.25
"""Seconds between checks for expired locks by those who wait for a message."""


@dataclass(slots=True)
class Message:
    """One message; `properties` are the sender's, `locked_until` is a time of the queue's clock."""

    body: bytes
    content_type: str | None
    properties: dict[str, Any]
    broker: dict[str, Any]
    sequence: int
    enqueued: datetime = field(default_factory=lambda: datetime.now(UTC))
    deliveries: int = 0
    lock: str = ""
    locked_until: float = 0.0


class Queue:
    """A queue, or a subscription; its locks expire by the `clock`, in seconds. Without a queue for
    `dead` letters it is one itself, and keeps its messages however often they are delivered."""

    def __init__(self, clock: Callable[[], float], dead: Queue | None = None) -> None:
        self.dead = dead
        self._clock = clock
        self._ready: deque[Message] = deque()
        self._locked: dict[str, Message] = {}
        self._news = asyncio.Condition()

    async def put(self, message: Message) -> None:
        self._ready.append(message)
        await self._notify()

    async def lock(self, timeout: float) -> Message | None:
        """The next message, locked; None if none arrives within `timeout` seconds."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        async with self._news:
            while not self._is_ready():
                left = deadline - loop.time()
                if left <= 0:
                    return None
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), min(left, _LOOK))
            message = self._ready.popleft()
            message.deliveries += 1
            message.lock = str(uuid.uuid4())
            message.locked_until = self._clock() + LOCK_SECONDS
            self._locked[message.lock] = message
            return message

    async def complete(self, lock: str) -> bool:
        return self._unlocked(lock) is not None

    async def abandon(self, lock: str) -> bool:
        if (message := self._unlocked(lock)) is None:
            return False
        self._redeliver(message)
        await self._notify()
        return True

    async def renew(self, lock: str) -> bool:
        if (message := self._unlocked(lock)) is None:
            return False
        message.locked_until = self._clock() + LOCK_SECONDS
        self._locked[lock] = message
        return True

    def count(self) -> int:
        """How many messages there are, locked ones included."""
        self._unlock_overdue()
        return len(self._ready) + len(self._locked)

    async def _notify(self) -> None:
        async with self._news:
            self._news.notify()

    def _is_ready(self) -> bool:
        self._unlock_overdue()
        return bool(self._ready)

    def _unlocked(self, lock: str) -> Message | None:
        """Remove a lock that has not expired; returns its message."""
        self._unlock_overdue()
        return self._locked.pop(lock, None)

    def _unlock_overdue(self) -> None:
        for message in list(self._locked.values()):
            if message.locked_until < self._clock():
                del self._locked[message.lock]
                self._redeliver(message)

    def _redeliver(self, message: Message) -> None:
        if self.dead is None or message.deliveries < MAX_DELIVERIES:
            self._ready.appendleft(message)
            return
        message.properties |= {
            "DeadLetterReason": "MaxDeliveryCountExceeded",
            "DeadLetterErrorDescription": (
                f"Message could not be consumed after {MAX_DELIVERIES} delivery attempts."
            ),
        }
        self.dead._ready.append(message)
