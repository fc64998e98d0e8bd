"""Every deadline that a policy has, on Temporal's time-skipping server."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowHandle
from temporalio.testing import WorkflowEnvironment

from core.contracts import (
    QUERY_INCIDENT,
    SIGNAL_EVENT,
)
from core.domain.incident import commands
from tests.support.incidents import (
    ON_CALL,
    REPORT,
    SECOND_LINE,
    Harness,
    alert,
    command,
    says,
    timeline,
    took,
    until,
)

IMMEDIATELY: dict[str, Any] = {"after": "0s", "targets": [ON_CALL]}
END = {"reason": "false_alarm"}


async def status(handle: WorkflowHandle[Any, Any]) -> str:
    return str((await handle.query(QUERY_INCIDENT))["status"])


def paged(harness: Harness) -> list[str]:
    return [target for _, target in harness.pager.delivered]


@asynccontextmanager
async def opened(
    harness: Harness, policy: dict[str, Any]
) -> AsyncIterator[WorkflowHandle[Any, Any]]:
    """An incident by that policy that has paged."""
    harness.policy = {"levels": [IMMEDIATELY], **policy}
    async with harness.working():
        handle = await harness.start(harness.upload(json.dumps(REPORT)))
        await until(says(handle, "Page delivered"))
        yield handle


async def test_levels_repeat_while_nobody_acknowledges(
    harness: Harness, server: WorkflowEnvironment
) -> None:
    levels = [IMMEDIATELY, {"after": "5m", "targets": [SECOND_LINE]}]
    async with opened(harness, {"levels": levels, "repeats": 2, "repeat_after": "10m"}) as handle:
        for wait, pages in ((299, 1), (2, 2), (598, 2), (3, 3), (300, 4), (900, 6), (86_400, 6)):
            await server.sleep(wait)
            await until(lambda pages=pages: len(paged(harness)) == pages)
        assert paged(harness) == [ON_CALL, SECOND_LINE] * 3
        keys = [page.key for page, _ in harness.pager.delivered]
        assert len(set(keys)) == len(keys)
        await command(handle, commands.Resolve.name, "c1")
        await handle.result()


async def test_the_current_level_is_repaged(harness: Harness, server: WorkflowEnvironment) -> None:
    async with opened(harness, {"repage_every": "15m"}) as handle:
        for count in (2, 3, 4):
            await server.sleep(901)
            await until(lambda count=count: len(paged(harness)) == count)
        await command(handle, commands.Acknowledge.name, "c1")
        await server.sleep(86_400)
        assert len(paged(harness)) == 4
        await command(handle, commands.Resolve.name, "c2")
        await handle.result()


async def test_an_acknowledgement_times_out(harness: Harness, server: WorkflowEnvironment) -> None:
    async with opened(harness, {"acknowledgement_timeout": "1h"}) as handle:
        await command(handle, commands.Acknowledge.name, "c1")
        await server.sleep(3599 - 60)
        assert await status(handle) == "acknowledged"
        await server.sleep(120)
        await until(took(harness, handle, 2))
        assert await status(handle) == "open"
        assert any("the acknowledgement is older than 1 h" in t for t in await timeline(handle))
        await command(handle, commands.Resolve.name, "c2")
        await handle.result()


@pytest.mark.recorded("snoozed")
async def test_a_snooze_ends_and_pages(harness: Harness, server: WorkflowEnvironment) -> None:
    async with opened(harness, {"repage_every": "10m"}) as handle:
        await command(handle, commands.Snooze.name, "c1", **{"for": 7200})
        await server.sleep(7100)
        assert len(paged(harness)) == 1
        await server.sleep(200)
        await until(took(harness, handle, 2))
        await command(handle, commands.Resolve.name, "c2")
        await handle.result()


async def test_the_reopen_window_closes_and_an_alert_within_it_reopens(
    harness: Harness, server: WorkflowEnvironment
) -> None:
    harness.policy = {"levels": [IMMEDIATELY], "reopen_window": "30m"}
    async with harness.working():
        handle = await harness.start(alert(number=1))
        await until(says(handle, "Page delivered"))
        await handle.signal(SIGNAL_EVENT, alert(number=2, status="resolved"))
        await until(says(handle, "Post-incident report written"))
        await server.sleep(1000)
        assert await status(handle) == "resolved"
        await handle.signal(SIGNAL_EVENT, alert(number=3))
        await until(took(harness, handle, 2))
        await handle.signal(SIGNAL_EVENT, alert(number=4, status="resolved"))
        await server.sleep(1700)
        assert await status(handle) == "resolved"
        await server.sleep(200)
        result = await handle.result()
    assert (result["status"], result["close_reason"]) == ("closed", "resolved")


async def test_silence_of_the_source_resolves(
    harness: Harness, server: WorkflowEnvironment
) -> None:
    harness.policy = {"levels": [IMMEDIATELY], "resolve_if_silent_for": "1h"}
    async with harness.working():
        handle = await harness.start(alert(number=0))
        await until(says(handle, "Page delivered"))
        for number in (1, 2, 3):
            await server.sleep(3000)
            await handle.signal(SIGNAL_EVENT, alert(number=number))
            assert await status(handle) == "open"
        await server.sleep(3700)
        assert (await handle.result())["status"] == "closed"
        entries = await timeline(handle)
    assert "Resolved: no alert came for 1 h" in entries


async def test_the_maximum_age_closes_an_unresolved_incident(
    harness: Harness, server: WorkflowEnvironment
) -> None:
    async with opened(harness, {"maximum_age": "30d"}) as handle:
        await server.sleep(29 * 86_400)
        assert await status(handle) == "open"
        await server.sleep(2 * 86_400)
        result = await handle.result()
    assert result["close_reason"] == "cancelled"
    assert result["reports"]


async def test_an_alert_that_resolves_while_held_back_pages_nobody(
    harness: Harness, server: WorkflowEnvironment
) -> None:
    harness.policy = {"levels": [IMMEDIATELY], "hold_back": "5m"}
    async with harness.working():
        handle = await harness.start(alert(number=1))
        await until(says(handle, "Held back"))
        await handle.signal(SIGNAL_EVENT, alert(number=2, status="resolved"))
        assert (await handle.result())["status"] == "closed"
        assert paged(harness) == []

        lasting = await harness.start(alert("disk"))
        await until(says(lasting, "Held back"))
        await server.sleep(290)
        assert paged(harness) == []
        await server.sleep(20)
        await until(took(harness, handle, 1))
        await command(lasting, commands.Close.name, "c1", **END)
        await lasting.result()


async def test_too_few_alerts_in_the_window_open_nothing(
    harness: Harness, server: WorkflowEnvironment
) -> None:
    harness.policy = {"levels": [IMMEDIATELY], "open_after": {"count": 3, "within": "10m"}}
    async with harness.working():
        few = await harness.start(alert("few"))
        await until(says(few, "Held back"))
        await server.sleep(601)
        assert (await few.result())["status"] == "closed"
        assert paged(harness) == []

        many = await harness.start(alert("many"))
        for number in (1, 2):
            await many.signal(SIGNAL_EVENT, alert("many", number=number))
        await until(says(many, "Page delivered"))
        await command(many, commands.Close.name, "c1", **END)
        await many.result()


async def test_a_silence_holds_the_pages_until_it_ends(
    harness: Harness, server: WorkflowEnvironment
) -> None:
    now = await server.get_current_time()
    harness.silences = [
        {
            "name": "deploy",
            "match": {"service": "checkout"},
            "from": (now - timedelta(hours=1)).isoformat(),
            "until": (now + timedelta(hours=1)).isoformat(),
        }
    ]
    harness.policy = {"levels": [IMMEDIATELY]}
    async with harness.working():
        handle = await harness.start(harness.upload(json.dumps(REPORT)))
        await until(says(handle, "silenced by deploy"))
        await server.sleep(3500)
        assert paged(harness) == []
        await server.sleep(200)
        await until(took(harness, handle, 1))
        await command(handle, commands.Resolve.name, "c1")
        await handle.result()


async def test_quiet_hours_hold_the_pages_until_morning(
    harness: Harness, server: WorkflowEnvironment
) -> None:
    now = (await server.get_current_time()).astimezone(UTC)
    start, end = now - timedelta(minutes=30), now + timedelta(minutes=30)
    hours = [{"from": f"{start:%H:%M}", "to": f"{end:%H:%M}"}]
    harness.policy = {"levels": [IMMEDIATELY], "quiet_hours": {"time_zone": "UTC", "hours": hours}}
    async with harness.working():
        handle = await harness.start(harness.upload(json.dumps(REPORT)))
        await until(says(handle, "quiet hours"))
        await server.sleep(1500)
        assert paged(harness) == []
        await server.sleep(600)
        await until(took(harness, handle, 1))
        await command(handle, commands.Resolve.name, "c1")
        await handle.result()


async def test_maintenance_holds_the_pages(harness: Harness, server: WorkflowEnvironment) -> None:
    now: datetime = (await server.get_current_time()).astimezone(UTC)
    start, end = now - timedelta(minutes=30), now + timedelta(minutes=30)
    hours = [{"from": f"{start:%H:%M}", "to": f"{end:%H:%M}"}]
    match = {"service": "checkout"}
    harness.maintenance = [{"name": "weekly", "match": match, "time_zone": "UTC", "hours": hours}]
    harness.policy = {"levels": [IMMEDIATELY]}
    async with harness.working():
        handle = await harness.start(harness.upload(json.dumps(REPORT)))
        await until(says(handle, "maintenance weekly"))
        await server.sleep(2100)
        await until(took(harness, handle, 1))
        await command(handle, commands.Resolve.name, "c1")
        await handle.result()


async def test_a_provider_that_answers_500_for_an_hour_delays_pages_and_loses_none(
    harness: Harness, server: WorkflowEnvironment
) -> None:
    harness.policy = {"levels": [IMMEDIATELY], "repage_every": "20m"}
    harness.pager.broken = True
    async with harness.working():
        handle = await harness.start(harness.upload(json.dumps(REPORT)))
        await until(says(handle, "failed, next round at"))

        async def an_hour_later() -> bool:
            await server.sleep(120)
            found = await handle.query(QUERY_INCIDENT)
            opened = datetime.fromisoformat(found["opened_at"])
            return await server.get_current_time() > opened + timedelta(hours=1)

        await until(an_hour_later)
        assert paged(harness) == []
        assert await status(handle) == "open"
        harness.pager.broken = False
        await server.sleep(1300)
        await until(took(harness, handle, 1))
        keys = [page.key for page, _ in harness.pager.delivered]
        assert len(set(keys)) == len(keys)
        await command(handle, commands.Acknowledge.name, "c1")
        await command(handle, commands.Resolve.name, "c2")
        await handle.result()


@pytest.mark.parametrize("deaf", [{ON_CALL}, set()])
async def test_an_unreachable_target_is_replaced_by_its_fallback(
    harness: Harness, deaf: set[str]
) -> None:
    harness.targets = {ON_CALL: {"url_env": "TIDEGATE_PAGE_URLS", "fallback": [SECOND_LINE]}}
    harness.policy = {"levels": [IMMEDIATELY]}
    harness.pager.deaf = deaf
    async with harness.working():
        handle = await harness.start(harness.upload(json.dumps(REPORT)))
        await until(says(handle, "Page delivered"))
        assert paged(harness) == [SECOND_LINE if deaf else ON_CALL]
        via = f"through its fallback {SECOND_LINE}" if deaf else f"Page delivered to {ON_CALL}"
        await until(says(handle, via))
        await command(handle, commands.Acknowledge.name, "c1")
        await until(lambda: bool(harness.pager.followed_up))
        assert harness.pager.followed_up[0] == ("acknowledged", paged(harness))
        await command(handle, commands.Resolve.name, "c2")
        await handle.result()
    assert [kind for kind, _ in harness.pager.followed_up] == ["acknowledged", "resolved"]
