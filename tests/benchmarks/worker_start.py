"""A wake: what a serverless worker takes from before its process exists to its first completed
task, against the least that a worker can be.

Every sample is a fresh interpreter over the package that `build-Workers` makes: pinned
requirements, compiled bytecode, the compiled routing table. The workflow waits already, as it does
when Temporal calls the function. The server runs on this machine, without TLS.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from temporalio.api.workflowservice.v1 import SetWorkerDeploymentCurrentVersionRequest
from temporalio.client import Client
from temporalio.service import RPCError

from core.contracts import (
    INCIDENT_TASK_QUEUE,
    INCIDENT_WORKFLOW,
    SERVERLESS_DEPLOYMENT,
    SERVERLESS_SETTINGS,
)
from tests.benchmarks import deliver
from tests.benchmarks.end_to_end import Incidents, incidents
from tests.benchmarks.figures import Figure, compare, take_turns
from tests.benchmarks.harness import lambda_environment, servers
from tests.benchmarks.naive import bare_worker
from tests.benchmarks.start_up import figures, fresh, interpreter
from tests.support.lambda_package import package

_BUILD: Final = "bench"
_PATIENCE: Final = 60.0
_SDK: Final = "import temporalio.client, temporalio.worker"
_PLANS: Final = "import workers.serverless.handler as h; h._plans()"
# Both end as Lambda ends a process: the SDK's threads may abort an interpreter that ends by itself.
_BARE: Final = """
import os, bare_worker
bare_worker.main()
os._exit(0)
"""
_OURS: Final = """
import os
from workers.serverless.handler import handler
class Context:
    function_name, memory_limit_in_mb, aws_request_id = "tidegate-workers", "1024", "1"
    invoked_function_arn = "arn:aws:lambda:eu-west-1:123456789012:function:tidegate-workers:1"
    def get_remaining_time_in_millis(self):
        return 60_000
handler({}, Context())
os._exit(0)
"""


def measure(folder: Path, *, quick: bool) -> list[Figure]:
    tree = folder / "package"
    built = package(tree, "build-Workers")
    if built.returncode != 0:
        raise RuntimeError(built.stdout + built.stderr)
    shutil.copy(str(bare_worker.__file__), tree)
    rounds = 10 if quick else 30
    with servers(folder) as (_, server), incidents(server.address) as read:
        env = _environment(folder, tree, server.address)
        _make_current(read, env)
        loaded = take_turns(
            {"bare": lambda: fresh(_SDK, env), "ours": lambda: fresh(_PLANS, env)}, rounds
        )
        cases: dict[str, Callable[[], float]] = {
            "bare": partial(_first_task, read, env, _BARE, "Empty", bare_worker.TASK_QUEUE),
            "ours": partial(_first_task, read, env, _OURS, INCIDENT_WORKFLOW, INCIDENT_TASK_QUEUE),
        }
        woken = take_turns(cases, rounds)
    against = "temporalio.client and .worker"
    return [
        *figures("imports and plans", against, loaded["ours"], loaded["bare"], 1.6),
        compare(
            "to the first completed task",
            woken["ours"],
            woken["bare"],
            against="a bare worker, an empty workflow",
            unit="ms",
            at_most=1.6,
        ),
    ]


def _environment(folder: Path, tree: Path, address: str) -> dict[str, str]:
    settings = {
        "TIDEGATE_BUILD_ID": _BUILD,
        "TIDEGATE_IDLE_TIMEOUT": "0.2",
        "TIDEGATE_FIRST_TASK_TIMEOUT": "5",
    }
    assert settings.keys() <= {*SERVERLESS_SETTINGS}
    return (
        lambda_environment(folder, address)
        | settings
        | {
            "TIDEGATE_REPORTS": f"file://{folder}/reports",
            "TIDEGATE_PAGE_URLS": "json://127.0.0.1:1/",  # its failure comes after what is timed
            "PYTHONPATH": str(tree),
            "PYTHONDONTWRITEBYTECODE": "1",
            "LAMBDA_TASK_ROOT": str(tree),
            "BENCHMARK_RESULT": str(folder / "sample"),
        }
    )


def _make_current(read: Incidents, env: Mapping[str, str]) -> None:
    """The server knows a version once it has polled; tasks go to it from then on."""
    request = SetWorkerDeploymentCurrentVersionRequest(
        namespace=env["TEMPORAL_NAMESPACE"],
        deployment_name=SERVERLESS_DEPLOYMENT,
        build_id=_BUILD,
    )

    async def accepted(client: Client) -> bool:
        try:
            await client.workflow_service.set_worker_deployment_current_version(request)
        except RPCError:
            return False
        return True

    deadline = time.monotonic() + _PATIENCE
    with _running(_OURS, env, ""):
        while not read.run(accepted):
            if time.monotonic() > deadline:
                raise RuntimeError(f"build {_BUILD} is unknown to the server after {_PATIENCE:g} s")


def _first_task(
    read: Incidents, env: Mapping[str, str], code: str, workflow: str, task_queue: str
) -> float:
    """Milliseconds from before a new process to the completion of its workflow's first task, by the
    server's clock."""
    id = f"{workflow}:{uuid.uuid4()}"
    wires = [] if workflow == "Empty" else [deliver.event_of(deliver.alert()).to_wire()]
    read.start(workflow, *wires, id=id, task_queue=task_queue)
    begun = time.time()
    with _running(code, env, id):
        return (read.first_task(id) - begun) * 1000


@contextmanager
def _running(code: str, env: Mapping[str, str], argument: str) -> Iterator[None]:
    """A fresh interpreter that runs the code beside the block and ends by itself. Raises
    `RuntimeError` when it fails."""
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            [interpreter(), "-s", "-S", "-c", code, argument],
            env={**env, "PATH": os.environ["PATH"]},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            yield
            status = process.wait(timeout=_PATIENCE)
        finally:
            process.kill()
            process.wait()
        if status != 0:
            output.seek(0)
            raise RuntimeError(f"a fresh interpreter failed: {output.read()}")
