"""Durations as people write them in configuration files: `30s`, `5m`, `12h`, `90d`."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, Field

from core.domain.duration_text import duration_seconds


def _duration(value: object) -> object:
    delay = _delay(value)
    if not delay:
        raise ValueError("not a duration like 30s, 5m, 12h or 90d")
    return delay


def _delay(value: object) -> object:
    if isinstance(value, str) and (seconds := duration_seconds(value)) is not None:
        return timedelta(seconds=seconds)
    if isinstance(value, timedelta):
        return value
    raise ValueError("not a duration like 30s, 5m, 12h or 90d")


Duration = Annotated[
    timedelta,
    BeforeValidator(_duration, json_schema_input_type=str),
    Field(examples=["30s", "5m", "12h", "90d"]),
]
"""A duration longer than zero."""

Delay = Annotated[
    timedelta,
    BeforeValidator(_delay, json_schema_input_type=str),
    Field(examples=["0s", "5m"]),
]
"""A duration, or `0s`."""


def format_age(age: timedelta) -> str:
    """An age in whole minutes; in seconds below one."""
    seconds = max(0, int(age.total_seconds()))
    return format_duration(seconds - seconds % 60 if seconds >= 60 else seconds)


def format_duration(seconds: float) -> str:
    """A duration as people read it: `0 s`, `45 s`, `5 min`, `1 h 02 min 05 s`; from a day on in its
    two largest units: `90 d`, `327 d 19 h`."""
    whole = round(seconds)
    if seconds < 59.95 and seconds != whole:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h" if hours else f"{days} d"
    if hours:
        tail = f" {rest:02} s" if rest else ""
        return f"{hours} h {minutes:02} min{tail}" if minutes or rest else f"{hours} h"
    if minutes:
        return f"{minutes} min {rest:02} s" if rest else f"{minutes} min"
    return f"{rest} s"
