"""How the exception tree crosses Temporal, and how an activity shows that its worker lives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from typing import Final

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from core.errors import PermanentError, TidegateError

HEARTBEAT_TIMEOUT: Final = timedelta(seconds=10)
"""How long Temporal waits for a worker that may be dead, before it gives an activity to another."""

_BEAT: Final = 3.0


@contextmanager
def typed_failures() -> Iterator[None]:
    """Inside an activity: our errors fail it under their code; permanent ones are not retried.

    Those are expected, so that the SDK logs no traceback of them: the workflow says in one line
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
    except TidegateError as error:
        raise ApplicationError(str(error), type=error.code) from error


@asynccontextmanager
async def beating() -> AsyncIterator[None]:
    """Inside an activity: heartbeats, so that a killed worker is missed within
    `HEARTBEAT_TIMEOUT`, and a cancellation arrives."""
    task = asyncio.create_task(_beat())
    try:
        yield
    finally:
        task.cancel()


async def _beat() -> None:
    while True:
        activity.heartbeat()
        await asyncio.sleep(_BEAT)
