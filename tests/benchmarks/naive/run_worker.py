"""The worker of the naive root: `python -m tests.benchmarks.naive.run_worker`."""

from __future__ import annotations

import sys

from core import bootstrap
from core.settings import Settings
from tests.benchmarks.naive.workflows import TASK_QUEUE, NaiveRoot
from workers import runtime
from workers.root_orchestrator.activities import RootActivities


def plan(settings: Settings) -> runtime.Plan:
    activities = RootActivities(
        validation=bootstrap.validation(settings),
        router=bootstrap.router(settings),
        quarantine=bootstrap.quarantine(settings),
    )
    return runtime.Plan(
        task_queue=TASK_QUEUE,
        workflows=[NaiveRoot],
        activities=[activities.validate, activities.route],
    )


if __name__ == "__main__":
    sys.exit(runtime.run(plan))
