r"""The Functions host on this machine: runs the real function app, as Azure's own host does.

It gets the app's functions, as Microsoft's worker does, and reads from their bindings what to
listen to. Messages come from Service Bus (see `service_bus`), locked, and their locks are renewed:
a function that returns completes its message, one that raises abandons it. Requests come over real
HTTP. Both are decoded by the SDK's own converters from what the host sends to the worker. Functions
whose queue is not set are skipped, and so are Event Grid triggers, which need a public address.

    python -m infra.local.azure.functions_host --socket DESCRIPTOR --service-bus URL \
        [--app function_app:app]

Source: Azure Functions, "Azure Service Bus trigger", "HTTP trigger"; the worker's own source.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import inspect
import json
import logging
import os
import re
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import azure.functions as func
from aiohttp import web

from functions_azure.host import FILE
from infra.local.azure import functions_wire
from infra.local.loopback import inherited

CONCURRENCY: Final[int] = json.loads(FILE.read_text(encoding="utf-8"))["extensions"]["serviceBus"][
    "maxConcurrentCalls"
]
"""Messages of one queue that are processed concurrently."""
RENEWAL: Final = 4.0
"""Seconds between renewals of a message's lock."""
_POLL: Final = 1
_PAUSE: Final = 0.5
REQUEST_LIMIT: Final = 100 * 1024 * 1024
log = logging.getLogger("functions-host")

