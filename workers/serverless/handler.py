"""The workers as one Lambda function, which Temporal calls when there is a task and nobody polls,
and which ends when there is nothing left to do.

Temporal's worker controller invokes it asynchronously with an empty event, at most once per task
that waits. Whatever ends an invocation, Temporal has the tasks: an invocation that fails loses
nothing, and is neither answered nor needed again.

A process may serve many invocations, one after another, and is frozen between them. Settings, plans
and their activities are the process's; the connection and the workers are the invocation's, because
a connection does not outlive a freeze.
"""

from __future__ import annotations

import asyncio
import importlib
import itertools
import logging
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from core.cold_start import at_rest

with at_rest():
    from temporalio.runtime import Runtime, TelemetryConfig

    from core import bootstrap, snapstart
    from core.config.settings import Settings
    from core.errors import ConfigurationError, TransientError
    from workers.runtime import logs, process
    from workers.serverless import metrics, session
    from workers.serverless.slots import Sizes, Work

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

log = logging.getLogger("tidegate.worker")


def handler(event: Any, context: LambdaContext) -> None:
    """Serve until idle. Raises what went wrong; the last line of the log says what to do. Where
    Temporal is unavailable, that is after TIDEGATE_START_TIMEOUT: it calls again. Exits when
    something does not end in time."""
    began = time.monotonic()
    deadline = began + context.get_remaining_time_in_millis() / 1000
    work, cold = Work(), not next(_invocations)
    logs.configure("INFO", aws_request_id=context.aws_request_id)
    try:
        logs.configure(_settings().log_level, aws_request_id=context.aws_request_id)
        _loop().run_until_complete(_serve(context, deadline=deadline, now=began, work=work))
    except ConfigurationError as error:
        log.critical("cannot serve: %s", error)
        raise
    except TransientError as error:
        log.error("cannot serve now: %s", error)
        raise
    except session.Stuck as error:
        log.critical("the function is near its deadline: %s", error)
        # In this process it would run on during the next invocation; Lambda starts another one.
        raise SystemExit(1) from error
    finally:
        seconds = time.monotonic() - began
        metrics.emit(work, seconds=seconds, cold=cold, request_id=context.aws_request_id)


async def _serve(context: LambdaContext, *, deadline: float, now: float, work: Work) -> None:
    settings = _settings()
    build_id = settings.require("build_id")
    limits = session.Limits.of(settings, deadline=deadline, now=now)
    plans = _plans()
    await session.serve(
        # Not kept for the next invocation: a connection seldom outlives a freeze, and to find that
        # out takes longer than to connect.
        await bootstrap.connect(settings, runtime=_runtime()),
        plans,
        build_id=build_id,
        identity=f"{context.aws_request_id}@{context.function_name}",
        limits=limits,
        work=work,
        sizes=Sizes.of(int(context.memory_limit_in_mb)),
    )


_invocations: Final = itertools.count()
"""How many this process has served."""


@cache
def _settings() -> Settings:
    return Settings.from_env()


@cache
def _plans() -> Sequence[process.Plan]:
    """Raises `ConfigurationError`."""
    settings = _settings()
    with at_rest():
        return [
            importlib.import_module(spec.module).plan(settings) for spec in settings.served_workers
        ]


@cache
def _runtime() -> Runtime:
    return process.native_runtime(TelemetryConfig())


@cache
def _loop() -> asyncio.AbstractEventLoop:
    """The process's one event loop: what the activities' stores and channels keep belongs to it."""
    return asyncio.new_event_loop()


def _prepare() -> None:
    """Have everything that invocations share. Raises `ConfigurationError`."""
    for plan in _plans():
        plan.prepare()


if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:  # not where a tool or a test imports this
    logs.configure("INFO")
    if not snapstart.hooks(_prepare):
        # Before the first invocation Lambda gives a function more CPU than during one.
        with suppress(ConfigurationError):  # the invocation raises it, and says so in its own log
            _plans()
