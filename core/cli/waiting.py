"""Commands that an incident answers: its worker may sleep, and then the answer wakes it first."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Final, TypeVar

from core.cli.console import err

T = TypeVar("T")

NOTICE_AFTER: Final = 2.0
"""Seconds: a worker that is awake answers in less."""
NOTICE: Final = "[dim]no answer yet; waiting for a worker to wake up[/dim]"


async def answered(answer: Awaitable[T]) -> T:
    """The answer. While it takes longer than `NOTICE_AFTER`, a terminal says what it waits for."""
    notice = asyncio.get_running_loop().call_later(NOTICE_AFTER, _say)
    try:
        return await answer
    finally:
        notice.cancel()


def _say() -> None:
    if err.is_terminal:
        err.print(NOTICE, soft_wrap=True)
