"""What one invocation of the workers' function has done, as one line of its log: the counterpart of
a worker process's health and metrics. CloudWatch reads its values from there.

`BilledSeconds` is the invocation as seen from inside: a cold start's loading of the function comes
on top. `IdleSeconds` is the part of it in which no task ran.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from core import emf
from workers.serverless.slots import Kind, Work

_DONE: Final[Mapping[Kind, str]] = {
    Kind.WORKFLOW: "WorkflowTasks",
    Kind.ACTIVITY: "Activities",
    Kind.LOCAL_ACTIVITY: "LocalActivities",
}


def emit(work: Work, *, seconds: float, cold: bool, request_id: str) -> None:
    """Write the line of an invocation that took so many seconds."""
    emf.emit(
        {
            "Wakes": (1, "Count"),
            "EmptyWakes": (int(not work.begun), "Count"),
            "ColdStarts": (int(cold), "Count"),
            **{name: (work.done[kind], "Count") for kind, name in _DONE.items()},
            "CutOffTasks": (work.cut_off + work.running(), "Count"),
            "BilledSeconds": (round(seconds, 3), "Seconds"),
            "IdleSeconds": (round(work.idle_in_all(), 3), "Seconds"),
        },
        aws_request_id=request_id,
    )
