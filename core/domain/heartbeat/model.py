"""The state of one heartbeat: what is declared of it, what was heard, and what follows from that.

It survives continue-as-new as JSON, and grows with nothing that a sender controls.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from core.domain.heartbeat.beats import Beat
from core.domain.heartbeat.declaration import Declaration
from core.domain.value import Value


class Status(StrEnum):
    """How a heartbeat stands, as Temporal's lists show it."""

    UP = "up"
    """It was heard in time."""
    WAITING = "waiting"
    """It was never heard, and is not overdue."""
    MISSED = "missed"
    """It was not heard in time, and its alert fires."""
    FAILED = "failed"
    """It says that its command failed, and its alert fires."""
    SUSPECT = "suspect"
    """It was not heard in time, and no other heartbeat is: whatever receives them may be down."""
    PAUSED = "paused"
    UNDECLARED = "undeclared"
    """It was heard, and the on-call file does not have it."""


class Pause(Value):
    """Somebody has paused it, until a moment or until somebody resumes it."""

    by: Annotated[str, Field(min_length=1, max_length=100)]
    why: Annotated[str, Field(max_length=200)] = ""
    at: AwareDatetime
    until: AwareDatetime | None = None


class Alarm(Value):
    """Its alert while it fires: why, and since when."""

    status: Literal[Status.MISSED, Status.FAILED]
    since: AwareDatetime
    text: str


class Outage(Value):
    """No heartbeat is heard: since the last one of them was, at `heard_at`; noticed at `at`."""

    heard_at: AwareDatetime
    at: AwareDatetime


class Notice(Value):
    """What is still to be accepted by the intake: an alert that begins or ends.

    `alarm` is the heartbeat's own, and None for the shared alert that no heartbeat is heard.
    `since` is when the alert began, `until` when it ended.
    """

    alarm: Alarm | None
    since: AwareDatetime
    until: AwareDatetime | None = None


class Heartbeat(Value):
    """One heartbeat.

    - `since` is when it was declared first or resumed last: what was not heard yet is expected
      from there.
    - `due` is when the next beat is expected, `deadline` when to look whether it came; None where
      nothing is expected. They lie later than the declaration says after an outage of our own.
    - `extensions` counts how often that was done since the last beat.
    - `asking` says that the witnesses are to be asked.
    - `ended_at` is when its last alarm ended: a new one begins later.
    - `over` says that nothing is left to do once the notices are accepted.
    """

    name: str
    since: AwareDatetime
    declaration: Declaration | None = None
    beat: Beat | None = None
    beats: int = 0
    pause: Pause | None = None
    alarm: Alarm | None = None
    outage: Outage | None = None
    due: AwareDatetime | None = None
    deadline: AwareDatetime | None = None
    extensions: int = 0
    asking: bool = False
    ended_at: AwareDatetime | None = None
    notices: tuple[Notice, ...] = ()
    over: bool = False

    @property
    def status(self) -> Status:
        if self.declaration is None:
            return Status.UNDECLARED
        if self.pause is not None:
            return Status.PAUSED
        if self.alarm is not None:
            return self.alarm.status
        if self.outage is not None:
            return Status.SUSPECT
        return Status.UP if self.beat else Status.WAITING
