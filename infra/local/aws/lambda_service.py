"""Lambda on this machine, with as much of its API as deploying and invoking asynchronously take.

CreateFunction, UpdateFunctionConfiguration, PublishVersion, PutFunctionConcurrency, GetFunction,
GetFunctionConfiguration, ListFunctions and Invoke with the type `Event`; and on the same port
AssumeRole of STS (see `assume_role`), for callers that invoke through a role. Functions are kept in
memory. Their code is this installation's: what is uploaded is ignored.

An invocation is one process, which is killed at the function's timeout, so every start is a cold
one, which Lambda's are not: there an execution environment that has become free serves the next
invocation. The timeout counts from the start of the process, and so do the billed milliseconds: a
managed runtime is billed for its initialization, too.

A call beyond the reserved concurrency is refused. Lambda may instead accept and queue it, and
invoke the function late; to be refused is the harder case for a caller.

Each invocation that has ended is a line of JSON in the file of records: `id`, `function`,
`version`, `started` and `ended` (ISO 8601), `billed_ms`, `outcome` (`succeeded`, `failed` with a
non-zero exit code, `killed` by a signal, or `timed out`). What it prints goes to this process's
output, between the lines `START` and `END` that Lambda logs.

    python -m infra.local.aws.lambda_service --socket DESCRIPTOR --records FILE
        --role ARN --external-id ID

Source: AWS Lambda Developer Guide, "Invoking a function asynchronously", "Configuring reserved
concurrency" and "Lambda quotas"; AWS Lambda API Reference.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import signal
import socket
import sys
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final

from aiohttp import web

from infra.local.aws import assume_role
from infra.local.aws.account import REGION, function_arn
from infra.local.aws.lambda_function import LATEST
from infra.local.loopback import inherited
from infra.local.processes import as_child, python

EVENT_QUOTA: Final = 1024 * 1024
"""The largest event of an asynchronous invocation, in bytes."""
_VERSIONS: Final = "/2015-03-31/functions"
_ARN: Final = function_arn("")


@dataclass(frozen=True, slots=True)
class Version:
    """A function's configuration: `$LATEST`, or a published copy of it."""

    function: str
    handler: str
    role: str
    timeout: int = 3
    memory: int = 128
    variables: Mapping[str, str] = field(default_factory=dict)
    version: str = LATEST

    @classmethod
    def create(cls, request: Mapping[str, Any]) -> Version:
        new = cls(request["FunctionName"], request["Handler"], request["Role"])
        return new.updated(request)

    def updated(self, request: Mapping[str, Any]) -> Version:
        """This one with what a request changes."""
        return replace(
            self,
            handler=request.get("Handler", self.handler),
            timeout=request.get("Timeout", self.timeout),
            memory=request.get("MemorySize", self.memory),
            variables=request.get("Environment", {}).get("Variables", self.variables),
        )

    def to_json(self) -> dict[str, Any]:
        qualifier = None if self.version == LATEST else self.version
        return {
            "FunctionName": self.function,
            "FunctionArn": function_arn(self.function, qualifier),
            "Runtime": "python3.13",
            "Role": self.role,
            "Handler": self.handler,
            "Timeout": self.timeout,
            "MemorySize": self.memory,
            "Version": self.version,
            "Environment": {"Variables": dict(self.variables)},
            "PackageType": "Zip",
            "State": "Active",
            "LastUpdateStatus": "Successful",
        }


@dataclass(slots=True)
class Function:
    """A function with its versions, and what runs of it. Without `reserved` there is no limit."""

    latest: Version
    published: dict[str, Version] = field(default_factory=dict)
    reserved: int | None = None
    running: int = 0

    def publish(self) -> Version:
        number = str(len(self.published) + 1)
        self.published[number] = replace(self.latest, version=number)
        return self.published[number]


class ApiError(Exception):
    """A request that Lambda refuses: the error's name and HTTP status in its API."""

    def __init__(self, status: int, name: str, message: str, **more: str) -> None:
        super().__init__(message)
        self.status = status
        self.name = name
        self.body = {"Type": "User", "Message": message, **more}


class Lambda:
    """The functions, and their invocations."""

    def __init__(self, records: IO[str]) -> None:
        self._functions: dict[str, Function] = {}
        self._records = records
        self._invocations: set[asyncio.Task[None]] = set()

    def create(self, request: Mapping[str, Any]) -> Version:
        try:
            latest = Version.create(request)
        except KeyError as error:
            raise ApiError(400, "ValidationException", f"{error} is missing") from None
        if latest.function in self._functions:
            raise ApiError(
                409, "ResourceConflictException", f"Function already exist: {latest.function}"
            )
        self._functions[latest.function] = function = Function(latest)
        return function.publish() if request.get("Publish") else latest

    def configurations(self) -> list[Version]:
        return [function.latest for function in self._functions.values()]

    def configure(self, name: str, request: Mapping[str, Any]) -> Version:
        function = self._function(name)
        function.latest = function.latest.updated(request)
        return function.latest

    def publish(self, name: str) -> Version:
        return self._function(name).publish()

    def reserve(self, name: str, concurrency: int) -> None:
        self._function(name).reserved = concurrency

    def find(self, name: str, qualifier: str | None) -> Version:
        """The version that a name or an ARN, and perhaps a qualifier, stand for."""
        function = self._function(name)
        wanted = qualifier or _qualifier(name) or LATEST
        found = function.latest if wanted == LATEST else function.published.get(wanted)
        if found is None:
            raise _not_found(f"{function_arn(_plain(name), wanted)}")
        return found

    def invoke(self, version: Version, event: bytes) -> str:
        """Start an invocation; returns its ID."""
        function = self._functions[version.function]
        if function.reserved is not None and function.running >= function.reserved:
            raise ApiError(
                429,
                "TooManyRequestsException",
                "Rate Exceeded.",
                Reason="ReservedFunctionConcurrentInvocationLimitExceeded",
            )
        id = str(uuid.uuid4())
        function.running += 1
        invocation = asyncio.create_task(self._run(function, version, id, event))
        self._invocations.add(invocation)
        invocation.add_done_callback(self._invocations.discard)
        return id

    async def _run(self, function: Function, version: Version, id: str, event: bytes) -> None:
        try:
            begin, started = time.monotonic(), datetime.now(UTC)
            process = await _start(version, id, deadline=begin + version.timeout)
            _print(f"START RequestId: {id} Version: {version.version} Process: {process.pid}")
            try:
                async with asyncio.timeout_at(asyncio.get_running_loop().time() + version.timeout):
                    await process.communicate(event)
                timed_out = False
            except TimeoutError:
                process.kill()
                await process.wait()
                timed_out = True
            took = time.monotonic() - begin
        finally:
            function.running -= 1
        outcome = "timed out" if timed_out else _outcome(process.returncode)
        record = {
            "id": id,
            "function": version.function,
            "version": version.version,
            "started": started.isoformat(timespec="milliseconds"),
            "ended": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "billed_ms": math.ceil(took * 1000),
            "outcome": outcome,
        }
        _print(f"END RequestId: {id} Billed Duration: {record['billed_ms']} ms Status: {outcome}")
        self._records.write(json.dumps(record) + "\n")
        self._records.flush()

    def _function(self, name: str) -> Function:
        try:
            return self._functions[_plain(name)]
        except KeyError:
            raise _not_found(function_arn(_plain(name))) from None


