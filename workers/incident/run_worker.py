"""The incident worker: `python -m workers.incident.run_worker`.

Exit codes: see `workers.runtime.process`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from temporalio.common import VersioningBehavior

from core import bootstrap
from core.adapters.notifiers.addresses import Addresses, check_addresses
from core.config.settings import Settings
from core.contracts import INCIDENT_WORKER, ROUTES_IDENTITY
from core.domain.targets import TargetConfig
from core.operations.on_call import find_on_call
from core.process_end import end_process
from workers.heartbeat import run_worker as heartbeat
from workers.incident.activities import IncidentActivities
from workers.incident.workflows import IncidentWorkflow
from workers.oncall import run_worker as on_call
from workers.runtime import process


def plan(settings: Settings) -> process.Plan:
    """Raises `ConfigurationError` when something that incidents need is missing or invalid."""
    table = bootstrap.router(settings).digest
    oncall = bootstrap.oncall(settings)
    policies = bootstrap.policies(settings, oncall)
    targets = bootstrap.targets(policies, oncall)
    addresses = bootstrap.addresses(settings, targets)
    calendars = bootstrap.calendars(settings)
    activities = IncidentActivities(
        documents=bootstrap.documents(settings),
        notifier=bootstrap.notifier(),
        quarantine=bootstrap.quarantine(settings),
        policies=policies,
        targets=targets,
        addresses=addresses,
        find_on_call=partial(find_on_call, file=oncall, calendars=calendars),
        ack_timeout=settings.ack_timeout,
        incident_url=settings.incident_url,
        links=bootstrap.page_links(settings),
        reports=settings.reports,
        max_report_bytes=settings.max_report_bytes,
        continue_as_new_after=settings.continue_as_new_after,
        table=table,
    )
    parts = [
        on_call.part(settings, oncall, calendars),
        heartbeat.part(settings, oncall),
    ]
    return process.Plan(
        task_queue=INCIDENT_WORKER.task_queue,
        workflows=[IncidentWorkflow, *(each for part in parts for each in part.workflows)],
        activities=[*activities.all, *(each for part in parts for each in part.activities)],
        begin=[each for part in parts for each in part.begin],
        often_used=sum(part.often_used for part in parts),
        about=f"{ROUTES_IDENTITY}{table}",
        # An incident may run for a year, so it moves to each new build; changes are patched.
        versioning=VersioningBehavior.AUTO_UPGRADE,
        search_attributes=INCIDENT_WORKER.search_attributes,
        # Loads the library of each channel that is paged through.
        prepare=partial(_prepare, settings, targets, addresses),
    )


def _prepare(settings: Settings, targets: Mapping[str, TargetConfig], addresses: Addresses) -> None:
    check_addresses(targets, addresses)
    bootstrap.check_link_keys(settings)


if __name__ == "__main__":
    end_process(process.run(plan))
