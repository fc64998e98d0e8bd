from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import TypeAdapter, ValidationError

from core.domain.durations import Delay, Duration, format_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("250ms", 0.25), ("30s", 30), ("1.5m", 90), ("12h", 43_200), ("90d", 7_776_000)],
)
def test_a_duration_is_a_number_and_a_unit(text: str, seconds: float) -> None:
    for kind in (Duration, Delay):
        assert TypeAdapter(kind).validate_python(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "5", "5 m", "-5m", "5min", "soon", 5, None, "99999999d"])
def test_anything_else_is_refused(text: object) -> None:
    for kind in (Duration, Delay):
        with pytest.raises(ValidationError, match="not a duration like 30s, 5m, 12h or 90d"):
            TypeAdapter(kind).validate_python(text)


def test_only_a_delay_may_be_zero() -> None:
    assert TypeAdapter(Delay).validate_python("0s") == timedelta(0)
    with pytest.raises(ValidationError):
        TypeAdapter(Duration).validate_python("0s")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (1.5, "1.5 s"),
        (45, "45 s"),
        (60, "1 min"),
        (245, "4 min 05 s"),
        (3600, "1 h"),
        (3725, "1 h 02 min 05 s"),
        (7200 + 1800, "2 h 30 min"),
        (3605, "1 h 00 min 05 s"),
        (86_399, "23 h 59 min 59 s"),
        (86_400, "1 d"),
        (86_400 + 59 * 60, "1 d"),
        (2 * 86_400 - 1, "1 d 23 h"),
        (2 * 86_400, "2 d"),
        (90 * 86_400, "90 d"),
        (7867 * 3600 + 38 * 60 + 2, "327 d 19 h"),
        (59.97, "1 min"),
        (330.4, "5 min 30 s"),
    ],
)
def test_a_duration_in_words(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text
