"""Durations, rates and seconds, as options take them. Each raises `typer.BadParameter`."""

from __future__ import annotations

import math
import re
from datetime import timedelta
from typing import Final

import typer
from pydantic import TypeAdapter, ValidationError

from core.domain.durations import Delay

_DURATION: Final[TypeAdapter[timedelta]] = TypeAdapter(Delay)
_RATE: Final = re.compile(r"(\d+(?:\.\d+)?)/(s|m|h)")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600}


def duration(text: str) -> timedelta:
    """A duration like `30m`."""
    try:
        return _DURATION.validate_python(text)
    except ValidationError:
        raise typer.BadParameter(f"{text!r} is not a duration like 30m, 12h or 7d") from None


def rate(text: str) -> float:
    """Events a second, of a rate like `20/s`."""
    if (match := _RATE.fullmatch(text)) and (count := float(match[1])):
        return count / _SECONDS[match[2]]
    raise typer.BadParameter(f"{text!r} is not a rate like 20/s, 100/m or 500/h")


def seconds(value: float) -> float:
    """So many seconds, which end."""
    if not math.isfinite(value):
        raise typer.BadParameter(f"{value} is not a number of seconds like 30")
    return value
