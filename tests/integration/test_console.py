"""The console: the real application over HTTP, a real Temporal server, real incidents."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import quote

import pytest
from temporalio.client import WorkflowHandle

from core.app.application import create
from core.contracts import QUERY_INCIDENT, QUERY_TIMELINE
from core.domain.handles import handle_of
from infra.local.environment import LINK_KEYS
from infra.local.temporal import TemporalServer
from tests.support.api import serving
from tests.support.eventually import eventually
from tests.support.grpc_proxy import Proxy
from tests.support.incidents import Harness, alert, says, until
from tests.support.visitor import Shown, Visitor, visiting


@pytest.fixture(scope="module")
def proxy(temporal_server: TemporalServer) -> Iterator[Proxy]:
    with Proxy(temporal_server.address) as proxy:
        yield proxy


@pytest.fixture(scope="module")
async def console(proxy: Proxy) -> AsyncIterator[str]:
    """The address of an application that is this machine's alone: its calls to Temporal are counted
    by the proxy."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name, value in LINK_KEYS.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("TEMPORAL_ADDRESS", proxy.address)
        async with serving(create(local_user="ana")) as url, visiting(url) as first:
            assert (await first.see("/console")).status == 200
            yield url


@pytest.fixture
async def ana(console: str) -> AsyncIterator[Visitor]:
    async with visiting(console) as visitor:
        yield visitor


async def opened(harness: Harness, **fields: Any) -> tuple[WorkflowHandle[Any, Any], str]:
    """An incident that has paged somebody, and its own ID."""
    handle = await harness.start(alert(**fields))
    await until(says(handle, "Page delivered"))
    return handle, (await handle.query(QUERY_INCIDENT))["id"]


def page_of(id: str) -> str:
    return f"/console/incident?id={quote(id)}"


async def listed(visitor: Visitor, text: str, query: str = "") -> Shown:
    """The list, as soon as it has a text: Temporal's visibility lags behind."""

    async def found() -> Shown | None:
        shown = await visitor.see(f"/console/incidents{query}")
        return shown if text in shown.text else None

    return await eventually(found, f"{text!r} in the list")


async def entries(handle: WorkflowHandle[Any, Any], kind: str) -> list[dict[str, Any]]:
    return [entry for entry in await handle.query(QUERY_TIMELINE) if entry["kind"] == kind]


# ------------------------------------------------------------------------------ one incident


async def test_an_incident_is_acknowledged_without_javascript(
    dev_harness: Harness, ana: Visitor
) -> None:
    async with dev_harness.working():
        handle, id = await opened(dev_harness, title="The disk is full")
        shown = await listed(ana, handle_of(id))
        assert "The disk is full" in shown.text
        shown = await ana.see(page_of(id))
        assert "nobody has it" in shown.text
        assert "delivered" in shown.text
        shown = await ana.send(shown.form(name="acknowledge"))
        assert (shown.status, shown.path.partition("?")[0]) == (200, "/console/incident")
        assert "I have it: done." in shown.text
        assert "You have it." in shown.text
        assert "acknowledge" not in shown.commands
        [entry] = await entries(handle, "acknowledged")
        assert (entry["actor"], entry["proof"]) == ("ana", "console")
        assert "ana (console)" in shown.text
