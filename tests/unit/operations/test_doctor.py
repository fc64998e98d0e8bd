"""The kinds of doctor's checks, and what decides whether one is made."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from core.adapters.documents.router import DocumentStores
from core.adapters.temporal import admin
from core.adapters.temporal.admin import Build, QueueWorkers
from core.config.files import load_routes
from core.config.routing_table import SHIPPED_ROUTES
from core.config.settings import Settings
from core.contracts import INCIDENT_WORKER, ROOT_WORKER, SEARCH_ATTRIBUTES
from core.errors import RolloutRefused, SettingsError
from core.operations.doctor import examine, temporal
from core.operations.doctor.checks import Check, Code
from core.operations.doctor.needs import Needs
from core.ports.worker_deployment import State
from tests.support.worker_deployment import InMemory, function

if TYPE_CHECKING:
    from temporalio.client import Client

DOCUMENTATION = (Path(__file__).parents[3] / "docs" / "cli.md").read_text(encoding="utf-8")
OLD, NEW = Build("orders", "1.0"), Build("orders", "1.1")


def test_the_documentation_has_every_code_with_what_it_checks_and_when() -> None:
    section = DOCUMENTATION.partition("\n## Doctor\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([a-z-]+)` \| (.*) \| (.*) \|$", section, re.M)
    assert rows == [(code.value, code.about, code.made) for code in Code]


def needs(tmp_path: Path, *routes: str) -> Needs:
    file = tmp_path / "routes.yaml"
    file.write_text("version: 1\nroutes:\n" + "".join(f"  - {route}\n" for route in routes))
    return Needs.of(load_routes(file).compiled())


def route(
    match: str = "{exact: {type: order}}", workflow: str = "Order", queue: str = "orders"
) -> str:
    return f"{{name: first, match: {match}, workflow: {workflow}, task_queue: {queue}}}"


def test_the_shipped_table_needs_both_workers_and_documents() -> None:
    shipped = Needs.of(load_routes(SHIPPED_ROUTES).compiled())
    assert shipped.senders == {
        "root-worker": "the listeners",
        "incident-worker": "route incident-report",
    }
    assert shipped.documents == "incident-report"
    assert (shipped.pages, shipped.reports) == (True, True)
    assert shipped.search_attributes == list(SEARCH_ATTRIBUTES)


def test_a_table_without_incidents_needs_the_root_worker_alone(tmp_path: Path) -> None:
    own = needs(tmp_path, route())
    assert [worker.name for worker in own.workers] == ["root-worker"]
    assert own.documents is None
    assert (own.pages, own.reports, own.search_attributes) == (False, False, [])
    assert Needs.of(None) == own  # of a table that cannot be read nothing more is known


def test_a_route_needs_the_worker_of_its_task_queue(tmp_path: Path) -> None:
    own = needs(tmp_path, route(workflow="Incident", queue="tidegate-incident"))
    assert own.senders["incident-worker"] == "route first"


def test_a_worker_is_needed_by_the_first_of_its_routes(tmp_path: Path) -> None:
    first = route(workflow="Incident", queue="tidegate-incident")
    second = first.replace("name: first", "name: second").replace("order", "alarm")
    assert needs(tmp_path, first, second).senders["incident-worker"] == "route first"


@pytest.mark.parametrize(
    ("match", "takes"),
    [
        ("{exact: {type: tidegate.document.created}}", True),
        ("{prefix: {type: tidegate.document.}}", True),
        ("{suffix: {type: .removed}}", True),
        ("{any: [{exact: {type: order}}, {exact: {type: tidegate.document.changed}}]}", True),
        ("{all: [{prefix: {type: tidegate.}}, {suffix: {subject: .json}}]}", True),
        ("{exact: {type: order}}", False),
        ("{suffix: {subject: .json}}", False),
        ("{not: {exact: {type: tidegate.document.created}}}", False),
        ('{jmespath: "total"}', False),
    ],
)
def test_a_route_takes_documents_if_a_filter_names_their_types(
    match: str, takes: bool, tmp_path: Path
) -> None:
    assert needs(tmp_path, route(match)).documents == ("first" if takes else None)


@pytest.mark.parametrize(
    ("workers", "unserved"),
    [
        (QueueWorkers(identities=("a",), unversioned=True), []),
        (QueueWorkers(identities=("a",), builds=(OLD,)), [None]),
        (QueueWorkers(identities=("a",), builds=(OLD,), current=OLD), []),
        (QueueWorkers(identities=("a",), builds=(OLD, NEW), current=OLD), []),
        (QueueWorkers(identities=("a",), builds=(OLD,), current=NEW), [NEW]),
        (QueueWorkers(identities=("a",), unversioned=True, current=NEW), [NEW]),
        (
            QueueWorkers(identities=("a",), builds=(OLD,), current=OLD, ramping=NEW, ramp=5),
            [NEW],
        ),
        (QueueWorkers(identities=("a",), builds=(OLD,), current=OLD, ramping=NEW), []),
        (
            QueueWorkers(identities=("a",), builds=(NEW,), current=OLD, ramping=NEW, ramp=100),
            [],
        ),
        (
            QueueWorkers(identities=("a",), builds=(NEW,), ramping=NEW, ramp=5),
            [None],
        ),
        (QueueWorkers(identities=("a",), builds=(OLD,), current=NEW, callable=(NEW,)), []),
        (QueueWorkers(identities=(), current=NEW, callable=(NEW,)), []),
        (QueueWorkers(identities=(), current=NEW, ramping=OLD, ramp=5, callable=(NEW,)), [OLD]),
    ],
    ids=[
        "no builds",
        "a build, none current",
        "the current build",
        "an idle build beside the current one",
        "another build than the current one",
        "no build but the current one is",
        "the ramping build is not there",
        "ramped down to nothing",
        "ramped up to everything",
        "the rest is for workers without a build",
        "the current build is asleep while an old one polls",
        "the current build is asleep",
        "the ramping build has no function",
    ],
)
def test_new_work_is_unserved_where_whom_it_goes_to_does_not_poll(
    workers: QueueWorkers, unserved: list[Build | None]
) -> None:
    assert workers.unserved == unserved


@pytest.mark.parametrize(
    ("workers", "asleep"),
    [
        (QueueWorkers(identities=(), current=NEW, callable=(NEW,)), NEW),
        (QueueWorkers(identities=("a",), current=NEW, callable=(NEW,)), None),
        (QueueWorkers(identities=(), current=NEW), None),
        (QueueWorkers(identities=(), current=NEW, ramping=OLD, ramp=5, callable=(NEW,)), None),
        (QueueWorkers(identities=()), None),
    ],
    ids=["woken", "somebody polls", "no function", "a share would wait", "nobody"],
)
def test_workers_are_asleep_where_temporal_wakes_them_for_all_new_work(
    workers: QueueWorkers, asleep: Build | None
) -> None:
    assert workers.asleep == asleep


@pytest.mark.parametrize(
    ("workers", "checks"),
    [
        (InMemory(exists=False), []),
        (InMemory().add("one", None, state=State.CURRENT), []),
        (InMemory().add("one", function(1)), ["skipped: no build of them is current"]),
        (InMemory().add("one", function(1), state=State.CURRENT), ["ok: Temporal can reach it"]),
        (
            InMemory()
            .add("one", function(1), state=State.CURRENT)
            .add("two", None, state=State.RAMPING),
            ["ok: Temporal can reach it", "failed: new work goes to it, and it has no function"],
        ),
        (
            InMemory(refusal=RolloutRefused("the role is gone", fix="make it")).add(
                "one", function(1), state=State.CURRENT
            ),
            ["failed: the role is gone"],
        ),
    ],
    ids=[
        "containers only",
        "no build has a function",
        "deployed and not promoted",
        "well",
        "a build that ramps up without a function",
        "a function that Temporal cannot reach",
    ],
)
async def test_each_build_that_gets_new_work_has_a_function_that_temporal_can_reach(
    workers: InMemory, checks: list[str]
) -> None:
    found = [check async for check in temporal.check_functions(workers)]
    shown = [f"{check.outcome}: {check.detail}" for check in found]
    assert [text.startswith(start) for text, start in zip(shown, checks, strict=True)] == (
        [True] * len(checks)
    )
    assert all(check.fix for check in found if check.outcome != "ok")


async def test_without_incidents_the_quarantine_is_needed_and_the_reports_are_not() -> None:
    [check] = [each async for each in examine._stores(Settings(), Needs.of(None))]
    assert (check.code, check.outcome) == (Code.QUARANTINE, "failed")


async def test_documents_need_not_be_writable_and_the_quarantine_must_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(self: DocumentStores, folder: str) -> None:
        raise SettingsError(f"{folder} cannot be written")

    monkeypatch.setattr(DocumentStores, "check_writable", refuse)
    root = f"file://{tmp_path}/"
    settings = Settings(documents=(root,), quarantine=root)
    found = {each.code: each.outcome async for each in examine._stores(settings, Needs.of(None))}
    assert found == {Code.DOCUMENTS: "ok", Code.QUARANTINE: "failed"}


@pytest.mark.parametrize(
    ("url", "references", "outcome", "said"),
    [
        (None, (), "skipped", "TIDEGATE_APP_URL is not set: pages have none"),
        ("https://app.example", (), "failed", "TIDEGATE_LINK_KEYS is not set"),
        ("https://app.example", ("env:NO_KEY",), "failed", "env:NO_KEY"),
        ("https://app.example", ("env:LONG", "env:NO_KEY"), "failed", "env:NO_KEY"),
        ("https://app.example", ("env:LONG", "env:SHORT"), "failed", "a key has 5 bytes"),
        ("https://app.example", ("env:LONG",), "ok", "1 key; https://app.example"),
        (None, ("env:LONG", "env:LONGER"), "ok", "2 keys; TIDEGATE_APP_URL is not set"),
    ],
)
async def test_each_key_of_links_can_be_fetched_and_is_long_enough(
    monkeypatch: pytest.MonkeyPatch,
    url: str | None,
    references: tuple[str, ...],
    outcome: str,
    said: str,
) -> None:
    for name, value in {"LONG": "x" * 32, "LONGER": "y" * 43, "SHORT": "short"}.items():
        monkeypatch.setenv(name, value)
    check = await examine._links(Settings(app_url=url, link_keys=references))
    assert (check.code, check.outcome) == (Code.LINKS, outcome)
    assert said in check.detail
    assert bool(check.fix) == (outcome == "failed")


async def check_queues(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **identities: str
) -> list[Check]:
    """The checks of the task queues of a table with a route to one of somebody's own, `orders`, one
    to that of the incident worker, and then another to each. `root`, `incident` and `orders` are
    who polls each; SAME stands for the digest of that table."""
    file = tmp_path / "routes.yaml"
    incident = route(workflow="Incident", queue=INCIDENT_WORKER.task_queue)
    incident = incident.replace("name: first", "name: second").replace("order", "alarm")
    later = [
        each.replace(name, f"name: late-{name[6:]}").replace("exact", "prefix")
        for each, name in ((route(), "name: first"), (incident, "name: second"))
    ]
    lines = "".join(f"  - {each}\n" for each in (route(), incident, *later))
    file.write_text(f"version: 1\nroutes:\n{lines}")
    table = load_routes(file).compiled()
    queues = {"root": ROOT_WORKER.task_queue, "incident": INCIDENT_WORKER.task_queue}
    polls = {
        queues.get(name, name): identity.replace("SAME", table.digest)
        for name, identity in identities.items()
    }

    async def queue_workers(client: object, queue: str) -> QueueWorkers:
        names = (polls[queue],) if queue in polls else ()
        return QueueWorkers(identities=names, unversioned=True)

    monkeypatch.setattr(admin, "queue_workers", queue_workers)
    found = temporal._queues(cast("Client", None), table, Needs.of(table))
    return [check async for check in found]


async def test_the_routing_table_of_workers_that_sleep_is_not_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def asleep(client: object, queue: str) -> QueueWorkers:
        return QueueWorkers(identities=(), current=NEW, callable=(NEW,))

    file = tmp_path / "routes.yaml"
    file.write_text(f"version: 1\nroutes:\n  - {route()}\n")
    table = load_routes(file).compiled()
    monkeypatch.setattr(admin, "queue_workers", asleep)
    found = [
        check async for check in temporal._queues(cast("Client", None), table, Needs.of(table))
    ]
    queues = [check for check in found if check.code is Code.TASK_QUEUE]
    assert {check.outcome for check in queues} == {"ok"}
    assert queues[0].detail == "asleep: Temporal wakes build 1.1, for the listeners"
    [tables] = [check for check in found if check.code is Code.ROUTING_TABLES]
    assert (tables.outcome, "asleep" in tables.detail) == ("skipped", True)


@pytest.mark.parametrize(
    ("root", "orders", "outcome"),
    [
        ("1@host routes=SAME", "2@host", "ok"),
        ("1@host routes=SAME", "2@host routes=theirs", "ok"),
        ("1@host routes=other", "2@host", "warning"),
        ("1@host", "2@host routes=theirs", None),
    ],
    ids=["the same", "somebody else says so", "another", "nobody of ours says which"],
)
async def test_the_routing_tables_of_our_own_workers_are_compared(
    root: str,
    orders: str,
    outcome: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    checks = await check_queues(tmp_path, monkeypatch, root=root, orders=orders, incident="3@host")
    compared = [each.outcome for each in checks if each.code is Code.ROUTING_TABLES]
    assert compared == ([outcome] if outcome else [])


async def test_each_task_queue_is_named_with_who_sends_to_it_and_who_has_to_poll(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks = await check_queues(tmp_path, monkeypatch, root="1@host")
    assert [(each.outcome, each.detail, each.fix) for each in checks] == [
        ("ok", "a worker polls it, for the listeners", ""),
        (
            "failed",
            "no worker polls it: what route second sends there waits",
            "start the incident-worker",
        ),
        (
            "failed",
            "no worker polls it: what route first sends there waits",
            "start its worker, or fix the route's task_queue",
        ),
    ]
