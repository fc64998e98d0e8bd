"""Lambda functions on this machine: their versions, and their invocations.

Functions are kept in memory. Their code is this installation's: what is uploaded is ignored.

An invocation is one process, which is killed at the function's timeout, so every start is a cold
one, which Lambda's are not: there an execution environment that has become free serves the next
invocation. The timeout counts from the start of the process, and so do the billed milliseconds:
Lambda bills the initialization of a managed runtime, too. Memory is not limited, and an invocation
that failed is not repeated, as the function's template has it.

A call beyond the reserved concurrency is refused. Lambda accepts and queues it, and invokes the
function late or, after the maximum age of an event, not at all.

Each invocation that has ended is a line of JSON in the file of records: `id`, `function`,
`version`, `started` and `ended` (ISO 8601), `billed_ms`, `outcome` (`succeeded`, `failed` with a
non-zero exit code, `killed` by a signal, or `timed out`). What it prints goes to this process's
output, between the lines `START` and `END` that Lambda logs.

Source: AWS Lambda Developer Guide, "Invoking a function asynchronously", "Configuring reserved
concurrency" and "Understanding the Lambda execution environment lifecycle".
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import sys
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import IO, Any, Final

from infra.local.aws.account import REGION, function_arn
from infra.local.aws.lambda_function import LATEST
from infra.local.processes import as_child, python

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
        """A new version; the last one if nothing has changed since."""
        last = self.published.get(str(len(self.published)))
        if last is None or last != replace(self.latest, version=last.version):
            number = str(len(self.published) + 1)
            last = self.published[number] = replace(self.latest, version=number)
        return last


class Refused(Exception):
    """A request that Lambda refuses: the error's name and HTTP status in its API."""

    def __init__(self, status: int, name: str, message: str, **more: str) -> None:
        super().__init__(message)
        self.status = status
        self.name = name
        self.body = {"Type": "User", "Message": message, **more}


class Functions:
    """All functions, and their invocations, each with a line in `records`."""

    def __init__(self, records: IO[str]) -> None:
        self._functions: dict[str, Function] = {}
        self._records = records
        self._invocations: set[asyncio.Task[None]] = set()

    def create(self, request: Mapping[str, Any]) -> Version:
        latest = Version.create(request)
        if latest.function in self._functions:
            raise Refused(
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
            raise Refused(
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
                async with asyncio.timeout_at(begin + version.timeout):
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


def _not_found(arn: str) -> Refused:
    return Refused(404, "ResourceNotFoundException", f"Function not found: {arn}")


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
