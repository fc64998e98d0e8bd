"""The HTTP API: the real application over HTTP, a real Temporal server, real incidents."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, get_args
from urllib.parse import quote, urlsplit
from uuid import uuid4

import pytest
from temporalio import workflow
from temporalio.client import Client, WorkflowHandle
from temporalio.common import RawValue
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from core import bootstrap
from core.adapters.temporal import incident_list
from core.adapters.temporal.incident_list import IncidentFilter
from core.app import bodies
from core.app.api import application
from core.app.api.application import OPERATIONS
from core.app.api.requests import LONGEST_BODY
from core.app.application import create
from core.app.identity.caller import Reason
from core.app.identity.service_tokens import ServiceTokens
from core.config.settings import Settings
from core.contracts import INCIDENT_WORKFLOW, QUERY_INCIDENT, QUERY_TIMELINE
from core.domain.handles import handle_of
from core.domain.incident.commands import COMMANDS
from core.errors import SettingsError
from core.ports.documents import DocumentStore
from infra.local.temporal import TemporalServer
from tests.support.api import TOKENS, Api, configure, serving
from tests.support.grpc_proxy import Proxy, counted
from tests.support.incidents import Harness, alert, command, says, until
from tests.support.issuer import ATTACKS, AUDIENCE, Issuer, issuing, key
from tests.support.links import Browser, link

PROBLEM = "application/problem+json"
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with issuing() as issuer:
        issuer.publish(key("first"), key("second"))
        yield issuer


@pytest.fixture(scope="module")
def proxy(temporal_server: TemporalServer) -> Iterator[Proxy]:
    with Proxy(temporal_server.address) as proxy:
        yield proxy


def trust(monkeypatch: pytest.MonkeyPatch, issuer: Issuer) -> None:
    """The settings of an application that knows an issuer."""
    monkeypatch.setenv("TIDEGATE_OIDC_ISSUER", issuer.url)
    monkeypatch.setenv("TIDEGATE_OIDC_AUDIENCE", AUDIENCE)


@pytest.fixture(scope="module")
async def api(proxy: Proxy, issuer: Issuer) -> AsyncIterator[Api]:
    """One application for all tests that do not change it, connected already; its calls to Temporal
    are counted by the proxy."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        configure(monkeypatch, proxy.address)
        trust(monkeypatch, issuer)
        async with serving(create()) as url:
            for token in (TOKENS["viewer"], issuer.token()):
                assert (await Api(url, token).get("/v1/incidents", limit=1)).status == 200
            yield Api(url)


@pytest.fixture
def own_issuer() -> Iterator[Issuer]:
    """An issuer of the test's own, which it may stop."""
    with issuing() as issuer:
        yield issuer


@pytest.fixture
def api_settings(
    temporal_server: TemporalServer, own_issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The settings of an application of the test's own."""
    configure(monkeypatch, temporal_server.address)
    trust(monkeypatch, own_issuer)


@pytest.fixture
async def own_api(api_settings: None) -> AsyncIterator[Api]:
    async with serving(create()) as url:
        yield Api(url)


async def opened(harness: Harness, **fields: Any) -> tuple[WorkflowHandle[Any, Any], str]:
    """An incident that has paged somebody, and its own ID."""
    handle = await harness.start(alert(**fields))
    await until(says(handle, "Page delivered"))
    return handle, (await handle.query(QUERY_INCIDENT))["id"]


async def entries(handle: WorkflowHandle[Any, Any], kind: str) -> list[dict[str, Any]]:
    return [entry for entry in await handle.query(QUERY_TIMELINE) if entry["kind"] == kind]


def path_of(operation: Any, id: str = "k7m2qx") -> str:
    return f"/v1{re.sub('{[a-z]+}', id, operation.path)}"


# -------------------------------------------------------------------------------- who may ask


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: each.id)
async def test_without_a_token_nothing_happens(
    operation: Any, api: Api, proxy: Proxy, caplog: pytest.LogCaptureFixture
) -> None:
    with counted(proxy) as calls:
        answer = await api.by(None).ask(operation.method, path_of(operation))
    assert (answer.status, answer.json["code"]) == (401, "NotAuthenticated")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="tidegate"'
    assert answer.headers["Content-Type"] == PROBLEM
    assert calls == [0]
    assert "refused: NotAuthenticated (401): missing" in caplog.messages


@pytest.mark.parametrize(
    "operation",
    [each for each in OPERATIONS if each.role != "viewer"],
    ids=lambda each: each.id,
)
@pytest.mark.parametrize("source", ["a service token", "a JWT"])
async def test_with_a_role_that_is_too_low_nothing_happens(
    operation: Any,
    source: str,
    api: Api,
    issuer: Issuer,
    proxy: Proxy,
    caplog: pytest.LogCaptureFixture,
) -> None:
    role = "responder" if operation.role == "admin" else "viewer"
    token = issuer.token(roles=role) if source == "a JWT" else TOKENS[role]
    with counted(proxy) as calls:
        answer = await api.by(token).ask(operation.method, path_of(operation), json={})
    assert (answer.status, answer.json["code"]) == (403, "RoleTooLow")
    assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]
    assert calls == [0]
    [line] = [line for line in caplog.messages if line.startswith("refused:")]
    assert line.startswith(f"refused: RoleTooLow (403): {operation.id} by '")


