"""The life of every worker process, from settings to drain.

    settings -> logs -> /healthz -> connect, with retries -> preflight -> work -> SIGTERM -> drain

Exit codes:
    0   stopped by SIGTERM or SIGINT, and drained
    1   a fault that a restart may cure; the traceback is in the log
    2   a setting or the Temporal namespace is invalid; the log says what to change
A second SIGTERM or SIGINT kills the process immediately.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final, TypedDict, Unpack

from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.runtime import (
    LogForwardingConfig,
    LoggingConfig,
    PrometheusConfig,
    Runtime,
    TelemetryConfig,
    TelemetryFilter,
)
from temporalio.service import RPCError
from temporalio.worker import Interceptor, Worker, WorkerDeploymentConfig, WorkerTuner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from core import bootstrap
from core.adapters.temporal import admin
from core.config.settings import Settings
from core.errors import ConfigurationError, SettingsError, TidegateError, TransientError
from workers.runtime import backlog, logs

log = logging.getLogger("tidegate.worker")

DRAINED, FAULT, MISCONFIGURED = 0, 1, 2

CACHED_WORKFLOWS: Final = 1_000
"""How many workflows a worker keeps in memory; one that it does not is replayed for each task. What
was not used for the longest time goes first, so that a few too many that are used in turns make all
of them be replayed."""

ACTIVATION_SECONDS: Final = 60
"""How long a workflow may take for what one task brings, before it counts as stuck."""

_FIRST_DELAY: Final = 1.0
_LONGEST_DELAY: Final = 15.0
_PROBE_SECONDS: Final = 2.0


Begin = Callable[[Client], Awaitable[None]]
"""Starts, or wakes, a workflow that always runs. Raises a `TidegateError`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a worker serves. Its workflows upsert the `search_attributes`, so the namespace must
    have them. `about` is appended to the worker's identity in Temporal, for `tidegate doctor`.
    `versioning` says whether running workflows move to a new build, where workers are
    versioned.

    `prepare` loads what the activities need beyond what the plan itself needed, and raises
    `ConfigurationError` for what can never work. A process that stays prepares before it connects;
    one that was called for a task, while it already polls, in a thread. Each of `begin` is called
    once in a process that works. `often_used` is how many workflows it keeps in memory besides
    `CACHED_WORKFLOWS`, because each has something to do every so often."""

    task_queue: str
    workflows: Sequence[type]
    activities: Sequence[Callable[..., Any]]
    search_attributes: tuple[str, ...] = ()
    about: str = ""
    versioning: VersioningBehavior = VersioningBehavior.AUTO_UPGRADE
    prepare: Callable[[], None] = lambda: None
    begin: Sequence[Begin] = ()
    often_used: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What a package adds to the plan of another package's worker, whose task queue its workflows
    share."""

    workflows: Sequence[type]
    activities: Sequence[Callable[..., Any]]
    begin: Sequence[Begin] = ()
    often_used: int = 0


class Options(TypedDict, total=False):
    """Options of the SDK's `Worker` that a process may set otherwise than the SDK does."""

    tuner: WorkerTuner
    interceptors: Sequence[Interceptor]
    max_cached_workflows: int
    max_concurrent_workflow_task_polls: int
    max_concurrent_activity_task_polls: int


def run(plan: Callable[[Settings], Plan]) -> int:
    """Serve until stopped; returns the exit code. `plan` is called, and what it returns prepared,
    before anything connects."""
    logs.configure("INFO")
    try:
        settings = Settings.from_env()
        logs.configure(settings.log_level)
        planned = plan(settings)
        planned.prepare()
        return asyncio.run(_serve(planned, settings))
    except ConfigurationError as error:
        log.critical("cannot start: %s", error)
        return MISCONFIGURED
    except Exception:
        log.exception("the worker failed")
        return FAULT


