"""Whether everything that production needs is there, and how to fix what is not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from core import bootstrap, contracts
from core.adapters.documents.router import DocumentStores
from core.adapters.notifiers.addresses import check_addresses
from core.adapters.temporal import admin
from core.config.settings import Settings
from core.domain.event import DOCUMENT_TYPES
from core.errors import SettingsError, TidegateError, TransientError

if TYPE_CHECKING:
    from temporalio.client import Client

    from core.domain.routing.table import RoutingTable
    from core.webhooks.endpoints import Endpoint

Outcome = Literal["ok", "warning", "failed"]

_FIX_STORE: Final = "create it if it does not exist; else fix the variable, region or credentials"
_FIX_TEMPORAL: Final = (
    "start the server or open the network path to it; else fix TEMPORAL_ADDRESS, "
    "TEMPORAL_NAMESPACE or the credentials"
)


@dataclass(frozen=True, slots=True)
class Check:
    """One check: what was checked, how it is, and the next step if something is wrong."""

    name: str
    outcome: Outcome
    detail: str
    fix: str = ""


async def examine() -> AsyncIterator[Check]:
    """The checks, each as soon as it is done. Raises nothing: what goes wrong is a failed check."""
    try:
        settings = Settings.from_env()
        formats = bootstrap.queue_formats(settings)
    except TidegateError as error:
        yield _failed("settings", error)
        return
    yield Check("settings", "ok", "every variable that is set is valid")
    if formats:
        read_as = ", ".join(f"{queue} as {text}" for queue, text in settings.queue_formats)
        yield Check("queues", "ok", f"{read_as}; whether there are such queues is not checked")

    table = None
    try:
        table = bootstrap.router(settings).routing.table
        yield Check("routes", "ok", f"{len(table.routes)} routes, digest {table.digest}")
    except TidegateError as error:
        yield _failed("routes", error)

    async for check in _stores(settings):
        yield check
    for check in _pages(settings):
        yield check
    async for check in _webhooks(settings):
        yield check
    async for check in _temporal(settings, table):
        yield check


async def _stores(settings: Settings) -> AsyncIterator[Check]:
    for variable, roots, written in (
        ("TIDEGATE_DOCUMENTS", settings.documents, False),
        ("TIDEGATE_REPORTS", (settings.reports,) if settings.reports else (), True),
        ("TIDEGATE_QUARANTINE", (settings.quarantine,) if settings.quarantine else (), True),
    ):
        if not roots:
            needed = variable == "TIDEGATE_QUARANTINE"
            outcome: Outcome = "failed" if needed else "warning"
            yield Check(variable, outcome, "not set", "see docs/settings.md for what it does")
        if not settings.documents and not written and (trusting := _trusting_documents(settings)):
            detail = (
                f"not set, and {', '.join(trusting)} may announce documents: each such event is "
                "redelivered until its queue or sender gives up, and holds up its FIFO group"
            )
            fix = "set TIDEGATE_DOCUMENTS, or trust nobody with tidegate.document.*"
            yield Check("announced documents", "warning", detail, fix)
        for root in roots:
            yield await _store(variable, root, written=written)


def _trusting_documents(settings: Settings) -> list[str]:
    """The ways in whose senders are trusted with events about documents."""
    ways = {"queues (TIDEGATE_TRUSTED_TYPES)": settings.trusted_types}
    with suppress(TidegateError):  # which the check of the webhooks reports
        table = bootstrap.webhook_table(settings) if settings.webhooks else None
        hooks = table.hooks.items() if table else ()
        ways |= {f"webhook {name}": endpoint.trusted_types for name, endpoint in hooks}
    return [way for way, types in ways.items() if not set(DOCUMENT_TYPES).isdisjoint(types)]


async def _store(variable: str, root: str, *, written: bool) -> Check:
    folder = root if root.endswith("/") else f"{root}/"
    store = DocumentStores(bootstrap.STORES, roots=(root,))
    try:
        async for _ in store.list(folder):
            break
        if written:
            await store.write(f"{folder}tidegate-doctor.txt", _probe(), content_type="text/plain")
    except TidegateError as error:
        return _failed(f"{variable} {root}", error, fix=_FIX_STORE)
    return Check(
        f"{variable} {root}", "ok", "can be listed and written" if written else "can be listed"
    )


async def _probe() -> AsyncIterator[bytes]:
    yield b"Written by `tidegate doctor` to check that it may write here.\n"


def _pages(settings: Settings) -> Iterator[Check]:
    try:
        policies = bootstrap.policies(settings)
    except TidegateError as error:
        yield _failed("policies", error)
        return
    yield Check(
        "policies", "ok", f"{len(policies.policies)} policies, {len(policies.targets)} targets"
    )
    addresses = bootstrap.addresses(settings, policies)
    try:
        check_addresses(policies.targets, addresses)
    except SettingsError as error:
        yield _failed("pages", error)
        return
    except ImportError:
        pass  # apprise is installed where the incident worker is, and need not be here
    unset = "; ".join(
        f"{name} has no address ({' and '.join(variables)} not set)"
        for name, variables in policies.unset(bootstrap.target_variables(settings)).items()
    )
    silent = [
        policy.name
        for policy in policies.policies
        if not any(addresses[target] for target in policy.levels[0].targets)
    ]
    if silent:
        detail = f"{', '.join(silent)} would page nobody at level 1: {unset}"
        yield Check("pages", "warning", detail, "set these variables for the incident worker")
    else:
        count = sum(map(len, addresses.values()))
        yield Check("pages", "ok", f"{count} addresses{'; ' if unset else ''}{unset}")


async def _webhooks(settings: Settings) -> AsyncIterator[Check]:
    """For each endpoint, whether anybody may post and whether its secrets can be fetched."""
    if settings.webhooks is None:
        yield Check("webhooks", "ok", "none: TIDEGATE_WEBHOOKS is not set")
        return
    try:
        table = bootstrap.webhook_table(settings)
    except TidegateError as error:
        yield _failed("webhooks", error)
        return
    secrets = bootstrap.secrets(settings)
    for name, endpoint in table.hooks.items():
        if endpoint.verify.scheme == "none":
            detail = "it verifies nobody: anybody who finds it can start workflows"
            yield Check(f"webhook {name}", "warning", detail, "give it the scheme of its sender")
            continue
        try:
            for reference in endpoint.verify.references:
                await secrets.get(reference)
        except TidegateError as error:
            yield _failed(f"webhook {name}", error)
        else:
            yield _age(name, endpoint)


def _age(name: str, endpoint: Endpoint) -> Check:
    """Whether somebody who recorded a request can send it again much later."""
    what = f"{endpoint.format}, {endpoint.verify.scheme}"
    if endpoint.verify.dates:
        return Check(f"webhook {name}", "ok", what)
    if endpoint.verify.could_date:
        detail = f"{what}: its requests are signed without a time, so a recorded one never expires"
        fix = "let the sender sign the time, and name its header in `timestamp_header`"
        return Check(f"webhook {name}", "warning", detail, fix)
    return Check(f"webhook {name}", "ok", f"{what}; its scheme signs no time (docs/security.md)")


async def _temporal(settings: Settings, table: RoutingTable | None) -> AsyncIterator[Check]:
    try:
        client = await bootstrap.connect(settings)
        days = (await admin.retention(client)).days
    except TidegateError as error:
        yield _failed("temporal", error, fix=_FIX_TEMPORAL)
        return
    where = f"{client.service_client.config.target_host}, namespace {client.namespace}"
    yield Check("temporal", "ok", f"{where}; duplicates are recognised for {days} days")
    try:
        missing = await admin.missing_search_attributes(client, contracts.SEARCH_ATTRIBUTES)
    except TidegateError as error:
        yield Check("search attributes", "warning", str(error), "check them in your Temporal UI")
    else:
        yield (
            Check("search attributes", "failed", f"missing: {', '.join(missing)}", "tidegate setup")
            if missing
            else Check("search attributes", "ok", ", ".join(contracts.SEARCH_ATTRIBUTES))
        )
    async for check in _queues(client, table):
        yield check


async def _queues(client: Client, table: RoutingTable | None) -> AsyncIterator[Check]:
    """For each task queue of a registered worker or of a route, whether a worker polls it."""
    workers = {worker.task_queue: worker.name for worker in contracts.WORKERS}
    senders = {contracts.ROOT_TASK_QUEUE: "the listeners"}
    tables: set[str] = set()
    for route in table.routes if table else ():
        senders.setdefault(route.task_queue, f"route {route.name}")
    for queue in {**workers, **senders}:
        name, worker, sender = f"task queue {queue}", workers.get(queue), senders.get(queue)
        try:
            pollers = await admin.pollers(client, queue)
        except TidegateError as error:
            yield _failed(name, error, fix=_FIX_TEMPORAL)
            continue
        fix = f"start the {worker}" if worker else "start its worker, or fix the route's task_queue"
        if pollers:
            yield Check(name, "ok", "a worker polls it")
            tables |= _tables(pollers) if worker else set()
        elif sender:
            detail = f"no worker polls it: what {sender} sends there waits"
            yield Check(name, "failed", detail, fix)
        else:
            yield Check(name, "warning", "no worker polls it, and no route leads to it", fix)
    if table and tables:
        yield _compared(table, tables)


def _tables(pollers: Sequence[str]) -> set[str]:
    """The digests of the routing tables that workers of ours have, by their identities."""
    mark = contracts.ROUTES_IDENTITY
    return {name.rpartition(mark)[2] for name in pollers if mark in name}


def _compared(table: RoutingTable, theirs: set[str]) -> Check:
    """Whether the workers have the routing table that is set here."""
    if others := sorted(theirs - {table.digest}):
        detail = f"here {table.digest}; a worker of the last minutes has {', '.join(others)}"
        fix = "give listeners, workers and this command the same TIDEGATE_ROUTES or package"
        return Check("routing tables", "warning", detail, fix)
    return Check("routing tables", "ok", f"the workers have the same, {table.digest}")


def _failed(name: str, error: TidegateError, *, fix: str = "") -> Check:
    """`fix` stands in for the error class's own, which mostly says to run this very command."""
    own = error.fix != type(error).fix or not isinstance(error, TransientError)
    return Check(name, "failed", error.message, error.fix if own else fix)