def test_reading_takes_a_viewer_a_change_a_responder_and_originals_an_admin() -> None:
    roles = {operation.id: operation.role.value for operation in OPERATIONS}
    assert roles == {
        **{each.id: "viewer" for each in OPERATIONS if each.method == "GET"},
        **dict.fromkeys(COMMANDS, "responder"),
        "openIncident": "responder",
        "addOverride": "responder",
        "removeOverride": "responder",
        "swapShifts": "responder",
        "addSilence": "responder",
        "endSilence": "responder",
        "newFeed": "responder",
        "pauseHeartbeat": "responder",
        "resumeHeartbeat": "responder",
        "readOriginal": "admin",
        "replayQuarantined": "admin",
        "deleteQuarantined": "admin",
    }


@pytest.mark.parametrize("attack", ATTACKS)
async def test_a_forged_token_commands_nothing(
    attack: str, api: Api, issuer: Issuer, proxy: Proxy, caplog: pytest.LogCaptureFixture
) -> None:
    token, reason = ATTACKS[attack]
    with counted(proxy) as calls:
        answer = await api.by(token(issuer)).post("/v1/incidents/k7m2qx/commands/acknowledge")
    assert (answer.status, answer.json["code"]) == (401, "NotAuthenticated")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="tidegate", error="invalid_token"'
    assert reason not in answer.content.decode().split()
    assert calls == [0]
    assert f"refused: NotAuthenticated (401): {reason}" in caplog.messages


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("Basic dXNlcjpwYXNz", "malformed"),
        ("Bearer", "malformed"),
        (f"Bearer {TOKENS['responder']} {TOKENS['responder']}", "malformed"),
        (f"Bearer {TOKENS['responder']},", "malformed"),
        (f"Bearer {TOKENS['responder'][:-1]}0", "unknown"),
        (f"Token {TOKENS['responder']}", "malformed"),
        (TOKENS["responder"], "malformed"),
        (f"Bearer {'x' * 9000}", "malformed"),
    ],
)
async def test_any_other_header_lets_nobody_in(
    header: str, reason: str, api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await api.by(None).ask("GET", "/v1/incidents", headers={"Authorization": header})
    assert answer.status == 401
    assert f"refused: NotAuthenticated (401): {reason}" in caplog.messages


async def test_a_token_twice_lets_nobody_in(api: Api) -> None:
    def status() -> int:
        with closing(HTTPConnection(api.url.removeprefix("http://"))) as connection:
            connection.putrequest("GET", "/v1/incidents")
            for _ in range(2):
                connection.putheader("Authorization", f"Bearer {TOKENS['responder']}")
            connection.endheaders()
            return connection.getresponse().status

    assert await asyncio.to_thread(status) == 401


async def test_while_nobody_can_be_verified_the_caller_is_to_try_again(
    own_api: Api, own_issuer: Issuer
) -> None:
    own_issuer.stop()
    answer = await own_api.by(own_issuer.token()).get("/v1/incidents")
    assert (answer.status, answer.json["code"]) == (503, "CannotAuthenticate")
    assert answer.headers["Retry-After"] == "5"
    assert own_issuer.url not in answer.content.decode()
    assert (await own_api.get("/v1/incidents")).status == 200  # service tokens need no issuer


@pytest.mark.parametrize("secret", ["not JSON", ""])
async def test_service_tokens_that_cannot_be_read_are_the_operators_fault(
    secret: str, own_api: Api, own_issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALLERS", secret)
    answer = await own_api.get("/v1/incidents")
    assert (answer.status, answer.json["code"]) == (503, "CannotAuthenticate")
    assert (await own_api.by(own_issuer.token()).get("/v1/incidents")).status == 200


@pytest.mark.parametrize("known", ["tokens", "issuer"])
async def test_who_is_not_configured_is_not_known(
    known: str, api_settings: None, own_issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    unset = ("OIDC_ISSUER", "OIDC_AUDIENCE") if known == "tokens" else ("API_TOKENS",)
    for name in unset:
        monkeypatch.delenv(f"TIDEGATE_{name}")
    async with serving(create()) as url:
        answers = [
            (await Api(url, token).get("/v1/incidents")).status
            for token in (TOKENS["viewer"], own_issuer.token())
        ]
    assert answers == ([200, 401] if known == "tokens" else [401, 200])


async def test_without_any_identity_there_is_no_api(
    temporal_server: TemporalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(monkeypatch, temporal_server.address)
    monkeypatch.delenv("TIDEGATE_API_TOKENS")
    async with serving(create()) as url:
        for operation in OPERATIONS:
            for token in (None, TOKENS["responder"]):
                answer = await Api(url, token).ask(operation.method, path_of(operation))
                assert answer.status == 404
        assert (await Api(url, None).get("/healthz")).status == 200


def test_where_there_is_no_api_nothing_of_it_is_loaded() -> None:
    """A function that answers links alone starts as fast as without the API."""
    code = (
        "import sys; from core.app.application import create; create(); "
        "sys.exit(bool({'core.app.api', 'core.app.identity'} & sys.modules.keys()))"
    )
    settings = {"TIDEGATE_LINK_KEYS": "env:KEY", "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code], env=settings, check=True)


@pytest.mark.parametrize("missing", ["TIDEGATE_OIDC_ISSUER", "TIDEGATE_OIDC_AUDIENCE"])
def test_half_an_issuer_is_refused_at_the_start(
    missing: str, api_settings: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(missing)
    with pytest.raises(SettingsError, match=f"{missing} is not set"):
        create()


# -------------------------------------------------------------------------------------- reading


async def test_an_incident_is_shown_with_its_timeline(dev_harness: Harness, api: Api) -> None:
    async with dev_harness.working():
        handle, id = await opened(dev_harness, title="<b>Checkout</b>", service=f"s-{uuid4().hex}")
        for name in (id, handle_of(id), handle.id):
            shown = (await api.get(f"/v1/incidents/{name}")).json
            assert (shown["id"], shown["handle"]) == (id, handle_of(id))
            assert (shown["status"], shown["title"]) == ("open", "<b>Checkout</b>")
            assert shown["alerts"] == {"firing": 1, "distinct": 1, "received": 1}
            assert [page["status"] for page in shown["pages"]] == ["delivered"]
            assert "acknowledge" in shown["possible"]
            assert "reopen" not in shown["possible"]
        told = await api.get(f"/v1/incidents/{id}/timeline")
        assert told.json["incident_id"] == id
        kinds = [entry["kind"] for entry in told.json["entries"]]
        assert kinds[0] == "opened"
        assert "page_delivered" in kinds
        assert all(entry["at"] and entry["text"] for entry in told.json["entries"])


@pytest.mark.parametrize("token", [None, TOKENS["viewer"]])
@pytest.mark.parametrize("path", ["/nothing", "/incidents", "/incidents/k7m2qx", "/openapi.json"])
async def test_no_answer_is_kept_or_taken_for_anything_else(
    path: str, token: str | None, api: Api
) -> None:
    answer = await api.by(token).get(f"/v1{path}")
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_an_id_with_slashes_is_found(dev_harness: Harness, api: Api) -> None:
    async with dev_harness.working():
        name = f"incident:docs/{uuid4().hex}/timeline/a"
        handle = await dev_harness.start(alert(), id=name)
        await until(says(handle, "Page delivered"))
        id = (await handle.query(QUERY_INCIDENT))["id"]
        for written in (id, id.replace("/", "%2F")):
            assert (await api.get(f"/v1/incidents/{written}")).json["id"] == id
            assert (await api.get(f"/v1/incidents/{written}/timeline")).json["incident_id"] == id


async def test_the_report_is_read_in_both_forms_once_it_is_written(
    dev_harness: Harness, api_settings: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEGATE_REPORTS", f"file://{dev_harness.root}/reports/")
    made: list[DocumentStore] = []
    make = bootstrap.STORES["file"]

    def counting() -> DocumentStore:
        made.append(make())
        return made[-1]

    monkeypatch.setitem(bootstrap.STORES, "file", counting)
    async with dev_harness.working(), serving(create()) as url:
        api = Api(url)
        handle, id = await opened(dev_harness)
        early = await api.get(f"/v1/incidents/{id}/report")
        assert (early.status, early.json["code"]) == (404, "DocumentNotFound")
        await api.post(f"/v1/incidents/{id}/commands/resolve", {"force": True})
        await until(says(handle, "report written"))
        data = await api.get(f"/v1/incidents/{id}/report")
        assert data.headers["Content-Type"] == "application/json"
        assert data.json["incident_id"] == id
        text = await api.get(f"/v1/incidents/{id}/report", format="md")
        assert text.headers["Content-Type"] == "text/markdown; charset=utf-8"
        assert "cpu is high" in text.content.decode()
    assert len(made) == 1, "a store lives as long as the process"


async def test_links_and_the_api_have_one_client_of_temporal(
    api_settings: None, temporal_server: TemporalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Proxy(temporal_server.address) as proxy:
        monkeypatch.setenv("TEMPORAL_ADDRESS", proxy.address)
        async with serving(create()) as url:
            browser = Browser(url)
            path = await browser.path(link("incident:cpu@20260102T030405.678Z"))
            assert (await browser.get(path)).status == 410
            with counted(proxy) as calls:
                assert (await Api(url).get("/v1/incidents", limit=1)).status == 200
    assert calls == [1], "the client was connected already"


async def listed(api: Api, **params: Any) -> list[str]:
    """The IDs on all pages."""
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await api.get("/v1/incidents", **params, **cursor)).json
        found += [incident["id"] for incident in page["incidents"]]
        if page["next"] is None:
            return found
        cursor = {"cursor": page["next"]}


async def test_a_list_has_pages_and_each_is_one_call_to_temporal(
    dev_harness: Harness, api: Api, proxy: Proxy
) -> None:
    service = f"service-{uuid4().hex}"
    async with dev_harness.working():
        ids = {(await opened(dev_harness, key=f"k{n}", service=service))[1] for n in range(5)}

        async def all_listed() -> bool:
            return set(await listed(api, service=service)) == ids

        await until(all_listed)
        with counted(proxy) as calls:
            answer = await api.get("/v1/incidents", service=service)
        assert len(answer.json["incidents"]) == 5
        assert calls == [1]
        with counted(proxy) as calls:
            paged = await listed(api, service=service, limit=2)
        assert (len(paged), set(paged)) == (5, ids)
        assert calls[0] <= 4
        [one] = (await api.get("/v1/incidents", service=service, limit=1)).json["incidents"]
        assert one["title"] == "cpu is high" or one["title"].endswith(" is high")
        assert (one["status"], one["severity"], one["ended"]) == ("open", "critical", None)
        assert await listed(api, service=service, status="resolved") == []
        assert await listed(api, service=service, severity=["low", "high"]) == []
        assert await listed(api, service=service, older_than="1h") == []
        assert (
            len(await listed(api, service=[service, "other"], younger_than="1h", all="true")) == 5
        )


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("status=broken", "status[0]: "),
        ("severity=P1", "severity[0]: "),
        ("limit=0", "limit: "),
        ("limit=1001", "limit: "),
        ("limit=ten", "limit: is not a number in digits"),
        ("limit=5&limit=6", "limit: is given twice"),
        ("all=yes", "all: is neither true nor false"),
        ("older_than=1+week", "older_than: is not a duration like 30m, 12h or 7d"),
        ("service=", "service[0]: "),
        ("service=" + "x" * 201, "service[0]: "),
        ("&".join(["service=a"] * 21), "service: "),
        ("cursor=%20", "cursor: "),
        ("cursor=AAAA", "cursor: not the cursor of a page of this list"),
        ("cursor=" + "A" * 40, "cursor: not the cursor of a page of this list"),
        ("untill=1", "untill: there is no such field"),
        ("actor=ana", "actor: there is no such field"),
    ],
)
async def test_a_query_that_cannot_be_meant_is_refused(query: str, problem: str, api: Api) -> None:
    answer = await api.get(f"/v1/incidents?{query}")
    assert (answer.status, answer.json["code"]) == (422, "Invalid")
    assert answer.headers["Content-Type"] == PROBLEM
    assert answer.json["problems"][0].startswith(problem)


async def test_a_cursor_that_temporal_does_not_take_begins_the_list_again(api: Api) -> None:
    """One of a server before an upgrade, or invented by whoever has read how they are made."""
    filter = IncidentFilter()
    cursor = incident_list._cursor(datetime.now(UTC), b"a page of another server", filter)
    answer = await api.get("/v1/incidents", cursor=cursor)
    assert (answer.status, answer.json["code"]) == (422, "Invalid")
    [problem] = answer.json["problems"]
    assert problem == "cursor: no longer valid: begin the list again"


# ------------------------------------------------------------------------------------- commands


async def test_a_command_is_its_tokens_and_the_timeline_says_so(
    dev_harness: Harness, api: Api, issuer: Issuer
) -> None:
    async with dev_harness.working():
        handle, id = await opened(dev_harness)
        path = f"/v1/incidents/{handle_of(id)}/commands"
        person = api.by(issuer.token(email="ana@example.com"))
        done = await person.post(f"{path}/acknowledge", {"note": "looking"})
        assert done.status == 200
        assert done.json["changed"] is True
        assert (done.json["incident_id"], done.json["status"]) == (id, "acknowledged")
        assert done.json["acknowledged_by"] == ["ana@example.com"]
        [entry] = await entries(handle, "acknowledged")
        assert (entry["actor"], entry["proof"]) == ("ana@example.com", "api")
        assert entry["command_id"] == done.json["command_id"]
        severity = await api.post(f"{path}/set_severity", {"severity": "low"})
        assert severity.json["severity"] == "low"
        [entry] = await entries(handle, "severity_changed")
        assert (entry["actor"], entry["proof"]) == ("the-responder", "api")


@pytest.mark.parametrize("name", ["actor", "proof", "incident_id", "command_id", "name", "untill"])
async def test_a_body_that_names_somebody_is_refused(name: str, api: Api, proxy: Proxy) -> None:
    with counted(proxy) as calls:
        answer = await api.post("/v1/incidents/k7m2qx/commands/acknowledge", {name: "ben"})
    assert (answer.status, answer.json["code"]) == (422, "Invalid")
    assert answer.json["problems"][0].startswith(f"{name}: ")
    assert calls == [0]


async def test_a_command_that_is_sent_again_is_done_once(dev_harness: Harness, api: Api) -> None:
    async with dev_harness.working():
        handle, id = await opened(dev_harness)
        path = f"/v1/incidents/{id}/commands/comment"
        by_key = [
            await api.post(path, {"note": "hello"}, Idempotency_Key="retry-1") for _ in range(3)
        ]
        assert len({answer.json["command_id"] for answer in by_key}) == 1
        assert len(await entries(handle, "commented")) == 1


async def test_a_key_is_the_callers_own_and_of_one_command(dev_harness: Harness, api: Api) -> None:
    async with dev_harness.working():
        handle, id = await opened(dev_harness)
        path = f"/v1/incidents/{id}/commands"
        mine = await api.post(f"{path}/comment", {"note": "a"}, Idempotency_Key="1")
        another = api.by(TOKENS["other"])
        theirs = await another.post(f"{path}/comment", {"note": "b"}, Idempotency_Key="1")
        other = await api.post(f"{path}/acknowledge", {}, Idempotency_Key="1")
        assert len({each.json["command_id"] for each in (mine, theirs, other)}) == 3
        assert other.json["status"] == "acknowledged"
        assert len(await entries(handle, "commented")) == 2


@pytest.mark.parametrize("key", ["", "x" * 201, "caf\u00e9"])
async def test_a_key_that_is_no_line_is_refused(key: str, api: Api) -> None:
    answer = await api.post("/v1/incidents/k7m2qx/commands/escalate", Idempotency_Key=key)
    assert answer.status == 422
    assert answer.json["problems"][0].startswith("Idempotency-Key: ")


async def test_what_is_impossible_now_is_answered_with_what_is_possible(
    dev_harness: Harness, api: Api
) -> None:
    async with dev_harness.working():
        _, id = await opened(dev_harness)
        path = f"/v1/incidents/{id}/commands"
        fires = await api.post(f"{path}/resolve")
        assert (fires.status, fires.json["code"]) == (409, "CommandRefused")
        assert fires.json["deed"] == "resolve"
        assert fires.json["possible"][0] == "resolve with `force`"
        await api.post(f"{path}/mitigate")
        refused = await api.post(f"{path}/escalate")
        assert refused.json["possible"][0] == "reopen"
        assert (await api.post(f"{path}/close", {"reason": "duplicate"})).status == 200
        over = await api.post(f"{path}/comment", {"note": "too late"})
        assert (over.status, over.json["possible"]) == (409, [])
        again = await api.post(f"{path}/close", {"reason": "duplicate"})
        assert (again.status, again.json["changed"]) == (200, False)


@pytest.mark.parametrize("way", ["wait=false", "Prefer"])
async def test_a_command_may_be_sent_without_a_worker(
    way: str, dev_harness: Harness, api: Api
) -> None:
    async with dev_harness.working():
        handle, id = await opened(dev_harness)
    path = f"/v1/incidents/{id}/commands/acknowledge"
    if way == "Prefer":
        sent = await api.post(path, {"note": "on my way"}, Prefer="handling=strict, respond-async")
        assert sent.headers["Preference-Applied"] == "respond-async"
    else:
        sent = await api.post(f"{path}?wait=false", {"note": "on my way"})
    assert sent.status == 202
    assert (sent.json["incident_id"], sent.json["handle"]) == (id, handle_of(id))
    async with dev_harness.working():
        await until(says(handle, "Acknowledged: on my way"))
        [entry] = await entries(handle, "acknowledged")
        assert (entry["proof"], entry["command_id"]) == ("api", sent.json["command_id"])


@pytest.mark.parametrize("name", COMMANDS)
async def test_every_command_is_for_an_incident_that_there_is(name: str, api: Api) -> None:
    fields = {
        "assign": {"assignee": "ana"},
        "snooze": {"for": 60},
        "comment": {"note": "hello"},
        "set_severity": {"severity": "low"},
        "close": {"reason": "duplicate"},
    }.get(name, {})
    for query in ("", "?wait=false"):
        answer = await api.post(f"/v1/incidents/no-such-incident/commands/{name}{query}", fields)
        assert (answer.status, answer.json["code"]) == (404, "IncidentNotFound")


@pytest.mark.parametrize(
    ("name", "body", "problem"),
    [
        ("assign", {}, "the whole: give an assignee, a commander or both"),
        ("assign", {"assignee": ""}, "assignee: "),
        ("assign", {"assignee": "x" * 201}, "assignee: "),
        ("snooze", {}, "the whole: give either `until` or `for`"),
        ("snooze", {"for": "60"}, "for: "),
        ("snooze", {"for": -1}, "for: "),
        ("snooze", {"until": 1767312000}, "until: "),
        ("snooze", {"until": "2026-01-01T00:00:00"}, "until: "),
        ("comment", {}, "note: is missing"),
        ("comment", {"note": " \u202e "}, "note: "),
        ("comment", {"note": "x" * 10_001}, "note: "),
        ("set_severity", {"severity": "P1"}, "severity: "),
        ("close", {"reason": "boredom"}, "reason: "),
        ("resolve", {"force": "true"}, "force: "),
        ("acknowledge", {"command_id": "c-7"}, "command_id: comes from the token, the path or"),
        ("acknowledge", {"note": 7}, "note: "),
        ("acknowledge", [], "the whole: is not an object"),
    ],
)
async def test_a_body_that_cannot_be_meant_is_refused(
    name: str, body: Any, problem: str, api: Api, proxy: Proxy
) -> None:
    with counted(proxy) as calls:
        answer = await api.post(f"/v1/incidents/k7m2qx/commands/{name}", body)
    assert (answer.status, answer.json["code"]) == (422, "Invalid")
    assert answer.json["problems"][0].startswith(problem)
    assert calls == [0]


@pytest.mark.parametrize(
    ("data", "kind", "status", "code"),
    [
        (b"{", "application/json", 400, "NotJson"),
        (b'{"for": NaN}', "application/json", 400, "NotJson"),
        (b"[" * 5000, "application/json", 400, "NotJson"),
        (b"\xff\xfe", "application/json", 400, "NotJson"),
        (b"note=a", "application/x-www-form-urlencoded", 415, "NotJson"),
        (b'{"note": "a"}', "text/plain", 415, "NotJson"),
        (b" " * (LONGEST_BODY + 1), "application/json", 413, "TooLarge"),
    ],
)
async def test_a_body_that_cannot_be_read_is_refused(
    data: bytes, kind: str, status: int, code: str, api: Api, proxy: Proxy
) -> None:
    with counted(proxy) as calls:
        answer = await api.ask(
            "POST",
            "/v1/incidents/k7m2qx/commands/comment",
            data=data,
            headers={"Content-Type": kind},
        )
    assert (answer.status, answer.json["code"]) == (status, code)
    assert answer.headers["Content-Type"] == PROBLEM
    assert calls == [0]


def sender(api: Api) -> socket.socket:
    """Somebody who has begun to send a command, and has not sent half of its body."""
    sender = socket.create_connection(("127.0.0.1", urlsplit(api.url).port or 0), timeout=30)
    sender.sendall(
        b"POST /v1/incidents/k7m2qx/commands/comment HTTP/1.1\r\nHost: x\r\n"
        b"Content-Type: application/json\r\nContent-Length: 100\r\n"
        + f'Authorization: Bearer {api.token}\r\n\r\n{{"note": "'.encode()
    )
    return sender


async def test_a_body_has_to_arrive_in_time(
    api_settings: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEGATE_START_TIMEOUT", "0.3")
    async with serving(create()) as url:
        with sender(Api(url)) as slow, slow.makefile("rb") as answered:
            # To its end: the connection is closed.
            answer = (await asyncio.to_thread(answered.read)).decode()
    assert answer.startswith("HTTP/1.1 408 ")
    assert '"code":"TooSlow"' in answer


async def test_a_body_without_an_end_is_refused_at_its_bound(api: Api) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b" " * 10_000

    answer = await api.ask(
        "POST",
        "/v1/incidents/k7m2qx/commands/comment",
        data=endless(),
        headers={"Content-Type": "application/json"},
    )
    assert (answer.status, answer.json["code"]) == (413, "TooLarge")


async def test_a_caller_who_hangs_up_is_no_fault_of_ours(
    api: Api, proxy: Proxy, caplog: pytest.LogCaptureFixture
) -> None:
    with counted(proxy) as calls:
        sender(api).close()
        await until(lambda: "refused: Disconnected (400)" in caplog.messages)
    assert calls == [0]
    assert not [record for record in caplog.records if record.exc_info]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/", 404),
        ("GET", "/v1/nothing", 404),
        ("GET", "/v1/incidents/", 404),
        ("POST", "/v1/incidents/k7m2qx/commands/explode", 404),
        ("PUT", "/v1/incidents", 405),
        ("DELETE", "/v1/incidents/k7m2qx", 405),
        ("POST", "/v1/incidents/k7m2qx/timeline", 405),
        ("GET", "/v1/incidents/k7m2qx/commands/acknowledge", 405),
        ("PUT", "/v1/incidents/k7m2qx/commands/acknowledge", 405),
    ],
)
async def test_what_there_is_not_is_a_problem_too(
    method: str, path: str, status: int, api: Api
) -> None:
    answer = await api.ask(method, path)
    assert (answer.status, answer.json["status"]) == (status, status)
    assert answer.headers["Content-Type"] == PROBLEM
    assert ("Allow" in answer.headers) == (status == 405)


async def test_a_handle_that_fits_nothing_is_not_found(api: Api) -> None:
    answer = await api.get("/v1/incidents/k7m2qx")
    assert (answer.status, answer.json["code"]) == (404, "IncidentNotFound")


@workflow.defn(name="Payroll")
class Payroll:
    """Somebody else's workflow in our namespace: it would take what an incident takes."""

    def __init__(self) -> None:
        self.received: list[str] = []

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: False)

    @workflow.signal(dynamic=True)
    async def signalled(self, name: str, _: Sequence[RawValue]) -> None:
        self.received.append(name)

    @workflow.update(dynamic=True)
    async def updated(self, name: str, _: Sequence[RawValue]) -> None:
        self.received.append(name)

    @workflow.query(dynamic=True)
    def asked(self, name: str, _: Sequence[RawValue]) -> Any:
        return self.received if name == "received" else {"id": "salaries"}


@pytest.mark.parametrize("own", ["", "@20260102T030405.678Z"])
async def test_a_workflow_that_is_no_incident_is_neither_asked_nor_told_anything(
    own: str, temporal_client: Client, api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    queue = f"payroll-{uuid4()}"
    async with Worker(
        temporal_client,
        task_queue=queue,
        workflows=[Payroll],
        workflow_runner=UnsandboxedWorkflowRunner(),
    ):
        handle = await temporal_client.start_workflow(Payroll.run, id=queue, task_queue=queue)
        path = f"/v1/incidents/{queue}{own}"
        for answer in (
            await api.get(path),
            await api.get(f"{path}/timeline"),
            await api.post(f"{path}/commands/acknowledge"),
            await api.post(f"{path}/commands/acknowledge?wait=false"),
        ):
            assert (answer.status, answer.json["code"]) == (404, "IncidentNotFound")
            assert "Payroll" not in answer.content.decode()
            assert "salaries" not in answer.content.decode()
        assert await handle.query("received") == []
        await handle.terminate()
    assert any("Payroll" in line for line in caplog.messages)


@pytest.mark.parametrize(
    "id", ["x" * 256, f"{'x' * 256}@20260102T030405.678Z", "a%00b", "a%00b@20260102T030405.678Z"]
)
@pytest.mark.parametrize("way", ["", "/timeline", "/commands/acknowledge"])
async def test_what_is_no_id_is_not_found_and_not_looked_for(
    id: str, way: str, api: Api, proxy: Proxy
) -> None:
    with counted(proxy) as calls:
        answer = await api.ask("POST" if "commands" in way else "GET", f"/v1/incidents/{id}{way}")
    assert (answer.status, answer.json["code"]) == (404, "IncidentNotFound")
    assert calls == [0]


# -------------------------------------------------------------------------------- documentation

DOCUMENT = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")


def documented_calls(*, of_incidents: bool) -> list[str]:
    """Every call of curl in the documentation about one incident or their list, or every other; a
    line each."""
    blocks = "".join(re.findall(r"```console\n(.*?)```", DOCUMENT, re.S))
    calls = re.findall(r"^curl .*", blocks.replace("\\\n", ""), re.M)
    return [call for call in calls if bool(re.search(r"/incidents[/?]", call)) == of_incidents]


async def called(call: str, url: str, token: str, named: str) -> None:
    """Makes a documented call, which must succeed."""
    line = call.replace("$API", url).replace("$TOKEN", token)
    program, *arguments = shlex.split(line.replace("k7m2qx", quote(named)))
    done = await asyncio.create_subprocess_exec(
        program, "-sS", "--fail-with-body", *arguments, stdout=PIPE, stderr=STDOUT
    )
    output, _ = await done.communicate()
    assert done.returncode == 0, output.decode()


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_the_documented_calls_work(
    dev_harness: Harness, api_settings: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEGATE_REPORTS", f"file://{dev_harness.root}/reports/")
    dev_harness.policy |= {"reopen_window": "1h", "remember_for": "1h"}
    calls = documented_calls(of_incidents=True)
    assert len(calls) == 7
    async with dev_harness.working(), serving(create()) as url:
        handle, id = await opened(dev_harness)
        await command(handle, "resolve", "first", force=True)
        await until(says(handle, "report written"))
        await command(handle, "reopen", "second")
        for call in calls:
            await called(call, url, TOKENS["responder"], id)
        await until(says(handle, "buy a bigger disk"))


def test_every_code_that_is_answered_is_documented() -> None:
    rows = re.findall(r"^\| \d{3} \| (.*?) \|", DOCUMENT, re.M)
    documented = {code for row in rows for code in re.findall(r"`(\w+)`", row)}
    sources = Path(application.__file__).parent.glob("*.py")
    text = "".join(
        source.read_text(encoding="utf-8") for source in (*sources, Path(bodies.__file__))
    )
    answered = set(re.findall(r'HTTPStatus\.\w+,\s*"(\w+)"', text))
    assert answered == {
        "NotAuthenticated",
        "RoleTooLow",
        "CannotAuthenticate",
        "NotJson",
        "TooLarge",
        "TooSlow",
        "Disconnected",
        "Invalid",
        "Broken",
    }
    assert answered <= documented


def test_the_documented_service_tokens_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    [example] = re.findall(r"```json\n(.*?)```", DOCUMENT, re.S)
    monkeypatch.setenv("CALLERS", example)
    tokens = ServiceTokens("env:CALLERS", bootstrap.secrets(Settings()))
    for entry in json.loads(example):
        for token in entry["tokens"]:
            assert asyncio.run(tokens.caller(token)).name == entry["name"]


@pytest.mark.parametrize("reason", get_args(Reason))
def test_every_reason_in_the_log_is_documented(reason: str) -> None:
    assert f"`{reason}`" in DOCUMENT


# ---------------------------------------------------------------------------------- unavailable


async def test_while_temporal_is_unavailable_the_caller_is_to_try_again(
    api_settings: None, closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", f"127.0.0.1:{closed_port}")
    monkeypatch.setenv("TIDEGATE_START_TIMEOUT", "0.2")
    async with serving(create()) as url:
        for answer in (
            await Api(url).get("/v1/incidents"),
            await Api(url).post("/v1/incidents/k7m2qx/commands/acknowledge"),
        ):
            assert (answer.status, answer.json["code"]) == (503, "TemporalUnavailable")
            assert answer.headers["Retry-After"] == "5"
            assert str(closed_port) not in answer.content.decode()


async def test_requests_at_one_time_do_not_wait_in_turn_for_a_temporal_that_does_not_answer(
    api_settings: None, temporal_server: TemporalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(application, "ANSWER_WITHIN", 1.0)
    with Proxy(temporal_server.address) as proxy:
        monkeypatch.setenv("TEMPORAL_ADDRESS", proxy.address)
        async with serving(create()) as url:
            with proxy.answers_held():
                begin = time.monotonic()
                answers = await asyncio.gather(*(Api(url).get("/v1/incidents") for _ in range(20)))
                passed = time.monotonic() - begin
            assert {(answer.status, answer.json["code"]) for answer in answers} == {
                (503, "TemporalUnavailable")
            }
            assert passed < 10  # in turn it would be 20

            async def answered() -> bool:
                return (await Api(url).get("/v1/incidents")).status == 200

            await until(answered)


async def test_a_command_that_no_worker_answers_is_sent_again_and_done_once(
    dev_harness: Harness, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(application, "ANSWER_WITHIN", 0.5)
    async with dev_harness.working():
        handle, id = await opened(dev_harness)
    path = f"/v1/incidents/{id}/commands/comment"
    answer = await api.post(path, {"note": "hello"}, Idempotency_Key="k")
    assert (answer.status, answer.json["code"]) == (503, "TemporalUnavailable")
    assert answer.headers["Retry-After"] == "5"
    monkeypatch.undo()
    async with dev_harness.working():
        again = await api.post(path, {"note": "hello"}, Idempotency_Key="k")
        assert again.status == 200
        [entry] = await entries(handle, "commented")
        assert entry["command_id"] == again.json["command_id"]


@workflow.defn(name=INCIDENT_WORKFLOW, sandboxed=False)
class OfAnotherVersion:
    """Answers what this version cannot read."""

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: False)

    @workflow.query(name=QUERY_INCIDENT)
    def incident(self) -> dict[str, Any]:
        return {"id": "i", "status": "pondering", "title": "a secret title"}


async def test_what_a_worker_of_another_version_answers_is_the_operators_fault(
    api: Api, temporal_client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    name, queue = f"incident:{uuid4()}", f"queue-{uuid4()}"
    handle = await temporal_client.start_workflow(OfAnotherVersion.run, id=name, task_queue=queue)
    async with Worker(temporal_client, task_queue=queue, workflows=[OfAnotherVersion]):
        answer = await api.get(f"/v1/incidents/{name}")
    await handle.terminate()
    assert (answer.status, answer.json["code"]) == (503, "ConfigurationError")
    [line] = [line for line in caplog.messages if line.startswith("refused:")]
    assert "different versions" in line
    assert "secret title" not in line


async def test_a_wrong_namespace_is_the_operators_fault(
    api_settings: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("TEMPORAL_NAMESPACE", "elsewhere")
    async with serving(create()) as url:
        answer = await Api(url).get("/v1/incidents")
    assert (answer.status, answer.json["code"]) == (503, "SettingsError")
    assert answer.headers["Retry-After"] == "60"
    assert "elsewhere" not in answer.content.decode()
    assert any("elsewhere" in line for line in caplog.messages)


async def test_no_secret_is_logged(
    api: Api, issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    forged = issuer.token(key("other"))
    for token in (TOKENS["viewer"], issuer.token(), forged, "x" * 40):
        await api.by(token).get("/v1/incidents/no-such-incident")
    text = json.dumps(caplog.messages)
    for token in (*TOKENS.values(), forged, "x" * 40):
        assert token not in text
