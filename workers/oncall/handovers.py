"""Which hand-overs are to be announced next, as far as that is known.

Deterministic: runs in the workflow sandbox.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from core.domain.oncall.handovers import Handover

_DAY: Final = timedelta(days=1)
"""After which it is examined again: the on-call file and calendars may have changed."""

SOON: Final = timedelta(minutes=10)
"""After which it is examined again where that has failed; in time for what is not too late."""

TOO_LATE: Final = timedelta(hours=1)
"""After which a hand-over is not announced any more."""

_INSTANT: Final = timedelta(microseconds=1)


class Handovers:
    """The next hand-overs. Those before `since` are settled; `examine_at` is when somebody has to
    look for the next ones."""

    def __init__(self, since: datetime) -> None:
        self.since = since
        self.examine_at = since
        self._upcoming: Sequence[Handover] = ()
        self._examining = self._are_known = False

    @property
    def due_at(self) -> datetime:
        """When there is something to do next."""
        return min([self.examine_at, *(each.at for each in self._upcoming)])

    def examine_again(self, now: datetime) -> None:
        """Something has changed. What was due before that stays due."""
        if self._are_known and all(each.at > now for each in self._upcoming):
            self.since = now
        self._forget(now)

    def start_examining(self, now: datetime) -> datetime:
        """The moment from which to look for hand-overs."""
        self.examine_again(now)
        self.examine_at, self._examining = now + _DAY, True
        self.since = max(self.since, now - TOO_LATE)
        return self.since

    def examined(self, upcoming: Sequence[Handover]) -> None:
        """The next hand-overs, unless something has changed since the examination began."""
        if self._examining:
            self._upcoming, self._are_known = upcoming, True

    def not_examined(self, now: datetime) -> None:
        """The examination has failed."""
        self.examine_at = min(self.examine_at, now + SOON)

    def take(self, now: datetime) -> Sequence[Handover]:
        """The hand-overs that are due and not too late; those after them are to be examined
        next."""
        due = [each for each in self._upcoming if each.at <= now]
        if due:
            self.since = due[0].at + _INSTANT
            self._forget(now)
        return [each for each in due if each.at >= now - TOO_LATE]

    def _forget(self, now: datetime) -> None:
        self.examine_at, self._upcoming = now, ()
        self._examining = self._are_known = False
