"""The baseline of `app-start`: a Starlette application that asks Temporal about one workflow.

It verifies, renders and logs nothing.
"""

from __future__ import annotations

import asyncio
import os

from mangum import Mangum
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from temporalio.client import Client

_clients: list[Client] = []


async def show(request: Request) -> PlainTextResponse:
    if not _clients:
        _clients.append(await Client.connect(os.environ["TEMPORAL_ADDRESS"]))
    run = await _clients[0].get_workflow_handle(request.path_params["id"]).describe()
    return PlainTextResponse(run.workflow_type)


asyncio.set_event_loop(asyncio.new_event_loop())
handler = Mangum(Starlette(routes=[Route("/i/{id}", show)]), lifespan="off")
