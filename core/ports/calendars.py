"""The Calendars port: what the layers of schedules that are calendars say."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from core.domain.oncall.calendars import Calendars
from core.domain.oncall.file import OnCallFile


class CalendarReader(Protocol):
    """Reads calendars, and keeps what it has read until it is to be refreshed."""

    async def read(self, file: OnCallFile, schedules: Collection[str] | None = None) -> Calendars:
        """The calendars of these schedules of a file, or of all. It raises nothing for a calendar
        that cannot be read, which a remark names, and takes a few seconds at most."""
        ...
