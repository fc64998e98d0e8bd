"""The baseline of `gateway`: an ASGI application that starts a workflow for each request.

It verifies, checks and logs nothing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable
from typing import Any

from temporalio.client import Client

from core.contracts import ROOT_TASK_QUEUE, ROOT_WORKFLOW

_clients: list[Client] = []


async def app(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    if scope["type"] != "http":
        return
    if not _clients:
        _clients.append(await Client.connect(os.environ["TEMPORAL_ADDRESS"]))
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    event = json.loads(body)
    await _clients[0].start_workflow(
        ROOT_WORKFLOW, event, id=f"{event['source']}#{event['id']}", task_queue=ROOT_TASK_QUEUE
    )
    await send({"type": "http.response.start", "status": 202, "headers": []})
    await send({"type": "http.response.body", "body": b"{}"})