def _plain(name: str) -> str:
    """The name of a function that is named by itself or by its ARN, perhaps with a version."""
    return name.removeprefix(_ARN).partition(":")[0]


def _qualifier(name: str) -> str:
    return name.removeprefix(_ARN).partition(":")[2]


def _not_found(arn: str) -> ApiError:
    return ApiError(404, "ResourceNotFoundException", f"Function not found: {arn}")


def _outcome(code: int | None) -> str:
    if code == 0:
        return "succeeded"
    return "killed" if code is None or code < 0 else "failed"


async def _start(version: Version, id: str, *, deadline: float) -> asyncio.subprocess.Process:
    command = python(
        "infra.local.aws.lambda_invocation",
        *("--handler", version.handler),
        *("--function", version.function),
        *("--version", version.version),
        *("--request-id", id),
        *("--memory", str(version.memory)),
        *("--deadline", repr(deadline)),
    )
    env = {
        **os.environ,
        "AWS_REGION": REGION,
        "AWS_LAMBDA_FUNCTION_NAME": version.function,
        "AWS_LAMBDA_FUNCTION_VERSION": version.version,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(version.memory),
        **version.variables,
    }
    return await asyncio.create_subprocess_exec(
        *as_child(command), env=env, stdin=asyncio.subprocess.PIPE
    )


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def app(lambda_: Lambda, *, role: str, external_id: str) -> web.Application:
    """The HTTP API."""

    async def create(request: web.Request) -> web.Response:
        return _json(201, lambda_.create(await request.json()).to_json())

    async def listed(_: web.Request) -> web.Response:
        return _json(200, {"Functions": [each.to_json() for each in lambda_.configurations()]})

    async def configure(request: web.Request) -> web.Response:
        return _json(200, lambda_.configure(_name(request), await request.json()).to_json())

    async def publish(request: web.Request) -> web.Response:
        return _json(201, lambda_.publish(_name(request)).to_json())

    async def reserve(request: web.Request) -> web.Response:
        asked = await request.json()
        lambda_.reserve(_name(request), asked["ReservedConcurrentExecutions"])
        return _json(200, asked)

    async def configuration(request: web.Request) -> web.Response:
        return _json(200, found(request).to_json())

    async def function(request: web.Request) -> web.Response:
        return _json(200, {"Configuration": found(request).to_json(), "Code": {}})

    async def invoke(request: web.Request) -> web.Response:
        version = found(request)
        kind = request.headers.get("X-Amz-Invocation-Type", "RequestResponse")
        if kind != "Event":
            raise ApiError(
                400,
                "InvalidParameterValueException",
                f"This Lambda takes asynchronous invocations: the type is {kind}, not Event",
            )
        try:
            event = await request.read()
        except web.HTTPRequestEntityTooLarge:
            message = f"Request must be smaller than {EVENT_QUOTA} bytes"
            raise ApiError(413, "RequestTooLargeException", message) from None
        id = lambda_.invoke(version, event)
        return web.Response(status=202, headers={"x-amzn-RequestId": id})

    async def security_token(request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        status, text = assume_role.answer(form, role=role, external_id=external_id)
        return web.Response(status=status, text=text, content_type="text/xml")

    def found(request: web.Request) -> Version:
        return lambda_.find(_name(request), request.query.get("Qualifier"))

    application = web.Application(client_max_size=EVENT_QUOTA, middlewares=[_refusals])
    application.router.add_routes(
        [
            web.post(_VERSIONS, create),
            web.get(_VERSIONS, listed),
            web.get(f"{_VERSIONS}/", listed),
            web.get(f"{_VERSIONS}/{{name}}", function),
            web.get(f"{_VERSIONS}/{{name}}/configuration", configuration),
            web.put(f"{_VERSIONS}/{{name}}/configuration", configure),
            web.post(f"{_VERSIONS}/{{name}}/versions", publish),
            web.post(f"{_VERSIONS}/{{name}}/invocations", invoke),
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
    except ApiError as error:
        return _json(error.status, error.body, {"x-amzn-errortype": error.name})
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
        application = app(Lambda(records), role=options.role, external_id=options.external_id)
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
