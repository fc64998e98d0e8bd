"""Beats: what an event that reaches a heartbeat says.

Whatever event is routed to a heartbeat is a beat of it. One of type `tidegate.heartbeat` may say
how a command ended; a resolved alert is no beat, because what was heard every so often has stopped.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Final

from pydantic import AwareDatetime, Field

from core.domain.alert import AlertStatus, read_alert
from core.domain.event import ALERT, HEARTBEAT, Event
from core.domain.heartbeat.names import FAILED, OK, OUTPUT_CHARS, duration, exit_code
from core.domain.text import clean, shortened
from core.domain.value import Value
from core.errors import InvalidEvent, quoted

KEY_CHARS: Final = 300
OLDEST: Final = timedelta(days=400)
"""A beat counts as no older: senders write times that no calendar can count from."""


class Beat(Value):
    """One beat: when it was heard, under which key, and how the command ended that it is of.

    `duration` is in seconds; `output` is the end of what the command wrote. `detail` says why a
    beat counts as failed that does not say so itself.
    """

    at: AwareDatetime
    key: str
    failed: bool = False
    exit_code: int | None = None
    duration: float | None = None
    output: Annotated[str, Field(max_length=OUTPUT_CHARS)] | None = None
    detail: str | None = None


def read_beat(event: Event, now: datetime) -> Beat | None:
    """The beat that the event is; None for a resolved alert.

    It was heard when the event says, if that is a heartbeat's own and not in the future: what was
    delivered late is known to be late. Anything else was heard now.
    """
    key = shortened(event.key, KEY_CHARS)
    if event.type == HEARTBEAT:
        return _own(event, key, now)
    if event.type == ALERT and _has_recovered(event):
        return None
    return Beat(at=now, key=key)


def _own(event: Event, key: str, now: datetime) -> Beat:
    data: Mapping[str, Any] = event.data if isinstance(event.data, Mapping) else {}
    status = data.get("status", OK)
    sent_at = event.timestamp
    return Beat(
        at=min(max(sent_at, now - OLDEST), now) if sent_at else now,
        key=key,
        failed=status != OK,
        exit_code=exit_code(data.get("exit_code")),
        duration=duration(data.get("duration")),
        output=_end(data.get("output")),
        detail=None if status in (OK, FAILED) else f"its status is {quoted(status)}",
    )


def _has_recovered(event: Event) -> bool:
    try:
        return read_alert(event).status is AlertStatus.RESOLVED
    except InvalidEvent:
        return False


def _end(value: object) -> str | None:
    if not isinstance(value, str):
        return None
    return str(clean(value)).strip()[-OUTPUT_CHARS:] or None


def how_it_ended(beat: Beat) -> str:
    """How the command of a failed beat ended, in a few words."""
    if beat.detail:
        return beat.detail
    if beat.exit_code is None:
        return "its last beat says so"
    return f"it ended with exit code {beat.exit_code}"
