"""How our errors cross Temporal: as activity failures whose type is the error's code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Final

from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from core.errors import NotificationFailed, PermanentError, TidegateError

LONGEST_RETRY_AFTER: Final = 600.0
"""Seconds that a service may have us wait: whoever is to be paged does not wait for longer."""


@contextmanager
def typed_failures() -> Iterator[None]:
    """Turn our errors inside the block into failures of the activity; permanent ones are not
    retried.

    Permanent ones are expected, so the SDK logs no traceback of them: the workflow logs in one line
    what became of the event.
    """
    try:
        yield
    except PermanentError as error:
        raise ApplicationError(
            str(error),
            type=error.code,
            non_retryable=True,
            category=ApplicationErrorCategory.BENIGN,
        ) from error
    except NotificationFailed as error:
        after = error.retry_after and timedelta(seconds=min(error.retry_after, LONGEST_RETRY_AFTER))
        raise ApplicationError(
            str(error),
            type=error.code,
            non_retryable=error.final,
            next_retry_delay=after or None,
        ) from error
    except TidegateError as error:
        raise ApplicationError(str(error), type=error.code) from error
