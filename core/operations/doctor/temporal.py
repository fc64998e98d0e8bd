"""The checks of Temporal: that it answers, and that workers take what is sent to them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from core import bootstrap, contracts
from core.adapters.temporal import admin
from core.adapters.temporal.worker_deployments import TemporalWorkerDeployment
from core.config.settings import Settings
from core.domain.text import counted
from core.errors import TidegateError
from core.operations.doctor.checks import Check, Code, failed
from core.operations.doctor.needs import Needs, RouteAttribute
from core.operations.doctor.on_call import check_heartbeats, check_state

if TYPE_CHECKING:
    from temporalio.client import Client

    from core.domain.routing.table import RoutingTable
    from core.ports.worker_deployment import Deployment, WorkerDeployment

_FIX: Final = (
    "start the server or open the network path to it; else fix TEMPORAL_ADDRESS, "
    "TEMPORAL_NAMESPACE or the credentials"
)


async def check_temporal(
    settings: Settings, table: RoutingTable | None, needs: Needs
) -> AsyncIterator[Check]:
    try:
        client = await bootstrap.connect(settings)
        days = (await admin.retention(client)).days
    except TidegateError as error:
        yield failed(Code.TEMPORAL, "temporal", error, fix=_FIX)
        return
    where = f"{client.service_client.config.target_host}, namespace {client.namespace}"
    detail = f"{where}; duplicates are recognised for {counted(days, 'day')}"
    yield Check(Code.TEMPORAL, "temporal", "ok", detail)
    if needs.search_attributes:
        yield await _search_attributes(client, needs.search_attributes)
    if needs.route_attributes:
        yield await _route_attributes(client, needs.route_attributes)
    if needs.pages:
        yield await check_state(client)
        with suppress(TidegateError):  # which the check of the file reports
            if (file := bootstrap.oncall(settings)).heartbeats:
                yield await check_heartbeats(client, file)
    async for check in check_functions(
        TemporalWorkerDeployment(client, contracts.SERVERLESS_DEPLOYMENT)
    ):
        yield check
    async for check in _queues(client, table, needs):
        yield check


async def check_functions(workers: WorkerDeployment) -> AsyncIterator[Check]:
    """For each build of the serverless workers that gets new work, whether Temporal can wake it."""
    code, name = Code.FUNCTION, "serverless workers"
    try:
        deployment = await workers.describe()
    except TidegateError as error:
        yield failed(code, name, error, fix=_FIX)
        return
    if deployment is None or not any(build.has_function for build in deployment.builds):
        return
    if deployment.current is None and deployment.ramping is None:
        detail = "no build of them is current: they get no new work"
        yield Check(code, name, "skipped", detail, "tidegate workers promote")
    for id in filter(None, (deployment.current, deployment.ramping)):
        yield await _function(workers, deployment, id)


async def _function(workers: WorkerDeployment, deployment: Deployment, id: str) -> Check:
    code, name = Code.FUNCTION, f"function of build {id}"
    build = deployment.build(id)
    if build is None or not build.has_function:
        detail = "new work goes to it, and it has no function: nothing wakes its workers"
        fix = f"tidegate workers deploy --build-id {id}, or tidegate workers rollback"
        return Check(code, name, "failed", detail, fix)
    try:
        await workers.check_function(id)
    except TidegateError as error:
        return failed(code, name, error, fix=_FIX)
    return Check(code, name, "ok", "Temporal can reach it")


async def _search_attributes(client: Client, names: Sequence[str]) -> Check:
    code, name = Code.SEARCH_ATTRIBUTES, "search attributes"
    try:
        missing = await admin.missing_search_attributes(client, names)
    except TidegateError as error:
        return Check(code, name, "warning", str(error), "check them in your Temporal UI")
    if missing:
        return Check(code, name, "failed", f"missing: {', '.join(missing)}", "tidegate setup")
    return Check(code, name, "ok", ", ".join(names))


async def _route_attributes(client: Client, wanted: Mapping[str, RouteAttribute]) -> Check:
    code, name = Code.ROUTE_ATTRIBUTES, "search attributes of routes"
    try:
        known = await admin.search_attributes(client)
    except TidegateError as error:
        return Check(code, name, "warning", str(error), "check them in your Temporal UI")
    problems, fixes = [], []
    for each, want in wanted.items():
        if (has := known.get(each)) == want.type:
            continue
        lacks = f"the namespace has it as {has}" if has else "the namespace does not have it"
        problems.append(f"{each} ({want.type}, route {want.route}): {lacks}")
        fixes.append(
            f"fix its type in route {want.route}"
            if has
            else f"temporal operator search-attribute create --name {each} --type {want.type}"
        )
    if problems:
        return Check(code, name, "failed", "; ".join(problems), "; ".join(fixes))
    return Check(code, name, "ok", ", ".join(wanted))


async def _queues(client: Client, table: RoutingTable | None, needs: Needs) -> AsyncIterator[Check]:
    """For each task queue of a needed worker or of a route, whether a worker takes new work."""
    senders = {worker.task_queue: needs.senders[worker.name] for worker in needs.workers}
    for route in table.routes if table else ():
        senders.setdefault(route.task_queue, f"route {route.name}")
    names = {worker.task_queue: worker.name for worker in needs.workers}
    tables: set[str] = set()
    asleep = False
    for queue, sender in senders.items():
        name = f"task queue {queue}"
        try:
            workers = await admin.queue_workers(client, queue)
            if build := workers.asleep:
                detail = f"asleep: Temporal wakes {_shown(build)}, for {sender}"
                yield Check(Code.TASK_QUEUE, name, "ok", detail)
                asleep |= queue in names
            elif not workers.identities:
                detail = f"no worker polls it: what {sender} sends there waits"
                ours = f"start the {names[queue]}" if queue in names else ""
                fix = ours or "start its worker, or fix the route's task_queue"
                yield Check(Code.TASK_QUEUE, name, "failed", detail, fix)
                continue
            else:
                yield Check(Code.TASK_QUEUE, name, "ok", f"a worker polls it, for {sender}")
            if check := await _build(client, queue, workers):
                yield check
        except TidegateError as error:
            yield failed(Code.TASK_QUEUE, name, error, fix=_FIX)
            continue
        tables |= _tables(workers.identities) if queue in names else set()
    if table and tables:
        yield _compared(table, tables)
    elif asleep:
        detail = "the workers are asleep: only one that is awake says which table it has"
        yield Check(Code.ROUTING_TABLES, "routing tables", "skipped", detail)


async def _build(client: Client, queue: str, workers: admin.QueueWorkers) -> Check | None:
    """Whether the builds that new work goes to poll; None where nothing has a build ID."""
    if workers.current is None and not workers.builds:
        return None
    code, name = Code.BUILD, f"build on {queue}"
    idle = [build for build in workers.builds if not workers.takes_new_work(build)]
    if unserved := workers.unserved:
        polling = ", ".join(map(_shown, [*workers.builds, *[None] * workers.unversioned]))
        lacking = " and ".join(build.id for build in unserved if build)
        why = (
            f"it goes to build {lacking}, which does not poll" if lacking else "no build is current"
        )
        detail = f"new work waits: {why}; what polls is {polling}"
        return Check(code, name, "failed", detail, _make_current(idle, queue))
    for build in idle:
        if await admin.never_current(client, build):
            detail = f"{_shown(build)} polls and gets no new work: nobody made it current"
            return Check(code, name, "warning", detail, _make_current([build], queue))
    old = f"; what began on {', '.join(map(_shown, idle))} ends there" if idle else ""
    return Check(code, name, "ok", f"new work goes to {_shown(workers.current)}{old}")


def _shown(build: admin.Build | None) -> str:
    return f"build {build.id}" if build else "workers without a build ID"


def _make_current(builds: Sequence[admin.Build], queue: str) -> str:
    """The command that gives new work to a worker that polls."""
    command = "temporal worker deployment set-current-version --deployment-name"
    if builds:
        return f"{command} {builds[-1].deployment} --build-id {builds[-1].id} --yes"
    return f"start workers of that build, or {command} {queue} --unversioned --yes"


def _tables(identities: Sequence[str]) -> set[str]:
    """The digests of the routing tables that workers of ours have, by their identities."""
    mark = contracts.ROUTES_IDENTITY
    return {name.rpartition(mark)[2] for name in identities if mark in name}


def _compared(table: RoutingTable, theirs: set[str]) -> Check:
    """Whether the workers have the routing table that is set here."""
    code, name = Code.ROUTING_TABLES, "routing tables"
    if others := sorted(theirs - {table.digest}):
        detail = f"here {table.digest}; a worker of the last minutes has {', '.join(others)}"
        fix = "give listeners, workers and this command the same TIDEGATE_ROUTES or package"
        return Check(code, name, "warning", detail, fix)
    return Check(code, name, "ok", f"the workers have the same, {table.digest}")
