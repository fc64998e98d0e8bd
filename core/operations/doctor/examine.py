"""Whether everything is there that the routes and settings in force need, and how to fix what is
not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from core import bootstrap
from core.adapters.documents.router import DocumentStores
from core.adapters.notifiers.addresses import check_addresses
from core.config.settings import Settings, meaning
from core.contracts import WORKERS
from core.domain.event import DOCUMENT_TYPES
from core.domain.oncall.file import NOBODY
from core.domain.routing.table import RoutingTable
from core.domain.targets import unset
from core.domain.text import counted
from core.errors import SettingsError, TidegateError
from core.operations.doctor.checks import Check, Code, Outcome, failed
from core.operations.doctor.needs import Needs
from core.operations.doctor.on_call import check_on_call
from core.operations.doctor.temporal import check_temporal
from core.webhooks.endpoints import Endpoint

if TYPE_CHECKING:
    from core.config.secrets import Secrets

_FIX_STORE: Final = "create it if it does not exist; else fix the variable, region or credentials"


async def examine() -> AsyncIterator[Check]:
    """The checks, each as soon as it is done. Raises nothing: what goes wrong is a failed check."""
    try:
        settings = Settings.from_env()
        formats = bootstrap.queue_formats(settings)
    except TidegateError as error:
        yield failed(Code.SETTINGS, "settings", error)
        return
    yield Check(Code.SETTINGS, "settings", "ok", "every variable that is set is valid")
    if formats:
        read_as = ", ".join(f"{queue} as {text}" for queue, text in settings.queue_formats)
        detail = f"{read_as}; whether there are such queues is not checked"
        yield Check(Code.QUEUE_FORMATS, "queues", "ok", detail)

    table = None
    try:
        table = bootstrap.router(settings).routing.table
        detail = f"{counted(len(table.routes), 'route')}, digest {table.digest}"
        yield Check(Code.ROUTES, "routes", "ok", detail)
    except TidegateError as error:
        yield failed(Code.ROUTES, "routes", error)
    needs = Needs.of(table)
    for check in _workers(table, needs):
        yield check

    async for check in _stores(settings, needs):
        yield check
    if needs.pages:
        async for check in _pages(settings):
            yield check
        yield await _links(settings)
    async for check in _webhooks(settings):
        yield check
    async for check in check_temporal(settings, table, needs):
        yield check


def _workers(table: RoutingTable | None, needs: Needs) -> Iterator[Check]:
    """The workers of which nothing is checked."""
    for worker in WORKERS:
        if worker.name not in needs.senders:
            why = "no route leads to it" if table else "the routes are not known"
            detail = f"{why}: neither the worker nor what it needs is checked"
            yield Check(Code.WORKER, worker.name, "skipped", detail)


async def _stores(settings: Settings, needs: Needs) -> AsyncIterator[Check]:
    async for check in _documents(settings, needs):
        yield check
    for code, variable, root, needed in (
        (Code.REPORTS, "TIDEGATE_REPORTS", settings.reports, needs.reports),
        (Code.QUARANTINE, "TIDEGATE_QUARANTINE", settings.quarantine, True),
    ):
        if not needed:
            continue
        if root:
            yield await _store(code, variable, root)
        else:
            outcome: Outcome = "failed" if code is Code.QUARANTINE else "warning"
            fix = f"set {meaning(variable)}"
            yield Check(code, variable, outcome, "not set", fix, unset=True)


async def _documents(settings: Settings, needs: Needs) -> AsyncIterator[Check]:
    variable = "TIDEGATE_DOCUMENTS"
    for root in settings.documents:
        yield await _store(Code.DOCUMENTS, variable, root)
    if settings.documents:
        return
    fix = f"set {meaning(variable)}"
    if needs.documents:
        detail = f"not set, and route {needs.documents} takes documents"
        yield Check(Code.DOCUMENTS, variable, "warning", detail, fix, unset=True)
    if trusting := _trusting_documents(settings):
        detail = (
            f"{variable} is not set, and {', '.join(trusting)} may announce documents: each such "
            "event is redelivered until its queue or sender gives up, and holds up its FIFO group"
        )
        fix = f"{fix}; or trust nobody with tidegate.document.*"
        yield Check(Code.ANNOUNCED_DOCUMENTS, "announced documents", "warning", detail, fix)


def _trusting_documents(settings: Settings) -> list[str]:
    """The ways in whose senders are trusted with events about documents."""
    ways = {"queues (TIDEGATE_TRUSTED_TYPES)": settings.trusted_types}
    with suppress(TidegateError):  # which the check of the webhooks reports
        table = bootstrap.webhook_table(settings) if settings.webhooks else None
        hooks = table.hooks.items() if table else ()
        ways |= {f"webhook {name}": endpoint.trusted_types for name, endpoint in hooks}
    return [way for way, types in ways.items() if not set(DOCUMENT_TYPES).isdisjoint(types)]


async def _store(code: Code, variable: str, root: str) -> Check:
    """Whether a store can be listed and, unless it is one of documents, written."""
    folder = root if root.endswith("/") else f"{root}/"
    name = f"{variable} {root}"
    store = DocumentStores(bootstrap.STORES, roots=(root,))
    try:
        async for _ in store.list(folder):
            break
        if code is Code.DOCUMENTS:
            return Check(code, name, "ok", "can be listed")
        await store.check_writable(folder)
    except TidegateError as error:
        return failed(code, name, error, fix=_FIX_STORE)
    return Check(code, name, "ok", "can be listed and written")


async def _pages(settings: Settings) -> AsyncIterator[Check]:
    try:
        oncall = bootstrap.oncall(settings)
    except TidegateError as error:
        yield failed(Code.ONCALL, "on call", error)
        return
    if oncall != NOBODY:
        async for check in check_on_call(settings, oncall):
            yield check
    try:
        policies = bootstrap.policies(settings, oncall)
    except TidegateError as error:
        yield failed(Code.POLICIES, "policies", error)
        return
    yield Check(
        Code.POLICIES,
        "policies",
        "ok",
        f"{counted(len(policies.policies), 'policy', 'policies')}, "
        f"{counted(len(policies.targets), 'target')}",
    )
    addresses = bootstrap.addresses(settings, policies.targets)
    try:
        check_addresses(policies.targets, addresses)
    except SettingsError as error:
        yield failed(Code.PAGES, "pages", error)
        return
    except ImportError:
        pass  # apprise is installed where the incident worker is, and need not be here
    missing = "; ".join(
        f"{name} has no address ({' and '.join(variables)} not set)"
        for name, variables in unset(policies.targets, bootstrap.target_variables(settings)).items()
    )
    silent = [
        policy.name
        for policy in policies.policies
        if not policy.levels[0].recipients
        and not any(addresses[target] for target in policy.levels[0].targets)
    ]
    if silent:
        detail = f"{', '.join(silent)} would page nobody at level 1: {missing}"
        fix = "set these variables for the incident worker"
        yield Check(Code.PAGES, "pages", "warning", detail, fix)
    else:
        set_here = counted(sum(map(len, addresses.values())), "address", "addresses")
        detail = f"{set_here}; {missing}" if missing else set_here
        yield Check(Code.PAGES, "pages", "ok", detail)


async def _links(settings: Settings) -> Check:
    code, name = Code.LINKS, "links in pages"
    if settings.app_url is None and not settings.link_keys:
        return Check(code, name, "skipped", "TIDEGATE_APP_URL is not set: pages have none")
    try:
        for reference in settings.require("link_keys"):
            await bootstrap.link_keys(replace(settings, link_keys=(reference,))).check()
    except TidegateError as error:
        return failed(code, name, error)
    keys = counted(len(settings.link_keys), "key")
    where = settings.app_url or "TIDEGATE_APP_URL is not set: an incident worker needs it, too"
    return Check(code, name, "ok", f"{keys}; {where}")


async def _webhooks(settings: Settings) -> AsyncIterator[Check]:
    """For each endpoint, whether anybody may post and whether its secrets can be fetched."""
    if settings.webhooks is None:
        yield Check(Code.WEBHOOKS, "webhooks", "skipped", "TIDEGATE_WEBHOOKS is not set")
        return
    try:
        table = bootstrap.webhook_table(settings)
    except TidegateError as error:
        yield failed(Code.WEBHOOKS, "webhooks", error)
        return
    yield Check(Code.WEBHOOKS, "webhooks", "ok", f"{len(table.hooks)} in {settings.webhooks}")
    secrets = bootstrap.secrets(settings)
    for name, endpoint in table.hooks.items():
        yield await _webhook(f"webhook {name}", endpoint, secrets)


async def _webhook(name: str, endpoint: Endpoint, secrets: Secrets) -> Check:
    code, verify = Code.WEBHOOK, endpoint.verify
    if verify.scheme == "none":
        detail = "it verifies nobody: anybody who finds it can start workflows"
        return Check(code, name, "warning", detail, "give it the scheme of its sender")
    try:
        for reference in verify.references:
            await secrets.get(reference)
    except TidegateError as error:
        return failed(code, name, error)
    what = f"{endpoint.format}, {verify.scheme}"
    if verify.dates:
        return Check(code, name, "ok", what)
    if verify.could_date:  # whoever recorded a request can send it again much later
        detail = f"{what}: its requests are signed without a time, so a recorded one never expires"
        fix = "let the sender sign the time, and name its header in `timestamp_header`"
        return Check(code, name, "warning", detail, fix)
    return Check(code, name, "ok", f"{what}; its scheme signs no time")