Body = Callable[..., Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Function:
    """One function of the app, with its trigger's JSON as the worker sends it to the host."""

    name: str
    body: Body
    trigger: Mapping[str, Any]

    @property
    def entity(self) -> str | None:
        """The queue or subscription that it listens to; None if its name is not set."""
        names = [
            _setting(str(self.trigger.get(part, "")))
            for part in ("queueName", "topicName", "subscriptionName")
        ]
        queue, topic, subscription = names
        if topic and subscription:
            return f"{topic}/subscriptions/{subscription}"
        return queue


def functions(app: func.FunctionApp) -> list[Function]:
    """The app's functions. An app returns them only once in a process."""
    all_functions = []
    for function in app.get_functions():
        bindings = json.loads(function.get_function_json())["bindings"]
        [trigger] = [b for b in bindings if b["type"].lower().endswith("trigger")]
        all_functions.append(
            Function(str(function.get_function_name()), function.get_user_function(), trigger)
        )
    return all_functions


class Receiver:
    """Messages of one queue for one function."""

    def __init__(self, function: Function, entity: str, url: str) -> None:
        self.entity = entity
        self._function = function
        self._url = f"{url}/{entity}/messages"
        self._slots = asyncio.Semaphore(CONCURRENCY)
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False

    async def run(self, session: aiohttp.ClientSession) -> None:
        """Receive until `stop`; `finish` waits for messages that are then in flight."""
        while not self._stopping:
            await self._slots.acquire()
            if (received := await self._receive(session)) is None:
                self._slots.release()
                continue
            task = asyncio.create_task(self._settle(session, *received))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def stop(self) -> None:
        """Receive no more. A pending receive is not cancelled: a message that arrives just then
        would stay locked."""
        self._stopping = True

    async def finish(self) -> None:
        """Return when no message is in flight."""
        await asyncio.gather(*self._tasks)

    async def _receive(
        self, session: aiohttp.ClientSession
    ) -> tuple[Mapping[str, Any], func.ServiceBusMessage] | None:
        try:
            async with session.post(f"{self._url}/head?timeout={_POLL}") as answer:
                if answer.status == web.HTTPNoContent.status_code:
                    return None
                answer.raise_for_status()
                broker = json.loads(answer.headers["BrokerProperties"])
                return broker, functions_wire.message(broker, answer.headers, await answer.read())
        except (aiohttp.ClientError, TimeoutError) as error:
            log.warning("Service Bus is unavailable: %s", error)
            await asyncio.sleep(_PAUSE)
            return None

    async def _settle(
        self,
        session: aiohttp.ClientSession,
        broker: Mapping[str, Any],
        message: func.ServiceBusMessage,
    ) -> None:
        url = f"{self._url}/{broker['SequenceNumber']}/{broker['LockToken']}"
        renewing = asyncio.create_task(_renew(session, url))
        try:
            try:
                await self._function.body(message)
            except Exception:
                log.exception("%s failed: its message is abandoned", self._function.name)
                await _ask(session, "PUT", url)
            else:
                await _ask(session, "DELETE", url)
        finally:
            renewing.cancel()
            self._slots.release()


async def _renew(session: aiohttp.ClientSession, url: str) -> None:
    while True:
        await asyncio.sleep(RENEWAL)
        await _ask(session, "POST", url)


async def _ask(session: aiohttp.ClientSession, method: str, url: str) -> None:
    try:
        async with session.request(method, url) as answer:
            if answer.status != web.HTTPOk.status_code:
                log.warning("%s %s: %s; the lock is lost", method, url, answer.status)
    except (aiohttp.ClientError, TimeoutError) as error:
        log.warning("Service Bus is unavailable: %s", error)


def endpoint(function: Function) -> Callable[[web.Request], Awaitable[web.Response]]:
    """An HTTP function as a handler of requests."""

    # Microsoft's worker passes a context to a function that has a parameter of that name.
    context = {"context": None} if "context" in inspect.signature(function.body).parameters else {}

    async def serve(request: web.Request) -> web.Response:
        decoded = await functions_wire.request(request)
        try:
            answer: func.HttpResponse = await function.body(decoded, **context)
        except Exception:
            log.exception("%s failed", function.name)
            return web.Response(status=500)
        return functions_wire.response(answer)

    return serve


def web_app(all_functions: list[Function]) -> web.Application:
    """All HTTP functions under their routes."""
    application = web.Application(client_max_size=REQUEST_LIMIT)
    for function in all_functions:
        if function.trigger["type"] == "httpTrigger":
            for method in function.trigger.get("methods") or ["*"]:
                route = str(function.trigger.get("route") or function.name)
                path = re.sub(r"\{\*(\w+)\}", r"{\1:.*}", f"/{route.lstrip('/')}")
                application.router.add_route(str(method).upper(), path, endpoint(function))
    return application


def _setting(name: str) -> str | None:
    """A name in a binding; `%NAME%` refers to a setting."""
    if (setting := re.fullmatch(r"%(\w+)%", name)) is None:
        return name or None
    return os.environ.get(setting[1]) or None


async def run(app: func.FunctionApp, listening: socket.socket, service_bus: str) -> None:
    """Run the app until SIGTERM."""
    all_functions = functions(app)
    runner = web.AppRunner(web_app(all_functions), auto_decompress=False, access_log=None)
    await runner.setup()
    await web.SockSite(runner, listening).start()
    receivers = [
        Receiver(function, entity, service_bus)
        for function in all_functions
        if function.trigger["type"] == "serviceBusTrigger" and (entity := function.entity)
    ]
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with aiohttp.ClientSession() as session:
        receiving = [asyncio.create_task(one.run(session)) for one in receivers]
        entities = ", ".join(one.entity for one in receivers)
        log.info("listens on port %d, and to %s", listening.getsockname()[1], entities)
        ending = asyncio.create_task(ended.wait())
        done, _ = await asyncio.wait([ending, *receiving], return_when=asyncio.FIRST_COMPLETED)
        for one in receivers:
            one.stop()
        await asyncio.gather(*receiving, return_exceptions=True)
        log.info("listens no longer, and finishes messages in flight")
        await asyncio.gather(*(one.finish() for one in receivers))
    await runner.cleanup()
    for task in done:
        task.result()  # raises what ended a receiver


class JsonLines(logging.StreamHandler[Any]):
    """Logs to standard output, one JSON object a line, with the receipt or request that a record
    is about."""

    def __init__(self) -> None:
        super().__init__(sys.stdout)

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["error"] = logging.Formatter().formatException(record.exc_info)
        if receipt := getattr(record, "receipt", None):
            line["receipts"] = [receipt]
        if request := getattr(record, "request", None):
            line["request"] = request
        return json.dumps(line, default=str)


def main() -> None:
    """Run the app until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m infra.local.azure.functions_host")
    parser.add_argument("--socket", type=inherited, required=True, help="a file descriptor")
    parser.add_argument("--service-bus", required=True, help="the URL of the namespace")
    parser.add_argument("--app", default="function_app:app", metavar="MODULE:NAME")
    options = parser.parse_args()
    logging.basicConfig(handlers=[JsonLines()], level="INFO")
    module, _, name = options.app.partition(":")
    app: func.FunctionApp = getattr(importlib.import_module(module), name)
    asyncio.run(run(app, options.socket, options.service_bus))


if __name__ == "__main__":
    main()