def sandbox(activities: Sequence[Callable[..., Any]]) -> SandboxedWorkflowRunner:
    """The workflow sandbox. It reloads a workflow's modules for every run, except for those that
    it passes through."""
    passed = {
        "core",
        "workers.runtime.heartbeats",
        "workers.runtime.local_first",
        "workers.runtime.waiting",
        *(each.__module__ for each in activities),
    }
    restrictions = SandboxRestrictions.default.with_passthrough_modules(*passed)
    return SandboxedWorkflowRunner(restrictions=restrictions)


def worker(
    client: Client,
    plan: Plan,
    *,
    drain_timeout: float = 0,
    build_id: str | None = None,
    deployment: str | None = None,
    identity: str | None = None,
    **options: Unpack[Options],
) -> Worker:
    """The worker of a plan, not yet running.

    With a `build_id` it is versioned, in the `deployment` of that name: by default its own, named
    after its task queue, so that each worker is rolled out by itself. `identity` replaces the
    client's.
    """
    options.setdefault("max_cached_workflows", CACHED_WORKFLOWS + plan.often_used)
    made = Worker(
        client,
        task_queue=plan.task_queue,
        workflows=list(plan.workflows),
        activities=list(plan.activities),
        workflow_runner=sandbox(plan.activities),
        identity=f"{identity or client.identity} {plan.about}".rstrip(),
        graceful_shutdown_timeout=timedelta(seconds=drain_timeout),
        deployment_config=(
            WorkerDeploymentConfig(
                version=WorkerDeploymentVersion(deployment or plan.task_queue, build_id),
                use_worker_versioning=True,
                default_versioning_behavior=plan.versioning,
            )
            if build_id
            else None
        ),
        **options,
    )
    _allow_long_activations(made)
    return made


def _allow_long_activations(worker: Worker) -> None:
    """Let the workflow have more than the SDK's 2 s for one activation: after a flood, one brings
    all of up to 10,000 signals. A task that fails for its length fails on every attempt, and the
    server waits for up to ten minutes between them. The SDK has no option for this."""
    if worker._workflow_worker:
        worker._workflow_worker._deadlock_timeout_seconds = ACTIVATION_SECONDS


async def _serve(plan: Plan, settings: Settings) -> int:
    from workers.runtime import health  # not in a function, which answers no health checks

    stop = _stop_on_signals()
    readiness = _Readiness(asyncio.get_running_loop())
    telemetry = _telemetry(settings)
    with health.serving(settings.health_address, readiness.state) as port:
        log.info("starting", extra={"task_queue": plan.task_queue, "health_port": port})
        client = await _connect(plan, settings, telemetry, stop)
        if client is not None:
            await _work(client, plan, settings, readiness, stop)
    log.info("stopped")
    return DRAINED


async def _work(
    client: Client, plan: Plan, settings: Settings, readiness: _Readiness, stop: asyncio.Event
) -> None:
    ours = worker(client, plan, drain_timeout=settings.drain_timeout, build_id=settings.build_id)
    working = asyncio.create_task(ours.run())
    stopping = asyncio.create_task(stop.wait())
    beginning = asyncio.create_task(begin(client, plan))
    reporting = asyncio.create_task(backlog.reporting(client, plan.task_queue))
    readiness.client, readiness.worker = client, ours
    about = {"task_queue": plan.task_queue, "namespace": client.namespace}
    log.info("taking work", extra=about | {"build_id": settings.build_id})
    await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if stopping.done():
        readiness.draining = True
        log.info("draining", extra={"at_most_seconds": settings.drain_timeout})
        await ours.shutdown()
    stopping.cancel()
    beginning.cancel()
    reporting.cancel()
    await working


async def begin(client: Client, plan: Plan) -> None:
    """Begin what the plan says. What fails is logged: the worker serves all the same, and the next
    one to start begins again."""
    for each in plan.begin:
        try:
            await each(client)
        except TidegateError as error:
            log.warning("%s", error)


