from __future__ import annotations

import pytest

from tests.support.soak import sampled


def test_a_soak_runs_the_whole_matrix_and_the_tests_its_sample() -> None:
    assert sampled([1, 2, 3], [2], soaking=True) == [1, 2, 3]
    assert sampled([1, 2, 3], [2], soaking=False) == [2]


def test_a_sample_may_hold_only_what_the_matrix_holds() -> None:
    with pytest.raises(ValueError, match=r"not in the whole matrix: \[4\]"):
        sampled([1, 2, 3], [2, 4])
