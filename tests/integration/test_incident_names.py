"""Which incident is meant, by a real server's visibility; no worker is needed to find out."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import uuid4

import pytest
from temporalio import workflow
from temporalio.client import Client, WorkflowFailureError
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes
from temporalio.exceptions import ApplicationError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from core.adapters.temporal import incident_names
from core.adapters.temporal.incident_names import resolve
from core.contracts import (
    HANDLE_ATTRIBUTE,
    INCIDENT_ID_ATTRIBUTE,
    INCIDENT_WORKFLOW,
    STATUS_ATTRIBUTE,
    TITLE_MEMO,
)
from core.domain.handles import handle_of
from core.errors import AmbiguousId, IncidentNotFound
from infra.local.temporal import TemporalServer
from tests.support.eventually import eventually
from tests.support.grpc_proxy import Proxy, counted

AWKWARD = [
    "plain",
    "it's",
    'a "quoted"',
    "back\\slash",
    "100%",
    "a_b",
    "!",
    "' OR 'a' = 'a",
    "日本",
]
BEGAN = "@20260102T030405.678Z"


@dataclass
class Incidents:
    """Workflows as visibility sees incidents."""

    client: Client
    queue: str = field(default_factory=lambda: f"queue-{uuid4().hex}")
    prefix: str = field(default_factory=lambda: f"incident:{uuid4().hex}:")

    async def add(
        self,
        name: str,
        *,
        began: str = BEGAN,
        status: str | None = "open",
        title: str = "It burns",
        lingers: bool = False,
        type: str = INCIDENT_WORKFLOW,
    ) -> str:
        """Start one, and end one that is closed, unless it lingers; returns its own ID."""
        key = f"{self.prefix}{name}"
        own = f"{key}{began}"
        values = {INCIDENT_ID_ATTRIBUTE: own, HANDLE_ATTRIBUTE: handle_of(own)}
        values |= {STATUS_ATTRIBUTE: status} if status else {}
        started = await self.client.start_workflow(
            type,
            id=key,
            task_queue=self.queue,
            memo={TITLE_MEMO: title},
            search_attributes=TypedSearchAttributes(
                [
                    SearchAttributePair(SearchAttributeKey.for_keyword(name), value)
                    for name, value in (values if status else {}).items()
                ]
            ),
        )
        if status == "closed" and not lingers:
            await started.terminate("it is over")
        return own


@workflow.defn(name=INCIDENT_WORKFLOW)
class Failing:
    """An incident whose first event brings no valid report."""

    @workflow.run
    async def run(self) -> None:
        raise ApplicationError("no report", non_retryable=True)


@pytest.fixture
def incidents(temporal_client: Client) -> Incidents:
    return Incidents(temporal_client)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks for a handle as often as ever, but without a pause."""
    monkeypatch.setattr(incident_names, "_BETWEEN_LOOKS", 0.0)


@pytest.mark.parametrize("name", AWKWARD)
@pytest.mark.parametrize("status", ["open", "closed"])
async def test_a_handle_and_a_beginning_name_an_incident(
    incidents: Incidents, name: str, status: str
) -> None:
    own = await incidents.add(name, status=status)
    # Visibility may lag behind the start; a handle is waited for.
    assert await resolve(incidents.client, handle_of(own)) == own
    assert await resolve(incidents.client, f"{incidents.prefix}{name}@2026") == own
    assert await resolve(incidents.client, incidents.prefix) == own


async def test_a_workflow_id_and_an_own_id_are_taken_as_they_are(incidents: Incidents) -> None:
    own = await incidents.add("one")
    key = own.removesuffix(BEGAN)
    assert await resolve(incidents.client, own) == own
    assert await resolve(incidents.client, key) == key
    assert await resolve(incidents.client, f"unknown{BEGAN}") == f"unknown{BEGAN}"


async def test_capitals_and_wildcards_are_no_beginning(incidents: Incidents) -> None:
    own = await incidents.add("one")
    assert await resolve(incidents.client, handle_of(own)) == own
    for beginning in (incidents.prefix.upper(), f"{incidents.prefix}%", f"{incidents.prefix}_"):
        with pytest.raises(IncidentNotFound):
            await resolve(incidents.client, beginning)


async def test_a_beginning_means_the_incident_that_is_not_closed(incidents: Incidents) -> None:
    before = [
        await incidents.add("one", began=f"@2026010{day}T000000.000Z", status="closed")
        for day in (1, 2)
    ]
    own = await incidents.add("one", began="@20260103T000000.000Z")
    assert await resolve(incidents.client, handle_of(own)) == own
    assert await resolve(incidents.client, f"{incidents.prefix}o") == own
    assert await resolve(incidents.client, before[0][:-8]) == before[0]


