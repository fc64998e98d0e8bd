"""Durations as people write them, `30s`, `5m`, `12h`, `90d`, in seconds.

Apart from the models' durations, because a listener reads them without pydantic.
"""

from __future__ import annotations

import re
from typing import Final

LONGEST: Final = 36_525 * 86_400
"""Seconds of the longest duration: a century."""

_UNITS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


def duration_seconds(text: str) -> float | None:
    """The seconds of a duration; None for any other text, and for a longer one than a century."""
    match = _DURATION.fullmatch(text)
    seconds = float(match[1]) * _UNITS[match[2]] if match else None
    return seconds if seconds is not None and seconds <= LONGEST else None
