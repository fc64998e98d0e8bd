"""Doctor: is everything there that production needs, and how is what is missing mended."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from core import bootstrap, contracts
from core.adapters.documents.router import DocumentStores
from core.adapters.notifiers.addresses import Addresses, check_addresses
from core.adapters.temporal import admin
from core.config.settings import Settings
from core.errors import SettingsError, TidegateError, TransientError

if TYPE_CHECKING:
    from temporalio.client import Client

    from core.domain.incident.policies.file import Policies
    from core.domain.routing import RoutingTable

Outcome = Literal["ok", "warning", "failed"]

_MEND_STORE: Final = (
    "create it if it is not there; else mend the variable, or region and credentials"
)
_MEND_TEMPORAL: Final = (
    "start the server or open the way to it; else mend TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE or the "
    "credentials"
)


@dataclass(frozen=True, slots=True)
class Check:
    """One finding: what was looked at, how it is, and the next step where something is wrong."""

    name: str
    outcome: Outcome
    found: str
    fix: str = ""

    def to_json(self) -> dict[str, str]:
        return asdict(self)


async def examine(env: Mapping[str, str] | None = None) -> AsyncIterator[Check]:
    """All checks, one after another. Never raises for what it finds."""
    try:
        settings = Settings.from_env(os.environ if env is None else env)
    except TidegateError as error:
        yield _failed("settings", error)
        return
    yield Check("settings", "ok", "every variable that is set is valid")

    table = None
    try:
        table = bootstrap.router(settings).routing.table
        yield Check("routes", "ok", f"{len(table.routes)} routes")
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
            yield Check(variable, outcome, "it is not set", "see docs/settings.md for what it does")
        for root in roots:
            yield await _store(variable, root, written=written)


async def _store(variable: str, root: str, *, written: bool) -> Check:
    folder = root if root.endswith("/") else f"{root}/"
    store = DocumentStores(bootstrap.STORES, roots=(root,))
    try:
        async for _ in store.list(folder):
            break
        if written:
            await store.write(f"{folder}tidegate-doctor.txt", _probe(), content_type="text/plain")
    except TidegateError as error:
        return _failed(f"{variable} {root}", error, fix=_MEND_STORE)
    return Check(
        f"{variable} {root}", "ok", "can be listed and written" if written else "can be listed"
    )


async def _probe() -> AsyncIterator[bytes]:
    yield b"Written by `tidegate doctor` to see whether it may write here.\n"


def _pages(settings: Settings) -> Iterator[Check]:
    try:
        policies = bootstrap.policies(settings)
    except TidegateError as error:
        yield _failed("policies", error)
        return
    yield Check("policies", "ok", f"{len(policies.policies)}, {len(policies.targets)} targets")
    addresses = bootstrap.addresses(policies)
    lacking = "; ".join(
        f"{name} has no address ({' and '.join(variables)} not set)"
        for name, variables in policies.unset(os.environ).items()
    )
    silent = [
        policy.name
        for policy in policies.policies
        if not any(addresses[target] for target in policy.levels[0].targets)
    ]
    if invalid := _invalid(policies, addresses):
        yield _failed("pages", invalid)
    elif silent:
        found = f"{', '.join(silent)} would page nobody at level 1: {lacking}"
        yield Check("pages", "warning", found, "set these variables for the incident worker")
    else:
        count = sum(map(len, addresses.values()))
        yield Check("pages", "ok", f"{count} addresses{'; ' if lacking else ''}{lacking}")


def _invalid(policies: Policies, addresses: Addresses) -> SettingsError | None:
    """None where apprise is not installed, too: the incident worker has it."""
    try:
        check_addresses(policies.targets, addresses)
    except SettingsError as error:
        return error
    except ImportError:
        pass
    return None


async def _webhooks(settings: Settings) -> AsyncIterator[Check]:
    """Every endpoint: whether anybody may post, and whether its secrets can be had."""
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
            found = "it verifies nobody: whoever finds it can start workflows"
            yield Check(f"webhook {name}", "warning", found, "give it the scheme of its sender")
            continue
        lacking = []
        for reference in endpoint.verify.references:
            try:
                await secrets.get(reference)
            except TidegateError as error:
                lacking.append(error)
        if lacking:
            yield _failed(f"webhook {name}", lacking[0])
        else:
            yield Check(f"webhook {name}", "ok", f"{endpoint.format}, {endpoint.verify.scheme}")


async def _temporal(settings: Settings, table: RoutingTable | None) -> AsyncIterator[Check]:
    try:
        client = await bootstrap.connect(settings)
        days = (await admin.retention(client)).days
    except TidegateError as error:
        yield _failed("temporal", error, fix=_MEND_TEMPORAL)
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
    queues = {contracts.ROOT_TASK_QUEUE: "the root orchestrator"}
    for route in table.routes if table else ():
        queues.setdefault(route.task_queue, f"route {route.name}")
    for queue, user in queues.items():
        yield await _queue(client, queue, user)


async def _queue(client: Client, queue: str, user: str) -> Check:
    name = f"task queue {queue}"
    try:
        count = await admin.pollers(client, queue)
    except TidegateError as error:
        return _failed(name, error, fix=_MEND_TEMPORAL)
    if count:
        return Check(name, "ok", f"polled, for {user}")
    return Check(
        name,
        "failed",
        f"no worker polls it: what {user} sends there waits",
        "start its worker, or mend the route's task_queue",
    )


def _failed(name: str, error: TidegateError, *, fix: str = "") -> Check:
    """`fix` is for what does not answer: such errors themselves mostly say to ask the doctor."""
    own = error.fix != type(error).fix or not isinstance(error, TransientError)
    return Check(name, "failed", error.message, error.fix if own else fix)


def summary(checks: list[Check]) -> dict[str, Any]:
    """All checks as JSON, with whether production would work."""
    healthy = all(check.outcome != "failed" for check in checks)
    return {"healthy": healthy, "checks": [check.to_json() for check in checks]}
