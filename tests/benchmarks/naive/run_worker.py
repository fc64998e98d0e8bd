"""The worker of the naive root: `python -m tests.benchmarks.naive.run_worker`."""

from __future__ import annotations

import sys

from core.config.settings import Settings
from tests.benchmarks.naive.workflows import TASK_QUEUE, NaiveRoot
from workers.runtime import process


def plan(settings: Settings) -> process.Plan:
    return process.Plan(
        task_queue=TASK_QUEUE,
        workflows=[NaiveRoot],
        activities=[],
    )


if __name__ == "__main__":
    sys.exit(process.run(plan))
