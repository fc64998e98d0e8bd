"""The HTTP application as a function app, behind the Functions host's wire: real HTTP, what the SDK
makes of it, and a real Temporal server."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from temporalio.client import Client, WorkflowHandle

from core.links import PATH, LinkCommand
from infra.local.environment import LINK_KEYS, outside_environment
from infra.local.processes import Processes, wait_until
from infra.local.servers import Server, start_server
from infra.local.temporal import TemporalServer
from tests.support.api import CALLERS, TOKENS
from tests.support.links import Browser
from tests.support.waiting_incident import commands, link_path, waiting

APP = "infra.azure.app.function_app:app"


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    found = Processes(tmp_path_factory.mktemp("logs"))
    yield found
    found.stop()


def hosted(processes: Processes, name: str, **settings: str) -> Server:
    """The app in a host of its own; no queue is asked."""
    module, nobody = "infra.local.azure.functions_host", "http://127.0.0.1:1"
    env = outside_environment() | settings
    return start_server(processes, name, module, env, "--service-bus", nobody, "--app", APP)


@pytest.fixture(scope="module")
def host(own: Processes, temporal_server: TemporalServer) -> Server:
    """The app with the settings that its template gives it."""
    settings = {
        **LINK_KEYS,
        "TEMPORAL_ADDRESS": temporal_server.address,
        "TIDEGATE_API_TOKENS": "env:CALLERS",
        "CALLERS": CALLERS,
    }
    server = hosted(own, "application", **settings)
    server.wait("/healthz")
    return server


@pytest.fixture
def browser(host: Server) -> Browser:
    return Browser(host.url)


@pytest.fixture
async def incident(temporal_client: Client) -> AsyncIterator[WorkflowHandle[Any, Any]]:
    async with waiting(temporal_client) as handle:
        yield handle


async def test_a_link_shows_the_incident_and_changes_nothing(
    browser: Browser, incident: WorkflowHandle[Any, Any]
) -> None:
    address = await link_path(incident)
    shown = await browser.get(address)
    assert (shown.status, "The checkout &lt;b&gt;is&lt;/b&gt; down" in shown.text) == (200, True)
    assert shown.headers["Content-Security-Policy"].startswith("default-src 'none'; ")
    assert shown.headers["Cache-Control"] == "no-store"
    assert (await browser.request("HEAD", address)).status == 200
    assert await commands(incident) == []


async def test_its_button_acts_without_a_worker(
    browser: Browser, incident: WorkflowHandle[Any, Any]
) -> None:
    for address, form, who in (
        (await link_path(incident), None, "ana"),
        (await link_path(incident, target="on-call"), {"name": "Zoë Ito"}, "Zoë Ito"),
    ):
        answer = await browser.post(address, form)
        assert (answer.status, f"Sent: <bdi>{who}</bdi> has it." in answer.text) == (202, True)
        assert (await commands(incident))[-1]["actor"] == who


async def test_one_process_answers_one_request_after_another_with_one_client(
    browser: Browser, incident: WorkflowHandle[Any, Any]
) -> None:
    address = await link_path(incident, command=LinkCommand.SHOW)
    for _ in range(3):
        assert (await browser.get(address)).status == 200


async def test_it_refuses_what_is_no_link_and_a_body_without_a_length(
    browser: Browser, incident: WorkflowHandle[Any, Any]
) -> None:
    address = await link_path(incident, target="on-call")

    async def chunks() -> AsyncIterator[bytes]:
        yield b"name=ana"

    assert (await browser.get(f"{address}x")).status == 404
    assert (await browser.request("PUT", address)).status == 405
    assert (await browser.post(address, {"name": ""})).status == 400
    assert (await browser.post(address, chunks())).status == 411
    assert (await browser.get("/")).status == 404
    assert await commands(incident) == []


async def test_the_api_knows_callers_and_finds_an_incident_by_an_id_that_is_percent_encoded(
    browser: Browser, incident: WorkflowHandle[Any, Any]
) -> None:
    url = f"/v1/incidents/{incident.id.replace(':', '%3A')}/commands/acknowledge?wait=false"
    for token, status in ((TOKENS["responder"], 202), (TOKENS["viewer"], 403), ("forged", 401)):
        headers = {"Authorization": f"Bearer {token}"}
        answer = await browser.request("POST", url, headers=headers)
        assert answer.status == status, answer.text
    [command] = await commands(incident)
    assert (command["actor"], command["proof"]) == ("the-responder", "api")
    listed = await browser.request(
        "GET", "/v1/incidents?limit=1", headers={"Authorization": f"Bearer {TOKENS['viewer']}"}
    )
    assert (listed.status, "incidents" in json.loads(listed.text)) == (200, True)


async def test_no_line_of_its_log_has_a_token(
    own: Processes, browser: Browser, incident: WorkflowHandle[Any, Any]
) -> None:
    good = await link_path(incident)
    for address in (good, f"{good}x", await link_path(incident, expires=1)):
        await browser.get(address)
        await browser.post(address)
    logged = own["application"].output()
    assert "refused: ExpiredLink (410)" in logged
    assert good.removeprefix(PATH).partition(".")[0] not in logged
    assert PATH not in logged


async def test_with_invalid_settings_it_is_not_healthy_and_says_so_to_people(
    own: Processes, incident: WorkflowHandle[Any, Any]
) -> None:
    server = hosted(own, "misconfigured")
    child = own["misconfigured"]
    wait_until(lambda: "listens on" in child.output(), 30, "the host", check=own.check)
    browser = Browser(server.url)
    assert (await browser.get("/healthz")).status == 503
    answer = await browser.get(await link_path(incident))
    assert (answer.status, "incident ack" in answer.text) == (503, True)
    assert "TIDEGATE_LINK_KEYS is not set" in child.output()
