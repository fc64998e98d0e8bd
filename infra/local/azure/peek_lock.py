"""Queues in memory with locks, as Service Bus has them: received, locked, settled or given back."""

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
"""How long a message stays locked that nobody renews: so long a host that was killed is waited for.
Deployed queues take a minute."""
MAX_DELIVERIES: Final = 10
_LOOK: Final = 0.25
"""Seconds between two looks for locks that have run out, by those who wait for a message."""


@dataclass(slots=True)
class Message:
    """One message; `properties` are the sender's own, `locked_until` is by the queue's clock."""

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
    """A queue, or a subscription; locks run out by the `clock`, in seconds. Without a queue for
    `dead` letters it is one, and keeps its messages whatever happens to them."""

    def __init__(self, clock: Callable[[], float], dead: Queue | None = None) -> None:
        self.dead = dead
        self._clock = clock
        self._ready: deque[Message] = deque()
        self._locked: dict[str, Message] = {}
        self._news = asyncio.Condition()

    async def put(self, message: Message) -> None:
        self._ready.append(message)
        await self._tell()

    async def lock(self, timeout: float) -> Message | None:
        """The next message, locked; None when none comes in so many seconds."""
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
        self._give_back(message)
        await self._tell()
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

    async def _tell(self) -> None:
        async with self._news:
            self._news.notify()

    def _is_ready(self) -> bool:
        self._unlock_overdue()
        return bool(self._ready)

    def _unlocked(self, lock: str) -> Message | None:
        """The message under a lock that is still good, taken from under it."""
        self._unlock_overdue()
        return self._locked.pop(lock, None)

    def _unlock_overdue(self) -> None:
        for message in list(self._locked.values()):
            if message.locked_until < self._clock():
                del self._locked[message.lock]
                self._give_back(message)

    def _give_back(self, message: Message) -> None:
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
