"""How the exception tree crosses Temporal: codes become the types of application failures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from temporalio.exceptions import ApplicationError

from core.errors import PermanentError, TidegateError


@contextmanager
def typed_failures() -> Iterator[None]:
    """Inside an activity: our errors fail it under their code; permanent ones are not retried."""
    try:
        yield
    except TidegateError as error:
        raise ApplicationError(
            str(error), type=error.code, non_retryable=isinstance(error, PermanentError)
        ) from error
