"""A stand-in for the function app, for tests of the host."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import azure.functions as func

app = func.FunctionApp()


@app.service_bus_queue_trigger(
    arg_name="message", queue_name="%WORK_QUEUE%", connection="ServiceBusConnection"
)
async def work(message: func.ServiceBusMessage) -> None:
    """Begins, waits for the file `go` in the folder NOTES, and ends."""
    notes = Path(os.environ["NOTES"])
    (notes / "begun").write_bytes(message.get_body())
    while not (notes / "go").exists():  # noqa: ASYNC110  # another process writes it
        await asyncio.sleep(0.02)
    (notes / "done").write_bytes(message.get_body())


@app.service_bus_topic_trigger(
    arg_name="message",
    topic_name="%NO_TOPIC%",
    subscription_name="%NO_SUBSCRIPTION%",
    connection="ServiceBusConnection",
)
async def nobody(message: func.ServiceBusMessage) -> None:
    """Has a queue that no setting names."""


@app.route(
    route="echo/{name}",
    methods=[func.HttpMethod.POST],
    auth_level=func.AuthLevel.ANONYMOUS,
    trigger_arg_name="request",
)
async def echo(request: func.HttpRequest) -> func.HttpResponse:
    """Echoes the request."""
    seen = {
        "method": request.method,
        "url": request.url,
        "headers": dict(request.headers),
        "query": dict(request.params),
        "route": dict(request.route_params),
        "body": request.get_body().hex(),
    }
    headers = {"content-type": "application/json", "x-seen": "yes"}
    return func.HttpResponse(json.dumps(seen), status_code=202, headers=headers)


@app.route(
    methods=[func.HttpMethod.GET], auth_level=func.AuthLevel.ANONYMOUS, trigger_arg_name="request"
)
async def broken(request: func.HttpRequest) -> func.HttpResponse:
    raise RuntimeError("broken")
