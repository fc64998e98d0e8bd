"""The workers of a stack that run all the time, as processes or as containers: one for each entry
of `WORKERS`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final, Literal

from core.contracts import WORKERS, WorkerSpec
from infra.local.containers import Container
from infra.local.loopback import HOST, answers
from infra.local.processes import Child, Processes, python

NAMES: Final = frozenset(spec.name for spec in WORKERS)
Hosting = Literal["processes", "docker", "serverless"]
"""What workers run in: processes, containers of their image, or invocations of a function, which
are there while there is work (see `serverless`)."""


def start_worker(
    processes: Processes, spec: WorkerSpec, env: Mapping[str, str], *, container: bool = False
) -> None:
    """Start a worker; `is_ready` says when it takes work."""
    # Any free port: the worker logs which one it has bound.
    env = {**env, "TIDEGATE_HEALTH_ADDRESS": f"{HOST}:0"}
    if container:
        log = processes.logs / f"{spec.name}.log"
        processes.add(Container(spec.name, spec.module, env, log))
    else:
        processes.start(spec.name, python(spec.module), env)


def is_ready(worker: Child) -> bool:
    """Whether a worker takes work."""
    address = health_address(worker)
    return address is not None and answers(f"http://{address}/readyz")


def health_address(worker: Child) -> str | None:
    """Where a worker answers health checks since its last start, or None before it has logged
    that."""
    for line in worker.output().rpartition("\n")[0].splitlines():
        if '"health_port"' in line:
            return f"{HOST}:{json.loads(line)['health_port']}"
    return None
