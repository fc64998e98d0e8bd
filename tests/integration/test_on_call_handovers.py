"""Hand-over messages, on the time-skipping server: who leaves and who comes are told at each change
of shift."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from temporalio.testing import WorkflowEnvironment

from core.adapters.temporal import on_call
from core.domain.oncall.file import OnCallFile
from core.domain.oncall.handovers import OpenIncident
from core.domain.severity import Severity
from core.ports.notifier import NotificationKind
from tests.support.incidents import until
from tests.support.on_call import OnCallHarness

ADDRESSES = {f"{person}_PUSH": f"json://{person.lower()}.example/" for person in ("ANA", "BEN")}


def rota(start: datetime, **schedule: Any) -> OnCallFile:
    """Ana, then Ben, six hours each, from a moment in UTC."""
    rotation = {"people": ["ana", "ben"], "every": "6 hours", "start": f"{start:%Y-%m-%d}"}
    layer = {"name": "all", "rotation": {**rotation, "at": f"{start:%H:%M}"}}
    people = {
        id: {
            "name": id.title(),
            "time_zone": "UTC",
            "contacts": {"push": {"url_env": f"{id.upper()}_PUSH"}},
        }
        for id in ("ana", "ben")
    }
    return OnCallFile.model_validate(
        {
            "version": 1,
            "people": people,
            "schedules": {
                "checkout": {
                    "time_zone": "UTC",
                    "announce_handovers": True,
                    "layers": [layer],
                    **schedule,
                }
            },
        }
    )


@pytest.fixture
async def shift(
    server: WorkflowEnvironment, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> AsyncIterator[tuple[OnCallHarness, datetime]]:
    """A worker's harness and when Ana's shift began: the last whole hour of the server's clock. The
    server cannot list workflows."""

    async def open_incidents(client: Any) -> list[OpenIncident]:
        return [OpenIncident("k7c2df", Severity.HIGH, "Disk full")]

    async def announce(client: Any) -> int:
        return 0

    monkeypatch.setattr(on_call, "open_incidents", open_incidents)
    monkeypatch.setattr(on_call, "announce", announce)
    now = await server.get_current_time()
    began = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    harness = OnCallHarness(server.client, file=rota(began), addresses=ADDRESSES)
    first = await harness.start_anew()
    yield harness, began
    await harness.end(first, request.node.get_closest_marker("recorded"))


def titles(harness: OnCallHarness) -> list[tuple[str, str]]:
    return sorted((name, each.title) for name, each in harness.inbox.delivered)


LEAVES, COMES = "Your shift for checkout is over", "You are on call for checkout"


@pytest.mark.recorded("handed-over")
async def test_each_change_of_shift_is_told_once_to_who_leaves_and_who_comes(
    server: WorkflowEnvironment, shift: tuple[OnCallHarness, datetime]
) -> None:
    harness, began = shift
    async with harness.working():
        handle = harness.handle
        await server.sleep(began + timedelta(hours=7) - await server.get_current_time())
        await until(lambda: len(harness.inbox.delivered) == 2)
        assert titles(harness) == [("ana/push", LEAVES), ("ben/push", COMES)]
        by_name = dict(harness.inbox.delivered)
        assert by_name["ben/push"].kind is NotificationKind.ASSIGNED
        assert by_name["ana/push"].kind is NotificationKind.HANDED_OVER
        assert "k7c2df Disk full (high)" in by_name["ben/push"].body
        assert len({each.key for each in by_name.values()}) == 2
        await server.sleep(timedelta(hours=12))
        await until(lambda: len(harness.inbox.delivered) == 6)
    history = (await handle.fetch_history()).to_json()
    assert "example" not in history


async def test_an_override_hands_over_when_it_is_added_and_when_it_is_removed(
    server: WorkflowEnvironment, shift: tuple[OnCallHarness, datetime]
) -> None:
    harness, began = shift
    async with harness.working():
        handle = harness.handle
        added = await handle.execute_update(
            "add_override",
            {
                "command_id": str(uuid4()),
                "actor": "ana",
                "schedule": "checkout",
                "people": ["ben"],
                "until": (began + timedelta(hours=5)).isoformat(),
            },
        )
        await until(lambda: len(harness.inbox.delivered) == 2)
        assert titles(harness) == [("ana/push", LEAVES), ("ben/push", COMES)]
        harness.inbox.delivered.clear()
        id = added["overrides"][0]["id"]
        await handle.execute_update(
            "remove_override", {"command_id": str(uuid4()), "actor": "ana", "id": id}
        )
        await until(lambda: len(harness.inbox.delivered) == 2)
        assert titles(harness) == [("ana/push", COMES), ("ben/push", LEAVES)]


async def test_a_message_that_fails_is_sent_again_and_holds_nothing_back(
    server: WorkflowEnvironment, shift: tuple[OnCallHarness, datetime]
) -> None:
    harness, began = shift
    harness.inbox.broken = True
    async with harness.working():
        handle = harness.handle
        await server.sleep(began + timedelta(hours=6, minutes=1) - await server.get_current_time())
        fields = {"command_id": str(uuid4()), "actor": "ana", "everything": True, "why": "w"}
        until_then = (began + timedelta(hours=9)).isoformat()
        assert await handle.execute_update("add_silence", {**fields, "until": until_then})
        harness.inbox.broken = False
        await server.sleep(timedelta(minutes=5))
        await until(lambda: len(harness.inbox.delivered) == 2)


async def test_incidents_hear_of_a_change_while_a_message_fails_and_a_new_run_is_due(
    server: WorkflowEnvironment,
    shift: tuple[OnCallHarness, datetime],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    harness, began = shift
    announced: list[Any] = []

    async def announce(client: Any) -> int:
        announced.append(client)
        return 0

    monkeypatch.setattr(on_call, "announce", announce)
    harness.inbox.broken = True
    harness.continue_as_new_after = 5
    async with harness.working():
        await server.sleep(began + timedelta(hours=6, minutes=1) - await server.get_current_time())
        fields = {"command_id": str(uuid4()), "actor": "ana", "everything": True, "why": "w"}
        until_then = (began + timedelta(hours=9)).isoformat()
        await harness.handle.execute_update("add_silence", {**fields, "until": until_then})
        await until(lambda: bool(announced))
        assert harness.inbox.delivered == []
        harness.inbox.broken = False
        await server.sleep(timedelta(minutes=5))
        await until(lambda: len(harness.inbox.delivered) == 2)


async def test_a_message_does_not_disturb_quiet_hours(
    server: WorkflowEnvironment, shift: tuple[OnCallHarness, datetime]
) -> None:
    harness, began = shift
    whole = harness.file.model_dump(mode="json")
    night = {"hours": [{"from": "00:00", "to": "00:00"}]}
    whole["people"]["ben"]["quiet_hours"] = night
    harness.file = OnCallFile.model_validate(whole)
    async with harness.working():
        await server.sleep(began + timedelta(hours=13) - await server.get_current_time())
        await until(lambda: len(harness.inbox.delivered) == 2)
    assert titles(harness) == [("ana/push", COMES), ("ana/push", LEAVES)]
