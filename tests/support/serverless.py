"""A real Temporal server that invokes the workers' function by itself, through a Lambda on this
machine that a test can make fail."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from core.contracts import SERVERLESS_DEPLOYMENT
from infra.local.aws.serverless import (
    CONCURRENCY,
    EXTERNAL_ID,
    FUNCTION,
    HANDLER,
    ROLE,
    TIMEOUT,
    Invocation,
    LambdaServer,
    start_lambda,
)
from infra.local.aws.servers import aws_client
from infra.local.environment import outside_environment
from infra.local.pager import ESCALATION, ON_CALL, Pager, start_pager
from infra.local.processes import Processes, program, wait_until
from infra.local.temporal import NAMESPACE, TemporalServer, start_temporal
from tests.support.faulty_lambda import FaultyLambda, faulty_lambda

FIRST_BUILD = "build-1"
_PATIENCE = 90.0


@dataclass(frozen=True, slots=True)
class Serverless:
    """`endpoint` is what the server invokes the function by; `temporal` and `pager` are the
    servers. `variables` are the function's, without its build ID."""

    temporal: TemporalServer
    pager: Pager
    endpoint: FaultyLambda
    lambda_: LambdaServer
    variables: Mapping[str, str]
    handler: str
    timeout: int
    concurrency: int

    @property
    def address(self) -> str:
        return self.temporal.address

    def invocations(self) -> list[Invocation]:
        """Those that have ended, in that order."""
        return self.lambda_.invocations()

    def running(self) -> dict[str, int]:
        """The process of each invocation that runs, by its ID."""
        return self.lambda_.running()

    def wait_asleep(self) -> None:
        """Return when no invocation runs."""
        wait_until(lambda: not self.running(), _PATIENCE, "the invocations to end")

    def kill(self) -> list[str]:
        """Kill every invocation that runs, as a host that fails would; returns their IDs."""
        running = self.running()
        for pid in running.values():
            with suppress(ProcessLookupError):  # it has ended meanwhile
                os.kill(pid, signal.SIGKILL)
        return list(running)

    @contextmanager
    def reserving(self, concurrency: int) -> Iterator[None]:
        """Within the block the function has a reserved concurrency of its own."""
        with closing(aws_client("lambda", self.lambda_.url)) as client:
            reserve = partial(client.put_function_concurrency, FunctionName=FUNCTION)
            reserve(ReservedConcurrentExecutions=concurrency)
            try:
                yield
            finally:
                reserve(ReservedConcurrentExecutions=self.concurrency)

    def publish(self, build: str, **changed: str) -> str:
        """Publish a version of the function that is this build, with variables that differ; returns
        its ARN."""
        variables = {**self.variables, "TIDEGATE_BUILD_ID": build, **changed}
        return self.lambda_.publish(
            variables, handler=self.handler, timeout=self.timeout, concurrency=self.concurrency
        )

    def deploy(self, build: str, **changed: str) -> None:
        """Publish a build, and create its version in the workers' deployment."""
        self.deployment(
            "create-version",
            *("--build-id", build),
            *("--aws-lambda-function-arn", self.publish(build, **changed)),
            *("--aws-lambda-assume-role-arn", ROLE),
            *("--aws-lambda-assume-role-external-id", EXTERNAL_ID),
        )

    def promote(self, build: str) -> None:
        """Make a build the one that new workflows start on. Waits until the build's first
        invocation has polled the task queues: before that the server may refuse."""
        command = "set-current-version", "--build-id", build, "--yes", "--allow-no-pollers"
        wait_until(
            lambda: self._run(*command).returncode == 0, _PATIENCE, f"{build} to be promoted"
        )

    def deployment(self, command: str, *options: str) -> None:
        """Run a command of `temporal worker deployment` about the workers' deployment."""
        done = self._run(command, *options)
        assert done.returncode == 0, done.stderr

    def _run(self, command: str, *options: str) -> subprocess.CompletedProcess[str]:
        name = "--name" if command in ("create", "describe") else "--deployment-name"
        return subprocess.run(
            [
                program("temporal"),
                *("--address", self.address),
                *("worker", "deployment", command),
                *(name, SERVERLESS_DEPLOYMENT),
                *options,
            ],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


@contextmanager
def serverless(
    folder: Path,
    *,
    handler: str = HANDLER,
    timeout: int = TIMEOUT,
    concurrency: int = CONCURRENCY,
    database: bool = False,
    **settings: str,
) -> Iterator[Serverless]:
    """The servers, with FIRST_BUILD deployed and promoted, and no invocation running. `settings`
    are more variables of the function. With `database` the server keeps its state when it is
    restarted."""
    processes = Processes(folder / "logs")
    outside = outside_environment()
    try:
        with faulty_lambda() as endpoint:
            lambda_ = start_lambda(processes, outside)
            endpoint.target = lambda_.url
            pager = start_pager(processes, outside)
            temporal = start_temporal(
                processes,
                outside | lambda_.caller_env | {"AWS_ENDPOINT_URL": endpoint.url},
                database=folder / "temporal.db" if database else None,
                options=lambda_.temporal_options,
            )
            for server in (lambda_, pager, temporal):
                server.wait()
            variables = {
                "TEMPORAL_ADDRESS": temporal.address,
                "TEMPORAL_NAMESPACE": NAMESPACE,
                "TIDEGATE_DOCUMENTS": f"file://{folder}/documents/",
                "TIDEGATE_QUARANTINE": f"file://{folder}/quarantine/",
                "TIDEGATE_REPORTS": f"file://{folder}/reports/",
                "TIDEGATE_PAGE_URLS": pager.target(ON_CALL),
                "TIDEGATE_ESCALATION_URLS": pager.target(ESCALATION),
                **settings,
            }
            up = Serverless(
                temporal, pager, endpoint, lambda_, variables, handler, timeout, concurrency
            )
            up.deployment("create")
            up.deploy(FIRST_BUILD)
            up.promote(FIRST_BUILD)
            # Temporal invokes a new version once, to learn its task queues.
            wait_until(up.invocations, _PATIENCE, "the first invocation to end")
            yield up
    finally:
        processes.stop()
