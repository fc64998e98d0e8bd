"""The Functions host on this machine: feeds the real function app, as Azure's own host does.

It asks the app for its functions, as Microsoft's worker does, and reads from their bindings what to
listen to. Messages come from Service Bus (see `service_bus`), locked and with their locks renewed:
a function that returns completes its message, one that raises abandons it. Requests come over real
HTTP. Both are decoded by the SDK's own converters, out of what the host sends to the worker.
Functions whose queue is not set are left out, and so are triggers of Event Grid, which need an
address that Event Grid could reach.

    python -m infra.local.functions_host --port 8080 --service-bus URL [--app function_app:app]

Source: Azure Functions, "Azure Service Bus trigger", "HTTP trigger"; the worker's own source.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import logging
import os
import re
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Final

import aiohttp
import azure.functions as func
from aiohttp import web
from azure.functions.http import HttpRequest
from azure.functions.meta import Datum

CONCURRENCY: Final = 16
"""Messages of one queue that are in hand at once, as host.json sets it."""
RENEWAL: Final = 4.0
"""Seconds between two renewals of a message's lock."""
_POLL: Final = 5
_PAUSE: Final = 0.5
REQUEST_LIMIT: Final = 100 * 1024 * 1024
log = logging.getLogger("functions-host")

Body = Callable[[Any], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Function:
    """One function of the app: its trigger's JSON as the worker sends it to the host."""

    name: str
    body: Body
    trigger: Mapping[str, Any]

    @property
    def entity(self) -> str | None:
        """The queue or subscription it listens to; None where its name is not set."""
        names = [
            _setting(str(self.trigger.get(part, "")))
            for part in ("queueName", "topicName", "subscriptionName")
        ]
        queue, topic, subscription = names
        if topic and subscription:
            return f"{topic}/subscriptions/{subscription}"
        return queue


def functions(app: func.FunctionApp) -> list[Function]:
    """The app's functions. An app can be asked for them once in a process."""
    found = []
    for function in app.get_functions():
        bindings = json.loads(function.get_function_json())["bindings"]
        [trigger] = [b for b in bindings if b["type"].lower().endswith("trigger")]
        found.append(
            Function(str(function.get_function_name()), function.get_user_function(), trigger)
        )
    return found


class Receiver:
    """Messages of one queue for one function."""

    def __init__(self, function: Function, entity: str, url: str) -> None:
        self._function = function
        self._url = f"{url}/{entity}/messages"
        self._slots = asyncio.Semaphore(CONCURRENCY)
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, session: aiohttp.ClientSession) -> None:
        """Receive until cancelled; messages in hand are then finished."""
        try:
            while True:
                await self._slots.acquire()
                received = await self._receive(session)
                if received is None:
                    self._slots.release()
                    continue
                task = asyncio.create_task(self._settle(session, *received))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        finally:
            if self._tasks:
                await asyncio.wait(self._tasks)

    async def _receive(
        self, session: aiohttp.ClientSession
    ) -> tuple[Mapping[str, Any], func.ServiceBusMessage] | None:
        try:
            async with session.post(f"{self._url}/head?timeout={_POLL}") as answer:
                if answer.status != web.HTTPCreated.status_code:
                    return None
                broker = json.loads(answer.headers["BrokerProperties"])
                return broker, message(broker, answer.headers, await answer.read())
        except aiohttp.ClientError as error:
            log.warning("Service Bus does not answer: %s", error)
            await asyncio.sleep(_PAUSE)
            return None

    async def _settle(
        self,
        session: aiohttp.ClientSession,
        broker: Mapping[str, Any],
        given: func.ServiceBusMessage,
    ) -> None:
        url = f"{self._url}/{broker['MessageId']}/{broker['LockToken']}"
        renewing = asyncio.create_task(_renew(session, url))
        try:
            try:
                await self._function.body(given)
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
    except aiohttp.ClientError as error:
        log.warning("Service Bus does not answer: %s", error)


