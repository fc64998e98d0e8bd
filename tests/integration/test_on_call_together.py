"""Incidents and the on-call workflow together, on the development server: what a command adds holds
for incidents that are open."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from temporalio.client import Client, WorkflowHandle

from core.adapters.temporal import on_call
from core.domain.incident import commands
from core.domain.oncall.state import OnCallState
from core.errors import TemporalUnavailable
from core.operations import on_call as asking
from tests.support.incidents import Harness, alert, command, says, timeline, until
from tests.support.on_call import OnCallHarness
from tests.support.on_call_people import PEOPLE, addresses_of, always

END = {"reason": "false_alarm"}


@pytest.fixture
async def entity(temporal_client: Client) -> AsyncIterator[OnCallHarness]:
    """The on-call workflow and its worker."""
    harness = OnCallHarness(temporal_client)
    first = await harness.start_anew()
    async with harness.working():
        yield harness
    await harness.end(first, None)


async def send(client: Client, name: str, **fields: Any) -> str:
    """Send a command of carla's; returns the ID of what it has added or ended."""
    whole = {"command_id": str(uuid4()), "actor": "carla", **fields}
    answer = await on_call.send(client, name, whole)
    changed = answer["overrides"] or answer["silences"]
    return str(changed[0]["id"])


def tomorrow() -> str:
    return (datetime.now(UTC) + timedelta(days=1)).isoformat()


def paging(harness: Harness, level: dict[str, Any]) -> None:
    """Have the harness page by one level."""
    harness.on_call = {
        "people": PEOPLE,
        "teams": {"web": {"members": [*PEOPLE]}},
        "schedules": {"web": always("ben")},
    }
    harness.addresses |= addresses_of(PEOPLE)
    harness.policy = {"levels": [{"after": "0s", **level}]}


async def opened(harness: Harness) -> WorkflowHandle[Any, Any]:
    """An incident that has paged, and that Temporal lists as open."""
    before = len(harness.pager.delivered)
    handle = await harness.start(alert())
    await until(lambda: len(harness.pager.delivered) > before)
    await listed(harness, handle)
    return handle


async def listed(harness: Harness, handle: WorkflowHandle[Any, Any]) -> None:
    """Wait until Temporal lists an incident as open: only those are to ask again."""
    query = f"WorkflowId = '{handle.id}' AND TidegateStatus = 'open'"

    async def is_listed() -> bool:
        return bool((await harness.client.count_workflows(query)).count)

    await until(is_listed)


def paged(harness: Harness) -> list[str]:
    return [target for _, target in harness.pager.delivered]


async def test_an_override_by_a_command_hands_an_open_incident_over_and_back(
    dev_harness: Harness, entity: OnCallHarness
) -> None:
    paging(dev_harness, {"schedule": "web"})
    async with dev_harness.working():
        handle = await opened(dev_harness)
        fields = {"schedule": "web", "people": ["carla"], "until": tomorrow()}
        id = await send(entity.client, "add_override", **fields)
        await until(lambda: paged(dev_harness) == ["ben/push", "carla/push"])
        await send(entity.client, "remove_override", id=id)
        await until(lambda: paged(dev_harness) == ["ben/push", "carla/push", "ben/push"])
        await command(handle, commands.Close.name, "c1", **END)
        await handle.result()


async def test_a_silence_by_a_command_holds_an_open_incident_until_it_is_ended(
    dev_harness: Harness, entity: OnCallHarness
) -> None:
    paging(dev_harness, {"person": "ben"})
    async with dev_harness.working():
        fields = {"match": {"service": "checkout"}, "until": tomorrow(), "why": "the move"}
        id = await send(entity.client, "add_silence", **fields)
        handle = await dev_harness.start(alert())
        await until(says(handle, "the move"))
        assert paged(dev_harness) == []
        await listed(dev_harness, handle)
        await send(entity.client, "end_silence", id=id)
        await until(lambda: paged(dev_harness) == ["ben/push"])
        await command(handle, commands.Close.name, "c1", **END)
        await handle.result()


async def test_a_team_in_turns_has_one_of_its_members_paged_for_each_incident(
    dev_harness: Harness, entity: OnCallHarness
) -> None:
    paging(dev_harness, {"team": {"name": "web", "mode": "round_robin"}})
    async with dev_harness.working():
        for count in (1, 2, 3, 4):
            handle = await dev_harness.start(alert())
            await until(lambda count=count: len(paged(dev_harness)) == count)
            await command(handle, commands.Close.name, "c1", **END)
            await handle.result()
    first = paged(dev_harness)[0]
    turns = ["ana/push", "ben/push", "carla/push"]
    place = turns.index(first)
    assert paged(dev_harness) == [turns[(place + n) % 3] for n in range(4)]


async def test_a_page_goes_out_although_what_was_added_cannot_be_read(
    dev_harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unavailable(client: Client, *, timeout: timedelta) -> OnCallState:
        raise TemporalUnavailable("the state of on-call cannot be read: no answer")

    monkeypatch.setattr(on_call, "read_state", unavailable)
    monkeypatch.setattr(asking, "_BUDGET", 0.2)
    paging(dev_harness, {"schedule": "web"})
    async with dev_harness.working():
        handle = await dev_harness.start(alert())
        await until(lambda: paged(dev_harness) == ["ben/push"])
        assert any("overrides and silences cannot be read" in t for t in await timeline(handle))
        await command(handle, commands.Close.name, "c1", **END)
        await handle.result()
