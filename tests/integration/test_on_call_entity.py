"""Overrides, silences and turns, kept by a workflow of the development server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from temporalio import workflow
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHandle
from temporalio.common import (
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
)
from temporalio.worker import Worker

from core.adapters.temporal import on_call
from core.contracts import (
    INCIDENT_WORKFLOW,
    ON_CALL_MEMO,
    SIGNAL_ON_CALL_CHANGED,
    STATUS_ATTRIBUTE,
)
from core.domain.oncall.changes import LONGEST_SILENCE
from core.domain.oncall.state import MAX_BYTES, OnCallState
from core.errors import CommandRefused, TemporalUnavailable
from tests.support.eventually import eventually
from tests.support.on_call import OnCallHarness


@pytest.fixture
async def entity(
    temporal_client: Client, request: pytest.FixtureRequest
) -> AsyncIterator[OnCallHarness]:
    """The on-call workflow without a state; no worker runs yet."""
    harness = OnCallHarness(temporal_client)
    first = await harness.start_anew()
    yield harness
    await harness.end(first, request.node.get_closest_marker("recorded"))


async def send(entity: OnCallHarness, name: str, **fields: Any) -> dict[str, Any]:
    """A command of ana's, with an ID of its own if it has none."""
    whole = {"command_id": str(uuid4()), "actor": "ana", **fields}
    return await on_call.send(entity.client, name, whole)


def at(**after: float) -> str:
    """A moment so long after now."""
    return (datetime.now(UTC) + timedelta(**after)).isoformat()


def override(schedule: str = "checkout", person: str = "ben", **fields: Any) -> dict[str, Any]:
    span = {"from": at(hours=1), "until": at(hours=3)}
    return {"schedule": schedule, "people": [person], **span, **fields}


async def test_what_is_added_is_read_without_a_worker(entity: OnCallHarness) -> None:
    async with entity.working():
        added = await send(entity, "add_override", **override(why="dentist"))
        await send(
            entity, "add_silence", match={"service": "checkout"}, until=at(hours=2), why="deploy"
        )
    state = await on_call.read_state(entity.client)
    [kept], [silence] = state.overrides, state.silences
    assert added["overrides"] == [kept.model_dump(mode="json")]
    assert (kept.people, kept.by, kept.why) == (("ben",), "ana", "dentist")
    assert (silence.match and silence.match.service, silence.why) == (["checkout"], "deploy")


@pytest.mark.recorded("changed")
async def test_what_was_removed_is_gone(entity: OnCallHarness) -> None:
    async with entity.working():
        [added] = (await send(entity, "add_override", **override()))["overrides"]
        [silence] = (await send(entity, "add_silence", incident="k", until=at(hours=2), why="w"))[
            "silences"
        ]
        await send(entity, "remove_override", id=added["id"])
        await send(entity, "end_silence", id=silence["id"])
        assert await on_call.read_state(entity.client) == OnCallState()
        with pytest.raises(CommandRefused, match=f"no override {added['id']}"):
            await send(entity, "remove_override", id=added["id"])


async def test_of_two_concurrent_overrides_of_a_schedule_one_is_added(
    entity: OnCallHarness,
) -> None:
    async with entity.working():
        outcomes = await asyncio.gather(
            *(send(entity, "add_override", **override(person=p)) for p in ("ben", "eva")),
            return_exceptions=True,
        )
        [refused] = [each for each in outcomes if isinstance(each, CommandRefused)]
        [kept] = (await on_call.read_state(entity.client)).overrides
    assert f"override {kept.id} has {kept.people[0]} on call" in refused.message
    assert kept.id in refused.fix


async def test_a_swap_adds_two_overrides_or_none(entity: OnCallHarness) -> None:
    first, second = override(person="ben"), override("payments", "eva")
    async with entity.working():
        await send(entity, "add_override", **second)
        with pytest.raises(CommandRefused, match="eva on call for schedule payments"):
            await send(entity, "swap", overrides=[first, second])
        assert len((await on_call.read_state(entity.client)).overrides) == 1
        later = {"from": at(hours=5), "until": at(hours=6)}
        await send(entity, "swap", overrides=[first, override("payments", "ana", **later)])
        assert len((await on_call.read_state(entity.client)).overrides) == 3


@pytest.mark.parametrize(
    ("name", "fields", "why"),
    [
        ("add_override", override(**{"from": at(hours=-2), "until": at(hours=-1)}), "in the past"),
        ("add_override", override(until=at(minutes=30)), "ends before it starts"),
        ("add_override", override(until=at(days=400)), "lasts longer than"),
        ("add_override", override(people=[]), "people"),
        ("add_override", override(schedule="no such name"), "schedule"),
        ("add_override", override(untill="tomorrow"), "untill: there is no such field"),
        ("add_silence", {"until": at(hours=1), "why": "w"}, "matches every incident"),
        (
            "add_silence",
            {"match": {"service": "*"}, "until": at(hours=1), "why": "w"},
            "matches every incident",
        ),
        ("add_silence", {"incident": "k", "until": at(hours=1)}, "why: is missing"),
        (
            "add_silence",
            {"incident": "k", "until": at(days=LONGEST_SILENCE.days + 1), "why": "w"},
            "lasts longer than 30 d",
        ),
        ("end_silence", {"id": "nosuch"}, "no silence or maintenance window nosuch"),
    ],
)
async def test_what_is_refused_is_not_recorded(
    entity: OnCallHarness, name: str, fields: dict[str, Any], why: str
) -> None:
    async with entity.working():
        with pytest.raises(CommandRefused, match=why):
            await send(entity, name, **fields)
        accepted = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED
        history = await entity.handle.fetch_history()
        assert accepted not in [event.event_type for event in history.events]