def message(
    broker: Mapping[str, Any], headers: Mapping[str, str], body: bytes
) -> func.ServiceBusMessage:
    """A message as the host sends it to the worker, and as the SDK decodes it."""
    properties = {}
    for name, text in headers.items():
        with suppress(ValueError):
            properties[name] = json.loads(text)
    for ours in ("BrokerProperties", "Content-Length"):
        properties.pop(ours, None)
    said = {
        "MessageId": broker["MessageId"],
        "ContentType": headers.get("Content-Type"),
        "CorrelationId": broker.get("CorrelationId"),
        "DeliveryCount": broker["DeliveryCount"],
        "SequenceNumber": broker["SequenceNumber"],
        "EnqueuedTimeUtc": parsedate_to_datetime(broker["EnqueuedTimeUtc"]).isoformat(),
        "DeadLetterReason": properties.get("DeadLetterReason"),
        "DeadLetterErrorDescription": properties.get("DeadLetterErrorDescription"),
        "UserProperties": properties,
        "ApplicationProperties": properties,
    }
    trigger = {name: _datum(value) for name, value in said.items() if value is not None}
    converter: Any = func.get_binding_registry().get("serviceBusTrigger")
    decoded: func.ServiceBusMessage = converter.decode(
        Datum(body, "bytes"), trigger_metadata=trigger
    )
    return decoded


def _datum(value: object) -> Datum:
    if isinstance(value, int):
        return Datum(value, "int")
    return Datum(value, "string") if isinstance(value, str) else Datum(json.dumps(value), "json")


def endpoint(function: Function) -> Callable[[web.Request], Awaitable[web.Response]]:
    """An HTTP function as a handler of requests."""

    async def serve(request: web.Request) -> web.Response:
        given = HttpRequest(
            request.method,
            str(request.url),
            headers=dict(request.headers),
            params=dict(request.query),
            route_params=dict(request.match_info),
            body_type="bytes",
            body=await request.read(),
        )
        try:
            answer: func.HttpResponse = await function.body(given)
        except Exception:
            log.exception("%s failed", function.name)
            return web.Response(status=500)
        return web.Response(
            status=answer.status_code, headers=dict(answer.headers), body=answer.get_body()
        )

    return serve


def web_app(found: list[Function]) -> web.Application:
    """All HTTP functions under their routes."""
    application = web.Application(client_max_size=REQUEST_LIMIT)
    for function in found:
        if function.trigger["type"] == "httpTrigger":
            for method in function.trigger.get("methods") or ["*"]:
                path = f"/{function.trigger.get('route') or function.name}"
                application.router.add_route(str(method).upper(), path, endpoint(function))
    return application


def _setting(name: str) -> str | None:
    """A name in a binding, where `%NAME%` stands for a setting."""
    if (found := re.fullmatch(r"%(\w+)%", name)) is None:
        return name or None
    return os.environ.get(found[1]) or None


async def run(app: func.FunctionApp, port: int, service_bus: str) -> None:
    """Feed the app until SIGTERM."""
    found = functions(app)
    runner = web.AppRunner(web_app(found), auto_decompress=False, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    listening = {
        function.name: function.entity
        for function in found
        if function.trigger["type"] == "serviceBusTrigger" and function.entity
    }
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with aiohttp.ClientSession() as session:
        receivers = [
            asyncio.create_task(Receiver(function, entity, service_bus).run(session))
            for function in found
            if (entity := listening.get(function.name))
        ]
        log.info("listens to 127.0.0.1:%d and to %s", port, ", ".join(listening.values()))
        await ended.wait()
        for receiver in receivers:
            receiver.cancel()
        await asyncio.gather(*receivers, return_exceptions=True)
    await runner.cleanup()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m infra.local.functions_host")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--service-bus", required=True, help="the URL of the namespace")
    parser.add_argument("--app", default="function_app:app", metavar="MODULE:NAME")
    options = parser.parse_args()
    logging.basicConfig(handlers=[JsonLines()], level="INFO")
    module, _, name = options.app.partition(":")
    app: func.FunctionApp = getattr(importlib.import_module(module), name)
    asyncio.run(run(app, options.port, options.service_bus))


class JsonLines(logging.StreamHandler[Any]):
    """The log on standard output, a JSON object a line, with the receipt or request it is about."""

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


if __name__ == "__main__":
    main()
