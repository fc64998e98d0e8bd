"""How soon incidents were acknowledged and resolved, out of a real server's visibility."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from temporalio.client import Client
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes

from core.adapters.temporal.response_times import responses
from core.contracts import (
    ACKNOWLEDGED_AT_ATTRIBUTE,
    INCIDENT_ID_ATTRIBUTE,
    INCIDENT_WORKFLOW,
    QUERY_INCIDENT,
    RESOLVED_AT_ATTRIBUTE,
    SERVICE_ATTRIBUTE,
)
from core.domain.incident.commands import Acknowledge, Resolve
from core.domain.incident.ids import compact_time, incident_id
from core.domain.incident.reports.response_times import Response
from infra.local.temporal import TemporalServer
from tests.support.grpc_proxy import Proxy, counted
from tests.support.incidents import REPORT, Harness, command, says, until

MOST = 1000


async def of_service(client: Client, service: str, since: datetime) -> list[Response]:
    found, _ = await responses(client, since, limit=MOST)
    return [each for each in found if each.service == service]


def are_found(
    client: Client, service: str, since: datetime, count: int
) -> Callable[[], Awaitable[bool]]:
    async def found() -> bool:
        return len(await of_service(client, service, since)) == count

    return found


async def test_a_resolved_incident_says_when_it_was_acknowledged_and_resolved(
    dev_harness: Harness,
) -> None:
    client, service = dev_harness.client, f"service-{uuid4().hex}"
    since = datetime.now(UTC) - timedelta(minutes=1)
    async with dev_harness.working():
        handle = await dev_harness.start(
            dev_harness.upload(json.dumps({**REPORT, "service": service}))
        )
        await until(says(handle, "Page delivered"))
        await command(handle, Acknowledge.name, "c1")
        assert await of_service(client, service, since) == []
        await command(handle, Resolve.name, "c2")
        await until(are_found(client, service, since, 1))
        state = await handle.query(QUERY_INCIDENT)
        [response] = await of_service(client, service, since)
        assert response.incident_id == state["id"]
        assert response.began <= datetime.fromisoformat(state["opened_at"])
        moments = (response.acknowledged, response.resolved)
        names = ("first_acknowledged_at", "resolved_at")
        for moment, name in zip(moments, names, strict=True):
            assert moment
            assert abs(moment - datetime.fromisoformat(state[name])) < timedelta(milliseconds=1)

        # What began earlier than is asked for is none of it.
        assert await of_service(client, service, response.began + timedelta(milliseconds=1)) == []


async def resolved(client: Client, service: str, **changed: str) -> None:
    """A run as visibility sees a resolved incident; no worker serves it."""
    now = datetime.now(UTC)
    key = f"incident:{uuid4().hex}"
    values = {
        INCIDENT_ID_ATTRIBUTE: incident_id(key, now),
        SERVICE_ATTRIBUTE: service,
        RESOLVED_AT_ATTRIBUTE: compact_time(now + timedelta(minutes=5)),
        **changed,
    }
    await client.start_workflow(
        INCIDENT_WORKFLOW,
        id=key,
        task_queue=f"queue-{uuid4().hex}",
        search_attributes=TypedSearchAttributes(
            [
                SearchAttributePair(SearchAttributeKey.for_keyword(name), value)
                for name, value in values.items()
            ]
        ),
    )


async def test_no_more_runs_than_the_limit_are_looked_at_by_as_few_calls_as_there_are_pages(
    temporal_client: Client, temporal_server: TemporalServer
) -> None:
    service = f"service-{uuid4().hex}"
    since = datetime.now(UTC) - timedelta(seconds=1)
    for _ in range(3):
        await resolved(temporal_client, service)
    await until(are_found(temporal_client, service, since, 3))
    with Proxy(temporal_server.address) as proxy:
        client = await Client.connect(proxy.address, data_converter=temporal_client.data_converter)
        await responses(client, since, limit=MOST)
        with counted(proxy) as calls:
            found, more = await responses(client, since, limit=2)
        assert (len(found), more, calls) == (2, True, [1])


async def test_an_incident_that_began_earlier_than_its_last_run_counts_from_when_it_began(
    temporal_client: Client,
) -> None:
    service = f"service-{uuid4().hex}"
    now = datetime.now(UTC)
    began = now - timedelta(hours=1)
    own = incident_id(f"incident:{uuid4().hex}", began)
    await resolved(temporal_client, service, **{INCIDENT_ID_ATTRIBUTE: own})
    long_ago = began - timedelta(minutes=1)
    await until(are_found(temporal_client, service, long_ago, 1))
    assert await of_service(temporal_client, service, now - timedelta(minutes=1)) == []


async def test_a_run_that_was_continued_counts_once(temporal_client: Client) -> None:
    service = f"service-{uuid4().hex}"
    since = datetime.now(UTC) - timedelta(seconds=1)
    own = incident_id(f"incident:{uuid4().hex}", datetime.now(UTC))
    other = incident_id(f"incident:{uuid4().hex}", datetime.now(UTC))
    for id in (own, own, other):
        await resolved(temporal_client, service, **{INCIDENT_ID_ATTRIBUTE: id})

    async def are_listed() -> bool:
        return (await temporal_client.count_workflows(f"TidegateService = '{service}'")).count == 3

    await until(are_listed)
    assert len(await of_service(temporal_client, service, since)) == 2


async def test_a_run_whose_moments_are_unreadable_is_left_out(temporal_client: Client) -> None:
    service = f"service-{uuid4().hex}"
    since = datetime.now(UTC) - timedelta(seconds=1)
    await resolved(temporal_client, service, **{RESOLVED_AT_ATTRIBUTE: "yesterday"})
    await resolved(temporal_client, service, **{INCIDENT_ID_ATTRIBUTE: "no moment"})
    await resolved(temporal_client, service, **{ACKNOWLEDGED_AT_ATTRIBUTE: "soon"})
    await until(are_found(temporal_client, service, since, 1))
    [response] = await of_service(temporal_client, service, since)
    assert response.acknowledged is None
