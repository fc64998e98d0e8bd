"""Workers without a process of their own: a function that Temporal's server invokes when a task
finds nobody polling.

The server's worker controller calls Lambda as it does in a deployment: it assumes a role, with an
external ID and only with that, and invokes a published version (see `lambda_functions`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal

from infra.local.aws.account import role_arn
from infra.local.aws.servers import aws_client, aws_environment
from infra.local.processes import Processes
from infra.local.servers import Server, start_server

LAMBDA: Final = "lambda"
"""The name of the server's child."""
FUNCTION: Final = "tidegate-workers"
HANDLER: Final = "workers.serverless.handler:handler"
ROLE: Final = role_arn("tidegate-invoke-workers")
EXTERNAL_ID: Final = "tidegate-local"
TIMEOUT: Final = 60
"""Seconds that an invocation may take."""
CONCURRENCY: Final = 4
"""Invocations that may run concurrently: the processes of a laptop."""
MEMORY_MB: Final = 1024
_STARTED: Final = re.compile(r"^START RequestId: (\S+) Version: \S+ Process: (\d+)$", re.MULTILINE)

_CONTROLLER: Final = (
    "workercontroller.enabled=true",
    'workercontroller.compute_providers.enabled=["aws-lambda"]',
    'workercontroller.scaling_algorithms.enabled=["no-sync"]',
)
"""The server's settings by which it invokes functions."""

Outcome = Literal["succeeded", "failed", "killed", "timed out"]


@dataclass(frozen=True, slots=True)
class Invocation:
    """An invocation that has ended."""

    id: str
    function: str
    version: str
    started: datetime
    ended: datetime
    billed_ms: int
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class LambdaServer:
    """Lambda as a child. `records` has a line for each invocation that has ended."""

    server: Server
    records: Path

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def caller_env(self) -> dict[str, str]:
        """The settings by which Temporal's server invokes functions here, through the role."""
        return aws_environment(self.url)

    @property
    def env(self) -> dict[str, str]:
        """The settings by which a process that uses the services of the stack's cloud finds
        functions here."""
        return {"AWS_ENDPOINT_URL_LAMBDA": self.url}

    @property
    def temporal_options(self) -> tuple[str, ...]:
        """Options of `temporal server start-dev` by which it invokes functions."""
        return tuple(
            option for value in _CONTROLLER for option in ("--dynamic-config-value", value)
        )

    def wait(self) -> None:
        """Return when it answers. Raises `LocalStackError` when it dies or does not in time."""
        self.server.wait("/2015-03-31/functions")

    def invocations(self) -> list[Invocation]:
        """Those that have ended, in that order."""
        lines = self.records.read_text(encoding="utf-8").rpartition("\n")[0].splitlines()
        return [_invocation(json.loads(line)) for line in lines]

    def started(self) -> dict[str, int]:
        """The process of each invocation since the server's start, by the invocation's ID, in the
        order in which they started."""
        return {id: int(pid) for id, pid in _STARTED.findall(self.server.child.output())}

    def running(self) -> dict[str, int]:
        """The process of each invocation that runs, by its ID."""
        started = self.started()
        ended = {each.id for each in self.invocations()}
        return {id: pid for id, pid in started.items() if id not in ended}

    def publish(
        self,
        variables: Mapping[str, str],
        *,
        handler: str = HANDLER,
        timeout: int = TIMEOUT,
        concurrency: int = CONCURRENCY,
    ) -> str:
        """Publish a version of the workers' function with these variables; returns its ARN. The
        first one creates the function."""
        settings: Any = {
            "FunctionName": FUNCTION,
            "Handler": handler,
            "Timeout": timeout,
            "MemorySize": MEMORY_MB,
            "Environment": {"Variables": dict(variables)},
        }
        with closing(aws_client("lambda", self.url)) as client:
            if client.list_functions()["Functions"]:
                client.update_function_configuration(**settings)
            else:
                role = role_arn(FUNCTION)
                client.create_function(**settings, Role=role, Code={}, Runtime="python3.13")
            client.put_function_concurrency(
                FunctionName=FUNCTION, ReservedConcurrentExecutions=concurrency
            )
            return str(client.publish_version(FunctionName=FUNCTION)["FunctionArn"])


def start_lambda(processes: Processes, env: Mapping[str, str]) -> LambdaServer:
    """Start Lambda; it may not answer yet (see `LambdaServer.wait`)."""
    processes.logs.mkdir(parents=True, exist_ok=True)
    records = processes.logs / "invocations.jsonl"
    records.touch()
    options = ("--records", str(records), "--role", ROLE, "--external-id", EXTERNAL_ID)
    module = "infra.local.aws.lambda_service"
    return LambdaServer(start_server(processes, LAMBDA, module, env, *options), records)


def _invocation(record: Mapping[str, Any]) -> Invocation:
    times = {name: datetime.fromisoformat(record[name]) for name in ("started", "ended")}
    return Invocation(**{**record, **times})