async def test_a_state_that_would_be_too_large_is_refused(entity: OnCallHarness) -> None:
    async def fill() -> None:
        for number in range(1_000):
            await send(entity, "add_silence", incident=f"{number:0255}", until=until, why="w" * 200)

    until = at(days=20)
    async with entity.working():
        with pytest.raises(CommandRefused, match="60,000 bytes") as refused:
            await fill()
    state = await on_call.read_state(entity.client)
    assert MAX_BYTES - 1_000 < state.size <= MAX_BYTES
    assert any(each.id in refused.value.fix for each in state.silences)


@pytest.mark.recorded("continued")
async def test_a_command_that_is_repeated_is_done_once_also_in_the_next_run(
    entity: OnCallHarness,
) -> None:
    entity.continue_as_new_after = 30
    fields = {"command_id": "c1", **override()}
    async with entity.working():
        first = await send(entity, "add_override", **fields)
        assert await send(entity, "add_override", **fields) == first
        run = (await entity.handle.describe()).run_id
        turn = await on_call.take_turn(entity.client, "web", "incident:a")
        assert await on_call.take_turn(entity.client, "web", "incident:b") == turn + 1

        async def is_next_run() -> bool:
            await on_call.take_turn(entity.client, "web", "incident:b")
            return (await entity.handle.describe()).run_id != run

        await eventually(is_next_run, "the workflow to continue as new")
        assert await send(entity, "add_override", **fields) == first
        again = [await on_call.take_turn(entity.client, "web", f"incident:{id}") for id in "bac"]
        assert again == [turn + 1, turn, turn + 2]
    # The memo is the next run's, too, before any worker has it.
    [kept] = (await on_call.read_state(entity.client)).overrides
    assert kept.id == first["overrides"][0]["id"]
    [began, *_] = (await entity.handle.fetch_history()).events
    assert ON_CALL_MEMO in began.workflow_execution_started_event_attributes.memo.fields


async def test_a_storm_of_incidents_takes_turns(entity: OnCallHarness) -> None:
    """Of one workflow, the server takes ten updates at the same time and refuses more."""
    async with entity.working():
        turns = await asyncio.gather(
            *(on_call.take_turn(entity.client, "web", f"incident:{n}") for n in range(60))
        )
    assert sorted(turns) == list(range(60))


async def test_commands_during_continue_as_new_are_done(entity: OnCallHarness) -> None:
    entity.continue_as_new_after = 10
    async with entity.working():
        added = await asyncio.gather(
            *(
                send(entity, "add_silence", incident=str(number), until=at(hours=1), why="w")
                for number in range(30)
            )
        )
    ids = {each["silences"][0]["id"] for each in added}
    assert {each.id for each in (await on_call.read_state(entity.client)).silences} == ids
    assert len(ids) == 30


async def test_a_workflow_that_was_terminated_leaves_its_state_to_the_next(
    entity: OnCallHarness,
) -> None:
    async with entity.working():
        [added] = (await send(entity, "add_override", **override()))["overrides"]
        await entity.terminate()
        assert len((await on_call.read_state(entity.client)).overrides) == 1
        with pytest.raises(CommandRefused, match=added["id"]):
            await send(entity, "add_override", **override(person="eva"))
        await send(entity, "remove_override", id=added["id"])
        assert await on_call.read_state(entity.client) == OnCallState()


@workflow.defn(name=INCIDENT_WORKFLOW, sandboxed=False)
class Listening:
    """In place of an incident: its status is as it was started with, and it counts its signals."""

    def __init__(self) -> None:
        self.asked = 0

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: False)

    @workflow.signal(name=SIGNAL_ON_CALL_CHANGED)
    def on_call_changed(self) -> None:
        self.asked += 1

    @workflow.query
    def count(self) -> int:
        return self.asked


async def test_what_a_terminated_workflow_left_is_read_before_a_worker_runs(
    entity: OnCallHarness,
) -> None:
    async with entity.working():
        await send(entity, "add_override", **override())
    await entity.terminate()
    await on_call.begin(entity.client)
    assert len((await on_call.read_state(entity.client)).overrides) == 1


async def test_open_incidents_are_to_ask_again_after_a_change(entity: OnCallHarness) -> None:
    queue = f"listening-{uuid4()}"
    key = SearchAttributeKey.for_keyword(STATUS_ATTRIBUTE)

    async def start(status: str) -> WorkflowHandle[Any, Any]:
        return await entity.client.start_workflow(
            Listening.run,
            id=f"incident:{uuid4()}",
            task_queue=queue,
            search_attributes=TypedSearchAttributes([SearchAttributePair(key, status)]),
        )

    async with entity.working(), Worker(entity.client, task_queue=queue, workflows=[Listening]):
        open, acknowledged, ended = [await start(s) for s in ("open", "acknowledged", "open")]
        await ended.terminate()

        async def is_listed() -> bool:
            query = f"WorkflowId = '{open.id}' AND {STATUS_ATTRIBUTE} = 'open'"
            return (await entity.client.count_workflows(query)).count == 1

        await eventually(is_listed, "visibility to list the incident")
        await send(entity, "add_silence", match={"service": "a"}, until=at(hours=1), why="w")

        async def is_asked() -> bool:
            return bool(await open.query(Listening.count))

        await eventually(is_asked, "the open incident to be told")
        assert await acknowledged.query(Listening.count) == 0
    for each in (open, acknowledged):
        await each.terminate()


async def test_without_a_worker_a_command_is_not_answered(
    entity: OnCallHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_call, "ANSWER_TIMEOUT", timedelta(seconds=1))
    monkeypatch.setattr(on_call, "_TIMEOUT", timedelta(seconds=1))
    with pytest.raises(TemporalUnavailable, match="may still be done"):
        await send(entity, "add_override", **override())
