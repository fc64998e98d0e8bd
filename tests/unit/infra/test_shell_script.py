"""What a shell that uses the local stack is set to."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from core.contracts import INCIDENT_WORKER, ROOT_WORKER, WorkerSpec
from infra.local.welcome import shell_script


@pytest.mark.parametrize(
    ("function", "workers", "line"),
    [
        (object(), (INCIDENT_WORKER,), "export TIDEGATE_SERVED_WORKERS=incident-worker\n"),
        (object(), (ROOT_WORKER, INCIDENT_WORKER), "=root-worker,incident-worker\n"),
        (None, (INCIDENT_WORKER,), ""),
    ],
)
def test_the_rollout_commands_know_which_workers_the_function_serves(
    function: object, workers: tuple[WorkerSpec, ...], line: str
) -> None:
    stack: Any = SimpleNamespace(
        env={},
        cloud=SimpleNamespace(message_queue="http://queue", gateway="http://webhooks"),
        function=function,
        workers=workers,
    )
    script = shell_script(stack)
    assert line in script
    assert ("TIDEGATE_SERVED_WORKERS" in script) == bool(line)
