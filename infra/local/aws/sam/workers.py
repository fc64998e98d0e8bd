"""The workers' function in Lambda's image: it does the work that waits, and its watch looks on.

A server that knows no function of this build does not invoke one, so each invocation is by hand.
The first polls, by which the server learns of the build; the second finds the work.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final
from uuid import uuid4

from core.contracts import ROOT_TASK_QUEUE, ROOT_WORKFLOW, SERVERLESS_DEPLOYMENT
from core.domain.event import Event
from core.domain.identity import workflow_id
from core.domain.smoke import SMOKE, smoke_key
from infra.local.aws.sam.events import Row
from infra.local.aws.sam.invoke import BUILD_ID, Functions, Invocation
from infra.local.processes import LocalStackError, program
from infra.local.temporal import Temporal

WORKERS: Final = "workers"
"""How `make sam-local` calls this among its events."""


def workers_row(functions: Functions, temporal: Temporal, address: str, folder: Path) -> Row:
    """The invocation that did the work, and what was not as expected of any."""
    try:
        functions.invoke("Workers", _empty(folder, "workers-poll"))
        _make_current(address)
        event = _smoke(uuid4().hex)
        id = workflow_id(event.key)
        temporal.start(ROOT_WORKFLOW, id=id, task_queue=ROOT_TASK_QUEUE, argument=event.to_wire())
        worked = functions.invoke("Workers", _empty(folder, "workers-work"))
        watched = functions.invoke("Watch", _empty(folder, "workers-watch"))
    except LocalStackError as error:
        return Row(event=WORKERS, invocation=None, problems=[str(error)])
    return Row(
        event=WORKERS,
        invocation=worked,
        problems=[*_done(temporal, id), *_failed("Workers", worked), *_watched(watched)],
    )


def _smoke(id: str) -> Event:
    return Event(id=id, source="/tidegate/smoke", type=SMOKE, key=smoke_key(id))


def _empty(folder: Path, name: str) -> Path:
    """The event of every invocation, in a file whose name the log gets."""
    path = folder / f"{name}.json"
    path.write_text("{}")
    return path


def _make_current(address: str) -> None:
    command = [program("temporal"), "--address", address, "worker", "deployment"]
    command += ["set-current-version", "--deployment-name", SERVERLESS_DEPLOYMENT]
    command += ["--build-id", BUILD_ID, "--yes", "--allow-no-pollers"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LocalStackError(f"the build cannot be made current: {done.stderr.strip()}")


def _done(temporal: Temporal, id: str) -> list[str]:
    found = temporal.find(id)
    status = found.status if found else "unknown"
    return [] if status == "COMPLETED" else [f"{id} is {status}, not COMPLETED"]


def _failed(function: str, invocation: Invocation) -> list[str]:
    answer = invocation.answer
    return [] if answer is None else [f"{function} answered {answer}, not null"]


def _watched(invocation: Invocation) -> list[str]:
    seen = [line for line in invocation.lines if "BacklogAge" in line]
    unseen = [] if seen else ["the watch wrote no BacklogAge"]
    return [*_failed("Watch", invocation), *unseen]
