"""Calls a handler as Lambda does: synchronously, with a context that has the remaining time."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

Handler = Callable[[Any, Any], Any]


class Context:
    """Lambda's context object for an invocation with a timeout of `seconds`."""

    function_name = "tidegate-test"
    function_version = "$LATEST"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:eu-west-1:111122223333:function:tidegate-test"
    aws_request_id = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"

    def __init__(self, seconds: float = 60) -> None:
        self._deadline = time.monotonic() + seconds

    def get_remaining_time_in_millis(self) -> int:
        return max(int((self._deadline - time.monotonic()) * 1000), 0)


async def invoke(handler: Handler, event: Any, *, seconds: float = 60) -> Any:
    """The handler's response. It runs in a thread, because it has an event loop of its own."""
    return await asyncio.to_thread(handler, event, Context(seconds))


def logged_receipts(output: str) -> list[dict[str, Any]]:
    """The receipts in the lines that carry metrics."""
    lines = [json.loads(line) for line in output.splitlines() if '"receipts"' in line]
    return [receipt for line in lines for receipt in line["receipts"]]
