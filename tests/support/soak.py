"""Tests that `make soak` runs with more cases than `make test` does.

Mark such a test `soak`, so that `make soak` finds it, and take its cases from `sampled`. Property
tests need neither: `make soak` runs each of them with more examples.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final, TypeVar

Case = TypeVar("Case")

SOAKING: Final = os.environ.get("SOAK") == "1"


def sampled(
    whole: Sequence[Case], sample: Sequence[Case], *, soaking: bool = SOAKING
) -> Sequence[Case]:
    """The whole matrix in `make soak`, else the sample. Raises `ValueError` for a case of the
    sample that the whole lacks."""
    if strange := [case for case in sample if case not in whole]:
        raise ValueError(f"not in the whole matrix: {strange}")
    return whole if soaking else sample
