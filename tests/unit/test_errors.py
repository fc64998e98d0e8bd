from __future__ import annotations

from collections.abc import Iterator

import pytest
from temporalio.exceptions import ApplicationError

from core import errors
from core.errors import ConfigFileError, NoRoute, PermanentError, TidegateError
from workers.runtime.activity_errors import typed_failures


def test_an_error_says_what_happened_and_how_to_fix_it() -> None:
    assert str(TidegateError("it broke")) == "it broke"
    assert str(TidegateError("it broke", fix="fix it")) == "it broke (fix it)"
    assert str(NoRoute("none")).startswith("none (add a route for it")
    assert str(NoRoute("none", fix="")) == "none"


def test_the_code_is_the_class_name() -> None:
    assert NoRoute("none").code == "NoRoute"


def test_a_config_file_error_lists_all_problems() -> None:
    error = ConfigFileError(["a:1:1: x", "a:2:1: y"])
    assert error.message == "a:1:1: x\na:2:1: y"
    assert "schema" in error.fix
    assert error.problems == ["a:1:1: x", "a:2:1: y"]


@pytest.mark.parametrize("kind", PermanentError.__subclasses__())
def test_a_permanent_error_is_restored_from_its_code(kind: type[PermanentError]) -> None:
    error = PermanentError.from_code(kind.__name__, "why (what to do)")
    assert type(error) is kind
    assert str(error) == "why (what to do)"


@pytest.mark.parametrize(
    "code", ["StoreUnavailable", "PermanentError", "Exception", "", "TidegateError"]
)
def test_no_other_error_is_restored(code: str) -> None:
    with pytest.raises(ValueError, match="is not the code of a permanent error"):
        PermanentError.from_code(code, "why")


def test_every_permanent_and_transient_error_has_a_fix() -> None:
    leaves = [
        *errors.PermanentError.__subclasses__(),
        *(
            kind
            for kind in errors.TransientError.__subclasses__()
            if kind.__module__ == "core.errors"
        ),
    ]
    assert [kind.__name__ for kind in leaves if not kind.fix] == []


@pytest.fixture
def own_kind() -> Iterator[type[PermanentError]]:
    """A permanent error that is defined outside core.errors, as an extension has them."""

    class OrderRefused(PermanentError):
        """The shop does not take it."""

    yield OrderRefused
    del PermanentError._by_code["OrderRefused"]


def test_a_new_permanent_error_is_registered_by_its_definition(
    own_kind: type[PermanentError],
) -> None:
    with pytest.raises(ApplicationError) as caught, typed_failures():
        raise own_kind("order 7 is closed", fix="open it")
    failure = caught.value
    assert failure.non_retryable
    error = PermanentError.from_code(failure.type or "", failure.message)
    assert type(error) is own_kind
    assert error.code == "OrderRefused"
    assert str(error) == "order 7 is closed (open it)"


def test_a_module_that_is_loaded_again_registers_its_errors_again() -> None:
    again = type("NoRoute", (PermanentError,), {"__module__": "core.errors"})
    assert isinstance(PermanentError.from_code("NoRoute", ""), again)
    PermanentError._by_code["NoRoute"] = NoRoute


def test_two_permanent_errors_cannot_share_a_code() -> None:
    with pytest.raises(
        TypeError, match=r"NoRoute belongs to core\.errors\.NoRoute already: rename shop"
    ):
        type("NoRoute", (PermanentError,), {"__module__": "shop.errors"})
    assert isinstance(PermanentError.from_code("NoRoute", ""), NoRoute)
