"""What the incident worker serves of heartbeats. It has no process of its own."""

from __future__ import annotations

from functools import partial

from core import bootstrap
from core.config.settings import Settings
from core.domain.oncall.file import OnCallFile
from workers.heartbeat.activities import HeartbeatActivities
from workers.heartbeat.workflows import HeartbeatWorkflow
from workers.runtime.process import Part


def part(settings: Settings, oncall: OnCallFile) -> Part:
    """Raises `ConfigurationError` when something that it needs is invalid."""
    activities = HeartbeatActivities(
        heartbeats=oncall.heartbeats, intake=partial(bootstrap.intake, settings)
    )
    return Part(
        workflows=[HeartbeatWorkflow],
        activities=activities.all,
        often_used=len(oncall.heartbeats),
    )
