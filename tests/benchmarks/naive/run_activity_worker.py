"""The naive root's activities: `python -m tests.benchmarks.naive.run_activity_worker`.

A process of its own, so that the activities are remote: each goes through the server.
"""

from __future__ import annotations

import sys

from core import bootstrap
from core.config.settings import Settings
from tests.benchmarks.naive.activities import NaiveActivities
from tests.benchmarks.naive.workflows import ACTIVITY_TASK_QUEUE
from workers.runtime import process


def plan(settings: Settings) -> process.Plan:
    activities = NaiveActivities(bootstrap.validation(settings), bootstrap.router(settings))
    return process.Plan(
        task_queue=ACTIVITY_TASK_QUEUE,
        workflows=[],
        activities=[activities.validate, activities.route],
    )


if __name__ == "__main__":
    sys.exit(process.run(plan))
