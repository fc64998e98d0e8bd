from __future__ import annotations

import pytest

from core import errors
from core.errors import ConfigFileError, NoRoute, PermanentError, TidegateError, named


def test_an_error_says_what_happened_and_what_to_do_next() -> None:
    assert str(TidegateError("it broke")) == "it broke"
    assert str(TidegateError("it broke", fix="mend it")) == "it broke (mend it)"
    assert str(NoRoute("none")).startswith("none (add a route for it")
    assert str(NoRoute("none", fix="")) == "none"


def test_its_class_is_its_code() -> None:
    assert NoRoute("none").code == "NoRoute"


def test_a_configuration_file_has_all_its_problems_in_the_message() -> None:
    error = ConfigFileError(["a:1:1: x", "a:2:1: y"])
    assert str(error) == "a:1:1: x\na:2:1: y"
    assert error.problems == ["a:1:1: x", "a:2:1: y"]


@pytest.mark.parametrize("kind", PermanentError.__subclasses__())
def test_a_permanent_error_comes_back_from_its_code(kind: type[PermanentError]) -> None:
    error = named(kind.__name__, "why (what to do)")
    assert type(error) is kind
    assert str(error) == "why (what to do)"


@pytest.mark.parametrize("code", ["StoreUnavailable", "named", "Exception", "", "TidegateError"])
def test_nothing_else_does(code: str) -> None:
    with pytest.raises(ValueError, match="is not the code of a permanent error"):
        named(code, "why")


def test_each_error_that_an_event_can_meet_says_what_to_do() -> None:
    leaves = [
        *errors.PermanentError.__subclasses__(),
        *(
            kind
            for kind in errors.TransientError.__subclasses__()
            if kind.__module__ == "core.errors"
        ),
    ]
    assert [kind.__name__ for kind in leaves if not kind.fix] == []
