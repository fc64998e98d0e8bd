"""What the incident worker serves of overrides, silences and maintenance that are added at run
time."""

from __future__ import annotations

from core import bootstrap
from core.adapters.temporal import on_call
from core.config.settings import Settings
from core.domain.oncall.file import OnCallFile
from core.domain.oncall.handovers import announces
from core.ports.calendars import CalendarReader
from workers.oncall.activities import OnCallActivities
from workers.oncall.workflows import OnCallWorkflow
from workers.runtime.process import Part


def part(settings: Settings, oncall: OnCallFile, calendars: CalendarReader) -> Part:
    """Its workflow starts with the first command, or before that to announce hand-overs."""
    activities = OnCallActivities(
        file=oncall,
        calendars=calendars,
        notifier=bootstrap.notifier(),
        addresses=bootstrap.addresses(settings, oncall.targets),
        continue_as_new_after=settings.continue_as_new_after,
    )
    return Part(
        workflows=[OnCallWorkflow],
        activities=activities.all,
        begin=[on_call.begin] if announces(oncall) else [],
    )
