"""Lambda's API on this machine, with as much of it as deploying and invoking asynchronously take.

CreateFunction, UpdateFunctionConfiguration, PublishVersion, PutFunctionConcurrency, GetFunction,
GetFunctionConfiguration, ListFunctions and Invoke with the type `Event` (see `lambda_functions`);
and on the same port AssumeRole of STS (see `assume_role`), for callers that invoke through a role.

    python -m infra.local.aws.lambda_service --socket DESCRIPTOR --records FILE
        --role ARN --external-id ID

Source: AWS Lambda API Reference; AWS Lambda Developer Guide, "Lambda quotas".
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from infra.local.aws import assume_role
from infra.local.aws.lambda_functions import Functions, Refused, Version
from infra.local.loopback import inherited

EVENT_QUOTA: Final = 1024 * 1024
"""The largest event of an asynchronous invocation, in bytes."""
_FUNCTIONS: Final = "/2015-03-31/functions"


def app(functions: Functions, *, role: str, external_id: str) -> web.Application:
    """The HTTP API."""

    async def create(request: web.Request) -> web.Response:
        return _json(201, functions.create(await request.json()).to_json())

    async def listed(_: web.Request) -> web.Response:
        return _json(200, {"Functions": [each.to_json() for each in functions.configurations()]})

    async def configure(request: web.Request) -> web.Response:
        return _json(200, functions.configure(_name(request), await request.json()).to_json())

    async def publish(request: web.Request) -> web.Response:
        return _json(201, functions.publish(_name(request)).to_json())

    async def reserve(request: web.Request) -> web.Response:
        asked = await request.json()
        functions.reserve(_name(request), asked["ReservedConcurrentExecutions"])
        return _json(200, asked)

    async def configuration(request: web.Request) -> web.Response:
        return _json(200, found(request).to_json())

    async def function(request: web.Request) -> web.Response:
        return _json(200, {"Configuration": found(request).to_json(), "Code": {}})

    async def invoke(request: web.Request) -> web.Response:
        version = found(request)
        kind = request.headers.get("X-Amz-Invocation-Type", "RequestResponse")
        if kind != "Event":
            raise Refused(
                400,
                "InvalidParameterValueException",
                f"This Lambda takes asynchronous invocations: the type is {kind}, not Event",
            )
        try:
            event = await request.read()
        except web.HTTPRequestEntityTooLarge:
            message = f"Request must be smaller than {EVENT_QUOTA} bytes"
            raise Refused(413, "RequestTooLargeException", message) from None
        id = functions.invoke(version, event)
        return web.Response(status=202, headers={"x-amzn-RequestId": id})

    async def security_token(request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        status, text = assume_role.answer(form, role=role, external_id=external_id)
        return web.Response(status=status, text=text, content_type="text/xml")

    def found(request: web.Request) -> Version:
        return functions.find(_name(request), request.query.get("Qualifier"))

    application = web.Application(client_max_size=EVENT_QUOTA, middlewares=[_refusals])
    application.router.add_routes(
        [
            web.post(_FUNCTIONS, create),
            web.get(_FUNCTIONS, listed),
            web.get(f"{_FUNCTIONS}/", listed),
            web.get(f"{_FUNCTIONS}/{{name}}", function),
            web.get(f"{_FUNCTIONS}/{{name}}/configuration", configuration),
            web.put(f"{_FUNCTIONS}/{{name}}/configuration", configure),
            web.post(f"{_FUNCTIONS}/{{name}}/versions", publish),
            web.post(f"{_FUNCTIONS}/{{name}}/invocations", invoke),
            web.put("/2017-10-31/functions/{name}/concurrency", reserve),
            web.post("/", security_token),
        ]
    )
    return application


@web.middleware
async def _refusals(request: web.Request, handler: Any) -> web.StreamResponse:
    """Errors as the SDKs read them."""
    try:
        answer: web.StreamResponse = await handler(request)
    except Refused as error:
        return _json(error.status, error.body, {"x-amzn-errortype": error.name})
    except (ValueError, KeyError, TypeError) as error:
        refused = Refused(400, "InvalidParameterValueException", f"no such request: {error!r}")
        return _json(refused.status, refused.body, {"x-amzn-errortype": refused.name})
    return answer


def _name(request: web.Request) -> str:
    return request.match_info["name"]


def _json(
    status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> web.Response:
    return web.json_response(body, status=status, headers=headers)


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve Lambda's API for asynchronous invocations.")
    parser.add_argument("--socket", type=inherited, required=True, help="a file descriptor")
    parser.add_argument("--records", type=Path, required=True, help="the file of invocations")
    parser.add_argument("--role", required=True, metavar="ARN", help="the role to assume")
    parser.add_argument("--external-id", required=True, help="the ID without which it is refused")
    options = parser.parse_args()
    with options.records.open("a", encoding="utf-8") as records:
        application = app(Functions(records), role=options.role, external_id=options.external_id)
        asyncio.run(_serve(application, options.socket))


async def _serve(application: web.Application, listening: socket.socket) -> None:
    runner = web.AppRunner(application)
    await runner.setup()
    await web.SockSite(runner, listening).start()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    await ended.wait()
    await runner.cleanup()


if __name__ == "__main__":
    main()
