"""A look at serverless workers from outside, on a schedule: how long tasks have waited, and which
builds Temporal cannot invoke. A function that is never invoked cannot report that itself.

Whatever keeps it from asking ends the invocation with an error, and then there is no value either:
one alarm is for values that are missing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from core import bootstrap, emf
from core.adapters.temporal import admin
from core.adapters.temporal.worker_deployments import TemporalWorkerDeployment
from core.config.settings import Settings
from core.contracts import SERVERLESS_DEPLOYMENT
from core.errors import TidegateError
from core.ports.worker_deployment import State, WorkerDeployment
from workers.runtime import logs

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

log = logging.getLogger("tidegate.worker")


def handler(event: Any, context: LambdaContext) -> None:
    """Write what Temporal says now as metrics. Raises `TidegateError` when it does not say it."""
    logs.configure("INFO", aws_request_id=context.aws_request_id)
    try:
        asyncio.run(look(Settings.from_env()))
    except TidegateError as error:
        log.critical("cannot look at the task queues: %s", error)
        raise


async def look(settings: Settings) -> None:
    """Ask once. The backlogs include those of builds that are no longer current."""
    client = await bootstrap.connect(settings)
    queues = settings.served_queues
    found = await asyncio.gather(*(admin.backlog(client, queue) for queue in queues))
    backlogs = dict(zip(queues, found, strict=True))
    unreachable = await _unreachable(TemporalWorkerDeployment(client, SERVERLESS_DEPLOYMENT))
    for build, problem in unreachable.items():
        log.error("Temporal cannot invoke build %s: %s", build, problem)
    emit(backlogs, unreachable=len(unreachable))


def emit(backlogs: Mapping[str, admin.Backlog], *, unreachable: int) -> None:
    """Write the line of a look that saw these backlogs, by task queue."""
    oldest = max(backlog.age.total_seconds() for backlog in backlogs.values())
    emf.emit(
        {
            "BacklogAge": (round(oldest, 1), "Seconds"),
            "UnreachableBuilds": (unreachable, "Count"),
        },
        backlog={queue: backlog.tasks for queue, backlog in backlogs.items()},
    )


async def _unreachable(workers: WorkerDeployment) -> dict[str, str]:
    """Why Temporal cannot invoke a build, by its ID; of builds that get work or have some left."""
    deployment = await workers.describe()
    builds = deployment.builds if deployment else ()
    working = (State.CURRENT, State.RAMPING, State.DRAINING)
    return {each.id: each.problem for each in builds if each.problem and each.state in working}
