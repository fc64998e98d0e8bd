"""The HTTP application as a function app: what the host is told, what is loaded, and what is
answered where the application itself cannot answer."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import azure.functions as func
import pytest
from azure.functions.decorators.function_app import FunctionRegister
from azure.functions.http import HttpRequest
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import Message

from functions_azure import application
from infra.azure.app import function_app
from infra.local.processes import ROOT

[FUNCTION] = function_app.app.get_functions()
"""An app returns its functions only once in a process."""
KEY = {"TIDEGATE_LINK_KEYS": "env:LINK_KEY", "LINK_KEY": "a-key-of-32-bytes-that-nobody-guesses"}


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A new process with the settings of an application."""
    for name, value in KEY.items():
        monkeypatch.setenv(name, value)
    forget = application.created.cache_clear
    forget()
    yield
    forget()


async def answer(
    method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
) -> func.HttpResponse:
    """The answer to a request that the host passes on."""
    request = HttpRequest(
        method,
        f"https://tidegate.example.net{path}",
        headers=headers or {},
        params={},
        route_params={},
        body_type="bytes",
        body=body,
    )
    answered: func.HttpResponse = await FUNCTION.get_user_function()(request, None)
    return answered


# -- what the host is told


def test_the_package_has_exactly_one_app() -> None:
    apps = [value for value in vars(function_app).values() if isinstance(value, FunctionRegister)]
    assert apps == [application.app]


def test_one_function_takes_every_path_from_anybody() -> None:
    """The application verifies tokens itself; the host's own keys would be one more secret."""
    described = json.loads(FUNCTION.get_function_json())
    trigger, output = described["bindings"]
    assert FUNCTION.get_function_name() == "application"
    assert described["scriptFile"] == "function_app.py"
    assert (trigger["type"], trigger["route"]) == ("httpTrigger", "/{*route}")
    assert trigger["authLevel"] == "ANONYMOUS"
    assert {"GET", "HEAD", "POST"} <= set(trigger["methods"])
    assert (output["type"], output["name"]) == ("http", "$return")


HOST: dict[str, Any] = json.loads((ROOT / "infra/azure/app/host.json").read_text())


def test_the_host_puts_no_prefix_before_paths_and_writes_none_down() -> None:
    """Requests are logged at Information; in Application Insights they are the category
    Host.Results. Source: Azure Functions, "Configure monitoring", "Configure categories"."""
    assert HOST["extensions"]["http"]["routePrefix"] == ""
    assert HOST["logging"]["logLevel"] == {"default": "Warning", "Host.Results": "None"}
    assert "telemetryMode" not in HOST, "OpenTelemetry's traces have the address of each request"


def test_the_host_waits_longer_than_the_application_takes() -> None:
    hours, minutes, seconds = map(int, HOST["functionTimeout"].split(":"))
    assert 30 < 3600 * hours + 60 * minutes + seconds <= 230  # Azure's load balancer's patience


# -- what is loaded


def test_the_app_loads_what_a_link_needs_and_no_listener_no_store_and_no_telemetry() -> None:
    """The store of its keys it loads with the first link."""
    code = "import json, sys, infra.azure.app.function_app; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    modules = set(json.loads(done.stdout))
    assert {"starlette", "jinja2", "joserfc", "temporalio.client"} <= modules
    top = {name.partition(".")[0] for name in modules}
    foreign = {"aiohttp", "apprise", "boto3", "functions_aws", "mangum", "opentelemetry", "typer"}
    assert top & {*foreign, "workers", "yaml"} == set()
    azure = {name.split(".")[1] for name in modules if name.startswith("azure.")}
    assert azure == {"functions"}
    ours = {name for name in modules if name.startswith("functions_azure.")}
    assert ours == {"functions_azure.application"}
    decides = ("core.domain.incident.decisions", "core.domain.incident.timeline", "core.app.api")
    assert [name for name in modules if name.startswith(decides)] == []


# -- what is answered


async def test_it_says_that_it_is_up() -> None:
    up = await answer("GET", "/healthz")
    assert (up.status_code, up.get_body()) == (200, b"ok\n")


async def test_an_answer_has_the_headers_of_the_application() -> None:
    refused = await answer("GET", "/i/no-token")
    assert refused.status_code == 404
    assert refused.headers["content-security-policy"].startswith("default-src 'none'; ")
    assert refused.headers["content-type"] == "text/html; charset=utf-8"


async def test_with_invalid_settings_everything_is_answered_503_and_the_log_names_them(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("TIDEGATE_LINK_KEYS", "")
    for path in ("/healthz", "/i/token"):
        broken = await answer("GET", path)
        assert broken.status_code == 503
        assert int(broken.headers["retry-after"]) > 0
        assert b"incident ack" in broken.get_body()
    assert "TIDEGATE_LINK_KEYS is not set" in caplog.text
    assert "refused: Misconfigured (503)" in caplog.text


@pytest.mark.parametrize("name", ["Transfer-Encoding", "transfer-encoding"])
async def test_a_body_that_the_host_withholds_is_not_taken_for_an_empty_one(name: str) -> None:
    refused = await answer("POST", "/i/token", headers={name: "chunked"})
    assert refused.status_code == 411
    assert b"Content-Length" in refused.get_body()


async def test_a_fault_of_ours_is_answered_and_logged_without_the_path(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(request: object) -> None:
        raise RuntimeError("broken")

    broken = Starlette(routes=[Route("/i/{token}", fail)])
    monkeypatch.setattr(application, "created", lambda: broken)
    with caplog.at_level(logging.ERROR):
        assert (await answer("GET", "/i/a-token")).status_code == 500
    assert "a request failed" in caplog.text
    assert "RuntimeError: broken" in caplog.text
    assert "a-token" not in caplog.text


async def test_every_cookie_of_an_answer_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    async def cookies(scope: Any, receive: Any, send: Any) -> None:
        set_cookies = [(b"set-cookie", b"a=1; Path=/"), (b"set-cookie", b"b=2; Path=/")]
        await send({"type": "http.response.start", "status": 200, "headers": set_cookies})
        await send({"type": "http.response.body", "body": b""})

    monkeypatch.setattr(application, "created", lambda: cookies)
    given = await answer("GET", "/")
    assert given.headers.get_all("Set-Cookie") == ["a=1; Path=/", "b=2; Path=/"]


async def test_what_the_library_starts_ends_before_the_process_does() -> None:
    """It waits for that in a loop of its own, when the worker's is closed."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "lifespan.startup"}

    async def send(message: Message) -> None:
        sent.append(message)

    async with asyncio.timeout(5):
        await application.application({"type": "lifespan"}, receive, send)
    assert sent == [{"type": "lifespan.startup.complete"}]
