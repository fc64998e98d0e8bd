"""The activities of heartbeats, where no server is needed."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime
from typing import Any
from unittest.mock import Mock

import pytest
from temporalio.client import Client
from temporalio.testing import ActivityEnvironment

from core.domain.heartbeat.declaration import Declaration, HeartbeatRule
from core.domain.heartbeat.model import Heartbeat, Notice
from tests.support.heartbeats import Accepting
from workers.heartbeat import activities as module
from workers.heartbeat.activities import HeartbeatActivities


async def test_thousands_of_declarations_are_sorted_once_while_the_worker_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One declaration stands for them: the sorting takes until the event loop has run."""
    goes_on, sorted_by = threading.Event(), list[threading.Thread]()

    def slowly(declarations: Any, now: Any) -> list[Declaration]:
        sorted_by.append(threading.current_thread())
        assert goes_on.wait(10)
        return list(declarations)

    async def ask() -> list[Any]:
        environment = ActivityEnvironment(client=Mock(spec=Client))
        return await environment.run(activities.ask_witnesses, "job")

    monkeypatch.setattr(module, "by_period", slowly)
    rule = HeartbeatRule.model_validate({"every": "1m"})
    activities = HeartbeatActivities(heartbeats={"job": rule}, intake=Mock())
    asking = [asyncio.create_task(ask()) for _ in range(3)]
    asyncio.get_running_loop().call_soon(goes_on.set)
    assert await asyncio.gather(*asking) == [[], [], []]
    assert len(sorted_by) == 1
    assert sorted_by[0] is not threading.main_thread()


NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
FIRES = Notice(alarm=None, since=NOW)
ENDS = Notice(alarm=None, since=NOW, until=NOW)


async def sent(*notices: Notice) -> list[str]:
    """What the intake has accepted of these notices, each of another heartbeat."""
    intake = Accepting()
    own = HeartbeatActivities(
        heartbeats={},
        intake=lambda: intake,  # type: ignore[arg-type,return-value]
    )
    for number, notice in enumerate(notices):
        state = Heartbeat(name=f"job-{number}", since=NOW)
        await ActivityEnvironment().run(own.alert, state, notice)
    return intake.alerts


async def test_the_shared_alert_is_sent_once_by_a_worker_whose_heartbeats_all_send_it() -> None:
    assert await sent(FIRES, FIRES, FIRES) == ["heartbeats firing"]


async def test_each_change_of_the_shared_alert_is_sent() -> None:
    assert await sent(FIRES, ENDS, ENDS, FIRES) == [
        "heartbeats firing",
        "heartbeats resolved",
        "heartbeats firing",
    ]


async def test_the_shared_alert_is_sent_again_after_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "REPEATED_AFTER", 0.0)
    assert await sent(FIRES, FIRES) == ["heartbeats firing", "heartbeats firing"]
