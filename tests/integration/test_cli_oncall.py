"""`tidegate oncall` and `tidegate silence` against a real server and the on-call workflow."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from temporalio.client import Client

from core.contracts import INCIDENT_WORKFLOW
from tests.support.bad_input import ONCALL
from tests.support.cli import Tidegate
from tests.support.on_call import OnCallHarness


@pytest.fixture
async def working(temporal_client: Client) -> AsyncIterator[None]:
    """The on-call workflow without a state, and a worker that serves it."""
    harness = OnCallHarness(temporal_client)
    await harness.start_anew()
    async with harness.working():
        yield
    await harness.terminate()


@pytest.fixture(autouse=True)
def environment(temporal_settings: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEGATE_ONCALL", str(tmp_path / "oncall.yaml"))
    monkeypatch.setenv("USER", "ana")
    (tmp_path / "oncall.yaml").write_text(ONCALL)


async def test_what_is_added_changes_who_is_on_call_until_it_is_ended(
    working: None, tidegate: Tidegate
) -> None:
    async def typed(*arguments: str) -> Any:
        result = await asyncio.to_thread(tidegate, *arguments, "--json")
        assert (result.code, result.err) == (0, "")
        return json.loads(result.out)

    async def on_call() -> tuple[list[str], bool]:
        [row] = await typed("oncall", "now")
        people = [each["id"] for each in row["now"]["people"]]
        return people, row["now"]["override"] is not None

    [first], overridden = await on_call()
    other = "ben" if first == "ana" else "ana"
    assert not overridden

    added = await typed("oncall", "override", "checkout", "--person", other, "--for", "2h")
    assert await on_call() == ([other], True)
    [override] = await typed("oncall", "overrides", "list")
    assert override["id"] == added["overrides"][0]["id"]
    assert override["by"] == "ana"

    await typed("oncall", "overrides", "remove", override["id"])
    assert await on_call() == ([first], False)

    await typed("oncall", "swap", "checkout", first, other, "--yes")
    assert await on_call() == ([other], True)
    assert len(await typed("oncall", "overrides", "list")) == 2

    rest = ("--for", "1h", "--why", "known")
    silence = await typed("silence", "add", "--match", "service=checkout", *rest)
    [listed] = await typed("silence", "list")
    assert listed["id"] == silence["silences"][0]["id"]
    await typed("silence", "end", listed["id"])
    assert await typed("silence", "list") == []


async def test_what_the_workflow_refuses_is_one_line_with_what_to_do(
    working: None, tidegate: Tidegate
) -> None:
    refused = await asyncio.to_thread(
        tidegate, "silence", "add", "--match", "service=*", "--for", "1h", "--why", "known"
    )
    assert refused.code == 1
    cause, step = refused.err.splitlines()
    assert cause.startswith("CommandRefused: the silence matches every incident")
    assert step == "  next: say what it is for, or confirm it: `--everything`"
    unknown = await asyncio.to_thread(tidegate, "silence", "end", "k7m2qx")
    assert unknown.code == 1
    assert "there is no silence or maintenance window k7m2qx" in unknown.err


async def test_an_incident_is_silenced_by_what_names_it(
    working: None, temporal_client: Client, tidegate: Tidegate
) -> None:
    id = f"incident:{uuid4().hex}"
    handle = await temporal_client.start_workflow(
        INCIDENT_WORKFLOW, id=id, task_queue="nobody-polls-it"
    )
    rest = ("--for", "1h", "--why", "known")
    silenced = await asyncio.to_thread(tidegate, "incident", "silence", id, *rest, "--json")
    assert silenced.json["silences"][0]["incident"] == id
    await handle.terminate()