async def test_newer_incidents_do_not_hide_the_one_that_is_meant(incidents: Incidents) -> None:
    own = await incidents.add("n0")
    closed = [
        await incidents.add(f"n{number}", status="closed", lingers=True) for number in range(1, 8)
    ]
    capitals = Incidents(incidents.client, prefix=incidents.prefix.upper())
    others = [await capitals.add(f"n{number}") for number in range(7)]
    for each in (own, *closed, *others):
        assert await resolve(incidents.client, handle_of(each)) == each
    assert await resolve(incidents.client, incidents.prefix) == own


async def test_no_more_runs_are_looked_at_than_a_bound(
    incidents: Incidents, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Visibility in SQL finds capitals for small letters, so that a text may find all there are."""
    own = await incidents.add("n0")
    capitals = Incidents(incidents.client, prefix=incidents.prefix.upper())
    others = [await capitals.add(f"n{number}") for number in range(3)]
    for each in (own, *others):
        assert await resolve(incidents.client, handle_of(each)) == each
    monkeypatch.setattr(incident_names, "_MOST_LOOKED_AT", 4)
    assert await resolve(incidents.client, incidents.prefix) == own
    monkeypatch.setattr(incident_names, "_MOST_LOOKED_AT", 3)
    with pytest.raises(IncidentNotFound):
        await resolve(incidents.client, incidents.prefix)


@pytest.mark.parametrize("text", ['"', "\\", '"incident:cpu'])
async def test_a_text_of_which_nothing_can_be_found_is_not_looked_for_among_all(
    text: str, temporal_server: TemporalServer
) -> None:
    with Proxy(temporal_server.address) as proxy:
        client = await Client.connect(proxy.address)
        with counted(proxy) as calls, pytest.raises(IncidentNotFound):
            await resolve(client, text)
    assert calls == [1]  # whether it is a workflow's ID


async def test_a_beginning_that_fits_several_names_them(incidents: Incidents) -> None:
    owns = [await incidents.add(f"n{number}", title=f"Disk {number}") for number in range(7)]
    for own in owns:
        assert await resolve(incidents.client, handle_of(own)) == own
    with pytest.raises(AmbiguousId) as caught:
        await resolve(incidents.client, incidents.prefix)
    message = caught.value.message
    named = [n for n, own in enumerate(owns) if f"{handle_of(own)} 'Disk {n}'" in message]
    assert len(named) == 5
    assert message.endswith("and others")


async def test_one_handle_of_two_incidents_is_never_guessed(incidents: Incidents) -> None:
    """Not even where one of them is closed: the page with the handle may be about either."""
    incidents.prefix = ""
    one, other = "incident:22096@x", "incident:34123@x"
    assert handle_of(one) == handle_of(other)
    ids = [
        await incidents.add(one, began="", status="closed"),
        await incidents.add(other, began=""),
    ]

    async def refusal() -> str:
        try:
            await resolve(incidents.client, handle_of(one))
        except AmbiguousId as error:
            return error.message
        return ""

    message = await eventually(refusal, "both to be visible")
    assert all(id in message for id in ids)


@pytest.mark.usefixtures("impatient")
async def test_an_incident_that_failed_before_it_opened_has_the_handle_of_its_workflow_id(
    incidents: Incidents,
) -> None:
    key = (await incidents.add("never", status=None)).removesuffix(BEGAN)
    with pytest.raises(IncidentNotFound):  # it may open yet
        await resolve(incidents.client, handle_of(key))
    await fail(incidents, key)

    async def found() -> bool:
        try:
            return await resolve(incidents.client, handle_of(key)) == key
        except IncidentNotFound:
            return False

    await eventually(found, "it to be visible")
    assert await resolve(incidents.client, key) == key
    assert await resolve(incidents.client, incidents.prefix) == key


async def fail(incidents: Incidents, key: str) -> None:
    worker = Worker(
        incidents.client,
        task_queue=incidents.queue,
        workflows=[Failing],
        workflow_runner=UnsandboxedWorkflowRunner(),
    )
    async with worker:
        with pytest.raises(WorkflowFailureError):
            await incidents.client.get_workflow_handle(key).result()


async def test_another_workflow_is_no_incident(incidents: Incidents) -> None:
    key = (await incidents.add("root", type="RootOrchestrator")).removesuffix(BEGAN)
    with pytest.raises(IncidentNotFound, match="is a RootOrchestrator workflow"):
        await resolve(incidents.client, key)
    with pytest.raises(IncidentNotFound, match="is a RootOrchestrator workflow"):
        await resolve(incidents.client, f"{key}{BEGAN}")


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    "text",
    [
        *("", "bcdfgh", "no such incident", "x" * 300, "'", '"', "\\", "\0", "\udcff"),
        *(f"{'x' * 300}{BEGAN}", f"a\0{BEGAN}"),
    ],
)
async def test_what_names_no_incident_is_refused_with_a_next_step(
    temporal_client: Client, text: str
) -> None:
    with pytest.raises(IncidentNotFound) as caught:
        await resolve(temporal_client, text)
    assert "tidegate incident list --all" in caught.value.fix
