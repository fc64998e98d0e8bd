"""What an alert costs in Temporal's Actions: the recorded histories that docs/costs.md counts.

Nobody asks the incident before it is open: a query ends the workflow task that it meets, and the
local activities of one task would then be recorded with two.
"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from temporalio.client import WorkflowHandle

from core.contracts import QUERY_INCIDENT
from tests.support.incidents import Harness, alert, says, signal_with_start, until


async def signalled(harness: Harness, wire: Any, id: str) -> WorkflowHandle[Any, Any]:
    """This run of the incident, which the signal has started if it did not run."""
    handle = await signal_with_start(harness, id, wire)
    return harness.client.get_workflow_handle(handle.id, run_id=handle.result_run_id)


async def fired(handle: WorkflowHandle[Any, Any]) -> int:
    return int((await handle.query(QUERY_INCIDENT))["alerts"]["fired"])


@pytest.mark.recorded("alert-opened")
async def test_an_alert_opens_its_incident_by_one_signal(dev_harness: Harness) -> None:
    async with dev_harness.working():
        handle = await signalled(dev_harness, alert(), f"incident:{uuid4()}")
        dev_harness.handles.append(handle)
        await until(lambda: bool(dev_harness.pager.delivered))
        await until(says(handle, "Page delivered"))
    assert len(dev_harness.pager.delivered) == 1


@pytest.mark.recorded("alert-joined")
async def test_an_alert_joins_its_incident_by_one_signal(dev_harness: Harness) -> None:
    id = f"incident:{uuid4()}"
    async with dev_harness.working():
        handle = await signalled(dev_harness, alert(), id)
        dev_harness.handles.append(handle)
        await until(lambda: bool(dev_harness.pager.delivered))
        await until(says(handle, "Page delivered"))
        for number in (1, 2, 3):
            await signalled(dev_harness, alert(number=number), id)

        async def all_heard() -> bool:
            return await fired(handle) == 4

        await until(all_heard)
    assert len(dev_harness.pager.delivered) == 1


@pytest.mark.recorded("alert-recovered")
async def test_an_alert_opens_and_ends_its_incident_by_two_signals(dev_harness: Harness) -> None:
    dev_harness.policy["remember_for"] = "1h"
    id = f"incident:{uuid4()}"
    async with dev_harness.working():
        handle = await signalled(dev_harness, alert(), id)
        dev_harness.handles.append(handle)
        await until(lambda: bool(dev_harness.pager.delivered))
        await until(says(handle, "Page delivered"))
        await signalled(dev_harness, alert(status="resolved"), id)

        async def remembers() -> bool:
            incident = await handle.query(QUERY_INCIDENT)
            return bool(incident["reports"] and incident["silent_until"])

        await until(remembers)
