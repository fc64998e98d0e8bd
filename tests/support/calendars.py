"""Calendars in tests."""

from __future__ import annotations

from collections.abc import Collection

from core.domain.oncall.calendars import NO_CALENDARS, Calendars
from core.domain.oncall.file import OnCallFile


class NoCalendars:
    """A `CalendarReader` of files without calendars."""

    async def read(self, file: OnCallFile, schedules: Collection[str] | None = None) -> Calendars:
        return NO_CALENDARS
