"""The worker of the floor: `python -m tests.benchmarks.floor.run_worker`. All but the workflow is
the incident worker's."""

from __future__ import annotations

import sys
from dataclasses import replace

from core.config.settings import Settings
from tests.benchmarks.floor.workflows import TASK_QUEUE, Floor
from workers.incident.run_worker import plan as incident_plan
from workers.runtime import process


def plan(settings: Settings) -> process.Plan:
    return replace(incident_plan(settings), task_queue=TASK_QUEUE, workflows=[Floor])


if __name__ == "__main__":
    sys.exit(process.run(plan))
