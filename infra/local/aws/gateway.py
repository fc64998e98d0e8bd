"""An HTTP API in front of a function: what API Gateway does between a socket and Lambda.

It turns each HTTP request into the exact event of payload 2.0, invokes the real handler with it and
a Lambda context, and sends the handler's response. One process is one execution environment and
works on one request at a time, as on Lambda.

    python -m infra.local.aws.gateway --socket DESCRIPTOR --handler MODULE:FUNCTION --function NAME

Source: Amazon API Gateway, "Working with AWS Lambda proxy integrations for HTTP APIs" and "Quotas
for configuring and running an HTTP API".
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import logging
import os
import signal
import socket
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, Final

from aiohttp import web

from infra.local.aws.account import ACCOUNT
from infra.local.aws.lambda_function import Handler, LambdaContext, load_handler
from infra.local.loopback import inherited

INTEGRATION_TIMEOUT: Final = 30.0
"""Seconds after which API Gateway gives up on a function."""
ANSWER_QUOTA: Final = 6 * 1024 * 1024
"""The largest response of a function that Lambda accepts, in bytes."""
PAYLOAD_QUOTA: Final = 10 * 1024 * 1024
_TEXT: Final = ("text/", "application/json", "application/javascript", "application/xml")
log = logging.getLogger("gateway")


class Gateway:
    """One function behind every path."""

    def __init__(self, handler: Handler, function: str) -> None:
        self._handler = handler
        self._function = function
        self._environment = ThreadPoolExecutor(max_workers=1)

    async def serve(self, request: web.Request) -> web.Response:
        """The function's response, or API Gateway's own when the function fails."""
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return web.json_response({"message": "Request Entity Too Large"}, status=413)
        invoking = asyncio.get_running_loop().run_in_executor(
            self._environment, self._invoke, http_event(request, body)
        )
        try:
            answer = await asyncio.wait_for(invoking, INTEGRATION_TIMEOUT)
            if len(json.dumps(answer)) > ANSWER_QUOTA:
                raise ValueError("the function's response is larger than Lambda accepts")
            return _response(answer)
        except TimeoutError:
            return web.json_response({"message": "Service Unavailable"}, status=503)
        except Exception:
            log.exception("%s failed", self._function)
            return web.json_response({"message": "Internal Server Error"}, status=500)

    def _invoke(self, event: dict[str, Any]) -> Any:
        request_id = event["requestContext"]["requestId"]
        deadline = time.monotonic() + INTEGRATION_TIMEOUT
        return self._handler(event, LambdaContext(self._function, request_id, deadline=deadline))


def http_event(request: web.Request, body: bytes) -> dict[str, Any]:
    """The event of payload 2.0 for a request: header names in lower case, repeated headers joined
    by commas, a body that is not text in base64."""
    headers: dict[str, str] = {}
    for name in dict.fromkeys(name.lower() for name in request.headers):
        headers[name] = ",".join(request.headers.getall(name))
    now = datetime.now(UTC)
    event = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": request.path,
        "rawQueryString": request.rel_url.raw_query_string,
        "headers": headers,
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": "local",
            "domainName": request.host,
            "domainPrefix": "local",
            "http": {
                "method": request.method,
                "path": request.path,
                "protocol": "HTTP/1.1",
                "sourceIp": request.remote or "127.0.0.1",
                "userAgent": headers.get("user-agent", ""),
            },
            "requestId": str(uuid.uuid4()),
            "routeKey": "$default",
            "stage": "$default",
            "time": now.strftime("%d/%b/%Y:%H:%M:%S +0000"),
            "timeEpoch": int(now.timestamp() * 1000),
        },
        "isBase64Encoded": False,
    }
    if request.query:
        event["queryStringParameters"] = {
            name: ",".join(request.query.getall(name)) for name in dict.fromkeys(request.query)
        }
    if body:
        text = _text(headers, body)
        event["body"] = base64.b64encode(body).decode() if text is None else text
        event["isBase64Encoded"] = text is None
    return event


def _text(headers: dict[str, str], body: bytes) -> str | None:
    """The body as text if its type says so, it is not compressed and it is valid UTF-8."""
    if "content-encoding" in headers or not headers.get("content-type", "").startswith(_TEXT):
        return None
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None


def _response(answer: Any) -> web.Response:
    body = answer.get("body") or ""
    raw = base64.b64decode(body) if answer.get("isBase64Encoded") else body.encode()
    return web.Response(status=answer["statusCode"], headers=answer.get("headers"), body=raw)


def app(handler: Handler, function: str) -> web.Application:
    """An application that hands every request to the function."""
    application = web.Application(client_max_size=PAYLOAD_QUOTA)
    application.router.add_route("*", "/{path:.*}", Gateway(handler, function).serve)
    return application


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve an HTTP API in front of a Lambda handler.")
    parser.add_argument("--socket", type=inherited, required=True, help="a file descriptor")
    parser.add_argument("--handler", required=True, metavar="MODULE:FUNCTION")
    parser.add_argument("--function", default="function", help="its name in context and log")
    options = parser.parse_args()
    logging.basicConfig(level="INFO", format="%(asctime)s %(name)s %(message)s", stream=sys.stderr)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
    asyncio.run(_run(load_handler(options.handler), options.function, options.socket))


async def _run(handler: Handler, function: str, listening: socket.socket) -> None:
    runner = web.AppRunner(app(handler, function), auto_decompress=False)
    await runner.setup()
    await web.SockSite(runner, listening).start()
    port = listening.getsockname()[1]
    log.info("%s listens on port %d as process %d", function, port, os.getpid())
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    await ended.wait()
    await runner.cleanup()


if __name__ == "__main__":
    main()