async def _connect(
    plan: Plan, settings: Settings, telemetry: Runtime, stop: asyncio.Event
) -> Client | None:
    """A client whose namespace has what the plan needs, however long that takes; None when the
    worker is stopped first.

    Raises `ConfigurationError` for what no retry cures.
    """
    delay = _FIRST_DELAY
    stopping = asyncio.create_task(stop.wait())
    try:
        while not stop.is_set():
            trying = asyncio.create_task(_try_connect(plan, settings, telemetry))
            await asyncio.wait({trying, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not trying.done():
                trying.cancel()
                return None
            try:
                return trying.result()
            except TransientError as error:
                log.warning("waiting for Temporal, next try in %g s: %s", delay, error.message)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), delay)
            delay = min(delay * 2, _LONGEST_DELAY)
        return None
    finally:
        stopping.cancel()


async def _try_connect(plan: Plan, settings: Settings, telemetry: Runtime) -> Client:
    client = await bootstrap.connect(settings, runtime=telemetry)
    await admin.retention(client)  # the namespace exists
    if plan.search_attributes:
        await check_search_attributes(client, plan.search_attributes)
    return client


async def check_search_attributes(client: Client, names: Sequence[str]) -> None:
    """Raises `ConfigurationError` when one of the names is not registered: to upsert it would fail
    the workflow task. A worker that may not list them continues with a warning."""
    try:
        missing = await admin.missing_search_attributes(client, names)
    except TidegateError as error:
        if admin.may_not_list(error):
            log.warning("cannot check the search attributes, continuing: %s", error.message)
            return
        raise
    if missing:
        raise ConfigurationError(
            f"namespace {client.namespace} lacks the search attributes {', '.join(missing)}",
            fix="run `tidegate setup`, then start the worker again",
        )


@dataclass(slots=True)
class _Readiness:
    """How far the process has come; the health thread asks for it at /readyz."""

    loop: asyncio.AbstractEventLoop
    client: Client | None = field(default=None)
    worker: Worker | None = field(default=None)
    draining: bool = False

    def state(self) -> str:
        from workers.runtime import health

        if self.draining:
            return "draining"
        if self.client is None or self.worker is None:
            return "waiting for Temporal"
        if not self.worker.is_running:
            return "the worker is not running"
        probe = asyncio.run_coroutine_threadsafe(_answers(self.client), self.loop)
        try:
            answers = probe.result(timeout=2 * _PROBE_SECONDS)
        except TimeoutError:
            probe.cancel()
            return "the worker is too busy to answer"
        return health.READY if answers else "Temporal does not answer"


async def _answers(client: Client) -> bool:
    try:
        return await client.service_client.check_health(timeout=timedelta(seconds=_PROBE_SECONDS))
    except (RPCError, RuntimeError):
        return False


def native_runtime(telemetry: TelemetryConfig) -> Runtime:
    """The SDK's native runtime, whose log lines are forwarded to ours; one per process."""
    forwarded = LoggingConfig(
        filter=TelemetryFilter(core_level="WARN", other_level="ERROR"),
        forwarding=LogForwardingConfig(logger=logs.CORE),
    )
    return Runtime(telemetry=replace(telemetry, logging=forwarded))


def _telemetry(settings: Settings) -> Runtime:
    """The native runtime of this process, which serves metrics if configured."""
    metrics = None
    if settings.metrics_address:
        metrics = PrometheusConfig(
            bind_address=settings.metrics_address, unit_suffix=True, durations_as_seconds=True
        )
    try:
        return native_runtime(TelemetryConfig(metrics=metrics))
    except (RuntimeError, ValueError) as error:
        raise SettingsError(
            f"TIDEGATE_METRICS_ADDRESS={settings.metrics_address!r}: {error}",
            fix="choose a free port, or unset it for no metrics",
        ) from error


def _stop_on_signals() -> asyncio.Event:
    """Set by the first SIGTERM or SIGINT; a second one has its default action."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()

    def first(number: signal.Signals) -> None:
        log.info("stopped by %s", number.name)
        stop.set()
        for each in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(each)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, first, number)
    return stop
