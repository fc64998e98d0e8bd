"""The root worker: `python -m workers.root_orchestrator.run_worker`.

Exit codes: see `workers.runtime.process`.
"""

from __future__ import annotations

import logging

from temporalio.common import VersioningBehavior

from core import bootstrap
from core.config.settings import Settings
from core.contracts import ROOT_WORKER, ROUTES_IDENTITY
from core.process_end import end_process
from workers.root_orchestrator.activities import RootActivities
from workers.root_orchestrator.workflows import RootOrchestratorWorkflow
from workers.runtime import process

log = logging.getLogger("tidegate.worker")


def plan(settings: Settings) -> process.Plan:
    """Raises `SettingsError` or `ConfigFileError`."""
    if not settings.documents:
        log.warning("TIDEGATE_DOCUMENTS is not set: events about documents wait until it is")
    router = bootstrap.router(settings)
    log.info("routing table %s", router.digest)
    activities = RootActivities(
        validation=bootstrap.validation(settings),
        router=router,
        quarantine=bootstrap.quarantine(settings),
    )
    return process.Plan(
        task_queue=ROOT_WORKER.task_queue,
        workflows=[RootOrchestratorWorkflow],
        activities=[
            activities.validate_and_route,
            activities.validate_smoke,
            activities.quarantine,
        ],
        about=f"{ROUTES_IDENTITY}{router.digest}",
        # It runs for seconds, so it ends on the build that it started on.
        versioning=VersioningBehavior.PINNED,
    )


if __name__ == "__main__":
    end_process(process.run(plan))
