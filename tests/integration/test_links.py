"""Links in pages: a real page leads to the real application, which a browser asks over HTTP."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import re
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
from temporalio.client import Client, WorkflowHandle

from core import bootstrap
from core.adapters.notifiers.router import ChannelNotifier
from core.app.application import create
from core.config.settings import Settings
from core.contracts import QUERY_INCIDENT, QUERY_TIMELINE
from core.domain.command import LONGEST_NAME, Proof, attested
from core.domain.handles import handle_of
from core.errors import SettingsError
from core.links import LinkCommand, PageLinks
from infra.local.application import start_application
from infra.local.environment import LINK_KEYS
from infra.local.processes import Processes
from infra.local.servers import Server
from infra.local.temporal import TemporalServer
from tests.support.grpc_proxy import Proxy
from tests.support.incidents import Harness, alert, command, timeline, until
from tests.support.links import Browser, link, signing
from tests.support.on_call_people import OnCallHarness, person
from tests.support.web import Quiet, Site, listening
from workers.runtime import logs

BEN = {
    "name": "Ben",
    "time_zone": "UTC",
    "contacts": {"hook": {"kind": "webhook", "url_env": "BEN_HOOK", "secret_env": "BEN_SECRET"}},
}

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

READERS = {
    "a browser": "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15",
    "Slack": "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
    "Teams": "Mozilla/5.0 (Windows NT 6.1) SkypeUriPreview Preview/0.5",
    "Discord": "Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)",
    "Telegram": "TelegramBot (like TwitterBot)",
    "WhatsApp": "WhatsApp/2.23.20.0",
}


@pytest.fixture
def browser(application: Server) -> Browser:
    return Browser(application.url)


@pytest.fixture
def links(application: Server) -> PageLinks:
    return PageLinks(application.url, signing())


class Opened:
    """An incident on a worker of its own that has ended: nothing answers for it."""

    def __init__(self, harness: Harness, handle: WorkflowHandle[Any, Any], id: str) -> None:
        self.harness = harness
        self.handle = handle
        self.id = id

    async def state(self) -> tuple[str, int]:
        """Its status and the length of its history, by which no worker is asked."""
        described = await self.handle.describe()
        attributes = {key.key.name: key.value for key in described.typed_search_attributes}
        return attributes["TidegateStatus"], described.history_length


async def opened(harness: Harness, **fields: Any) -> Opened:
    handle = await harness.start(alert(**fields))
    await until(lambda: len(harness.pager.delivered) >= 1)
    incident = await handle.query(QUERY_INCIDENT)
    return Opened(harness, handle, incident["id"])


@pytest.fixture
async def sleeping(dev_harness: Harness) -> AsyncIterator[Opened]:
    """An open incident whose worker does not run."""
    async with dev_harness.working():
        incident = await opened(dev_harness)
    yield incident
    await incident.handle.terminate()


async def told(handle: WorkflowHandle[Any, Any]) -> list[str]:
    """The timeline with who did what, as people read it."""
    return [
        f"{attested(each['actor'], each.get('proof') and Proof(each['proof']))}: {each['text']}"
        for each in await handle.query(QUERY_TIMELINE)
    ]


def tells(handle: WorkflowHandle[Any, Any], entry: str) -> Callable[[], Awaitable[bool]]:
    async def so() -> bool:
        return entry in await told(handle)

    return so


async def close(handle: WorkflowHandle[Any, Any]) -> None:
    await command(handle, "close", "end", reason="false_alarm")
    await handle.result()


async def test_whoever_gets_a_page_acknowledges_by_its_link(
    temporal_client: Client, tmp_path: Path, site: Site, browser: Browser, links: PageLinks
) -> None:
    harness = OnCallHarness(temporal_client, tmp_path, channels=ChannelNotifier(), links=links)
    harness.on_call = {"people": {"ben": BEN}}
    harness.addresses |= {"BEN_HOOK": site.url(), "BEN_SECRET": "whsec_" + "c2VjcmV0" * 4}
    harness.policy = {"levels": [{"after": "0s", "person": "ben"}]}
    async with harness.working():
        handle = await harness.start(alert(links={"runbook": "https://runbooks.example"}))
        await until(lambda: len(site.got) == 1)
        [page] = site.bodies()
        named = {each["name"]: each["url"] for each in page["links"]}
        assert [*named] == ["I have it", "The incident's page", "runbook"]
        assert all(url in page["body"] for url in named.values())
        shown = await browser.get(named["I have it"])
        assert (shown.status, "cpu is high" in shown.text) == (200, True)
        assert '<form method="post">' in shown.text
        assert "Your name" not in shown.text
        began = re.findall(r"<dt>Began</dt><dd>(.*) UTC \(\d+ s ago\)</dd>", shown.text)
        own = (await handle.query(QUERY_INCIDENT))["id"].rpartition("@")[2]
        assert began == [f"{datetime.strptime(own, '%Y%m%dT%H%M%S.%f%z'):%Y-%m-%d %H:%M}"]
        sent = await browser.post(named["I have it"])
        assert (sent.status, "Sent: <bdi>ben</bdi> has it." in sent.text) == (202, True)
        assert "nobody</dd>" not in sent.text
        await until(tells(handle, "ben (link): Acknowledged"))
        for again in (
            await browser.get(named["I have it"]),
            await browser.post(named["I have it"]),
        ):
            assert (again.status, "You have it." in again.text) == (200, True)
            assert "<form" not in again.text
        other = await browser.get(named["The incident's page"])
        assert (other.status, "<dd>ben</dd>" in other.text, "<form" in other.text) == (
            200,
            True,
            False,
        )
        await close(handle)


@pytest.mark.parametrize("who", READERS)
async def test_reading_a_link_changes_nothing(sleeping: Opened, browser: Browser, who: str) -> None:
    path = await browser.path(link(sleeping.id))
    before = await sleeping.state()
    for method in ("HEAD", "GET", "GET", "OPTIONS", "PUT", "DELETE", "PATCH"):
        answer = await browser.request(method, path, headers={"User-Agent": READERS[who]})
        assert answer.status == (200 if method in ("HEAD", "GET") else 405)
        if answer.status == 405:
            assert {*answer.headers["Allow"].split(", ")} == {"GET", "HEAD", "POST"}
        assert "Set-Cookie" not in answer.headers
    assert await sleeping.state() == before == ("open", before[1])


async def test_a_link_is_answered_while_no_worker_runs_and_counts_once(
    sleeping: Opened, browser: Browser
) -> None:
    path = await browser.path(link(sleeping.id))
    await browser.get(path)
    assert (await browser.post(path)).status == 202
    assert (await browser.post(path)).status == 202
    assert (await sleeping.state())[0] == "open"
    async with sleeping.harness.working():
        await until(tells(sleeping.handle, "ana (link): Acknowledged"))
        acknowledged = [each for each in await timeline(sleeping.handle) if "Acknowledged" in each]
        assert len(acknowledged) == 1
    assert (await sleeping.state())[0] == "acknowledged"
    assert "You have it." in (await browser.get(path)).text


async def test_a_link_acknowledges_again_once_the_incident_was_given_back(
    sleeping: Opened, browser: Browser
) -> None:
    path = await browser.path(link(sleeping.id))
    await browser.post(path)
    async with sleeping.harness.working():
        await until(tells(sleeping.handle, "ana (link): Acknowledged"))
        await command(sleeping.handle, "unacknowledge", "c2")
        assert (await browser.post(path)).status == 202

        async def acknowledged() -> bool:
            return (await sleeping.state())[0] == "acknowledged"

        await until(acknowledged)
        texts = await timeline(sleeping.handle)
        assert len([each for each in texts if each.startswith("Acknowledged")]) == 2


async def test_whoever_uses_the_link_of_a_shared_target_says_who_they_are(
    sleeping: Opened, browser: Browser
) -> None:
    path = await browser.path(link(sleeping.id, target="on-call"))
    asked = await browser.get(path)
    assert 'name="name" required maxlength="200"' in asked.text
    before = await sleeping.state()
    refused = ["", "  ", "\x00", "\u200b", "x" * (LONGEST_NAME + 1)]
    refused += ["tidegate", "Tidegate", "\u200btidegate", "source:alertmanager", "SOURCE:x"]
    refused += ["tidegate\ufe0f", "\u3164tidegate", "\uff54idegate", "source\u115f:x", "\u2800"]
    refused += ["\x00source:alertmanager", "\u202esource:alertmanager", "\u200bsource:x"]
    for name in refused:
        answer = await browser.post(path, {"name": name})
        assert answer.status == 400
        assert 'role="alert"' in answer.text
    for body in (b"", b"\xff", b"name", b"&" * 100, b'{"name": "ben"}'):
        assert (await browser.post(path, body)).status == 400
    assert await sleeping.state() == before
    sent = await browser.post(path, {"name": " Ben  Ito "})
    assert (sent.status, "Sent: <bdi>Ben Ito</bdi> has it." in sent.text) == (202, True)
    async with sleeping.harness.working():
        how = "Acknowledged: by the link that was sent to on-call"
        await until(tells(sleeping.handle, f"Ben Ito (link): {how}"))
        assert "You have it." in (await browser.post(path, {"name": "Ben Ito"})).text
        other = await browser.get(path)
        assert "I have it, too" in other.text
        await browser.post(path, {"name": "Carla"})
        await until(tells(sleeping.handle, f"Carla (link): {how}"))


async def test_a_link_of_a_person_acts_as_that_person_whatever_name_is_typed(
    sleeping: Opened, browser: Browser
) -> None:
    answer = await browser.post(await browser.path(link(sleeping.id)), {"name": "ben"})
    assert "Sent: <bdi>ana</bdi> has it." in answer.text


async def test_a_link_that_shows_does_not_act(sleeping: Opened, browser: Browser) -> None:
    path = await browser.path(link(sleeping.id, command=LinkCommand.SHOW))
    before = await sleeping.state()
    shown = await browser.get(path)
    assert (shown.status, "<form" in shown.text) == (200, False)
    assert f"tidegate incident ack {handle_of(sleeping.id)}" in shown.text
    answer = await browser.post(path)
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")
    assert await sleeping.state() == before


async def test_no_token_but_the_one_that_was_sent_does_anything(
    sleeping: Opened, browser: Browser, application: Server
) -> None:
    path = await browser.path(link(sleeping.id))
    header, claims, signature = path.removeprefix("/i/").split(".")
    paths = {
        "another key": await browser.path(link(sleeping.id), key="k" * 32),
        "none": f"/i/eyJhbGciOiJub25lIn0.{claims}.",
        "no signature": f"/i/{header}.{claims}.",
        "cut": path[:-1],
        "longer": f"{path}A",
        "padded": f"{path}=",
        "encoded": f"{path}%00",
        "huge": f"/i/{header}.{'A' * 30_000}.{signature}",
        "words": "/i/token",
    }
    before = await sleeping.state()
    for what, changed in paths.items():
        for method in ("GET", "POST"):
            answer = await browser.request(method, changed)
            assert (what, method, answer.status) == (what, method, 404)
            assert "There is no such link" in answer.text
            assert sleeping.id not in answer.text
    assert await sleeping.state() == before
    assert "refused: InvalidLink (404)" in application.child.output()


async def test_a_link_that_has_expired_says_what_else_does_it(
    sleeping: Opened, browser: Browser, application: Server
) -> None:
    ago = int((datetime.now(UTC) - timedelta(seconds=1)).timestamp())
    path = await browser.path(link(sleeping.id, expires=ago))
    before = await sleeping.state()
    for method in ("GET", "POST"):
        answer = await browser.request(method, path)
        assert (answer.status, "This link has expired" in answer.text) == (410, True)
        assert f"tidegate incident ack {handle_of(sleeping.id)}" in answer.text
        assert f'href="/console/incident?{urlencode({"id": sleeping.id})}"' in answer.text
    assert await sleeping.state() == before
    assert "refused: ExpiredLink (410)" in application.child.output()


@pytest.mark.parametrize(
    ("name", "fields", "status", "why", "instead"),
    [
        ("mitigate", {}, 409, "It is mitigated", "tidegate incident reopen"),
        ("resolve", {"force": True}, 409, "It is resolved", "tidegate incident reopen"),
        ("close", {"reason": "duplicate"}, 409, "It is closed", "tidegate incident open --follows"),
    ],
)
async def test_an_incident_with_nothing_to_acknowledge_says_so(
    dev_harness: Harness,
    browser: Browser,
    name: str,
    fields: dict[str, Any],
    status: int,
    why: str,
    instead: str,
) -> None:
    dev_harness.folder.writable.clear()  # which keeps it from closing, until its report is written
    async with dev_harness.working():
        incident = await opened(dev_harness)
        await command(incident.handle, name, "c1", **fields)
        path = await browser.path(link(incident.id))
        shown, answer = await browser.get(path), await browser.post(path)
        assert (shown.status, answer.status) == (200, status)
        for page in (shown, answer):
            assert why in page.text
            assert f"{instead} {handle_of(incident.id)}" in page.text
            assert f'href="/console/incident?{urlencode({"id": incident.id})}"' in page.text
            assert "<form" not in page.text
        dev_harness.folder.writable.set()
        if name == "mitigate":
            await close(incident.handle)
        await incident.handle.result()


async def test_the_link_of_an_incident_does_not_reach_the_one_that_follows_it(
    dev_harness: Harness, browser: Browser
) -> None:
    async with dev_harness.working():
        first = await opened(dev_harness)
        await close(first.handle)
        path = await browser.path(link(first.id))
        await dev_harness.start(alert(number=1), first.handle.id)
        await until(lambda: len(dev_harness.pager.delivered) >= 2)
        second = dev_harness.handles[-1]

        async def listed() -> bool:
            return (await browser.get(path)).status == 200

        await until(listed)
        answer = await browser.post(path)
        assert (answer.status, "It is closed" in answer.text) == (409, True)
        assert "Acknowledged" not in " ".join(await timeline(second))
        await close(second)


async def test_an_incident_that_temporal_has_not_is_gone(
    browser: Browser, application: Server
) -> None:
    path = await browser.path(link("incident:never@20260102T030405.678Z"))
    for method in ("GET", "POST"):
        answer = await browser.request(method, path)
        assert (answer.status, "This incident is gone" in answer.text) == (410, True)
        assert "tidegate incident list --all" in answer.text
    assert "refused: IncidentNotFound (410)" in application.child.output()


async def test_a_workflow_that_is_no_incident_is_none(
    temporal_client: Client, browser: Browser
) -> None:
    handle = await temporal_client.start_workflow(
        "Another", id="another@20260102T030405.678Z", task_queue="nobody"
    )
    path = await browser.path(link("another@20260102T030405.678Z@20260102T030405.678Z"))
    assert (await browser.post(path)).status == 410
    await handle.terminate()


class Elements(HTMLParser):
    """The elements of a page, and the text in each kind of them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.attributes: list[str] = []
        self.title = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes += [name for name, _ in attrs]

    def handle_data(self, data: str) -> None:
        if self.names[-1:] == ["title"]:
            self.title += data


async def test_what_a_sender_wrote_is_text_and_nothing_else(
    dev_harness: Harness, browser: Browser
) -> None:
    markup = "</title></h1><script>alert(1)</script><img src=x onerror=alert(1)>\"'{{7*7}}"
    title = (markup * 200)[:10_000]
    async with dev_harness.working():
        incident = await opened(dev_harness, title=title, service='"><svg onload=alert(1)>')
        for fields in ({}, {"target": "on-call"}):
            answer = await browser.get(await browser.path(link(incident.id, **fields)))
            elements = Elements(answer.text)
            assert answer.status == 200
            assert not {"script", "img", "svg"} & {*elements.names}
            assert not [name for name in elements.attributes if name.startswith("on")]
            assert elements.title.startswith("</title></h1><script>alert(1)</script>")
            assert len(answer.text) < 20_000
        await close(incident.handle)


async def test_no_page_can_be_framed_kept_or_passed_on_or_runs_a_script(
    sleeping: Opened, browser: Browser
) -> None:
    path = await browser.path(link(sleeping.id))
    paths = ["/", "/i/", "/i", "/i/token", "/i/a/b", f"{path}/", path]
    answers = [await browser.get(each) for each in paths]
    answers += [await browser.request("PUT", path), await browser.post(path)]
    assert [answer.status for answer in answers] == [404] * 6 + [200, 405, 202]
    for answer in answers:
        policy = dict(
            part.strip().split(" ", 1)
            for part in answer.headers["Content-Security-Policy"].split(";")
        )
        [style] = re.findall(r"'sha256-[A-Za-z0-9+/]{43}='", policy.pop("style-src"))
        assert policy == {
            "default-src": "'none'",
            "form-action": "'self'",
            "base-uri": "'none'",
            "frame-ancestors": "'none'",
        }
        assert style.removeprefix("'sha256-").removesuffix("'") == digest_of_style(answer.text)
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        assert "Location" not in answer.headers


def digest_of_style(html: str) -> str:
    [style] = re.findall("<style>(.*?)</style>", html, re.DOTALL)
    return base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()


async def test_a_body_has_a_bound(sleeping: Opened, browser: Browser, application: Server) -> None:
    path = await browser.path(link(sleeping.id, target="on-call"))

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"name=" + b"x" * 1000

    for body in (b"x" * 4097, b"name=" + b"x" * 1_000_000, endless()):
        answer = await browser.post(path, body)
        assert answer.status == 413
    assert "refused: TooLarge (413)" in application.child.output()


async def test_a_body_has_to_arrive_in_time(
    elsewhere: Callable[..., Browser], tmp_path: Path, temporal_server: TemporalServer
) -> None:
    browser = elsewhere(TEMPORAL_ADDRESS=temporal_server.address, TIDEGATE_START_TIMEOUT="0.5")
    path = await browser.path(link("incident:cpu@20260102T030405.678Z", target="on-call"))
    stuck = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"name="
        await stuck.wait()

    answer = await browser.post("/i/token", slow())
    assert answer.status == 404
    answer = await browser.post(path, slow())
    assert (answer.status, "That took too long" in answer.text) == (408, True)

    async def cut() -> AsyncIterator[bytes]:
        yield b"name="
        raise ConnectionAbortedError

    with pytest.raises((ConnectionAbortedError, aiohttp.ClientError)):
        await browser.post(path, cut())

    async def logged() -> bool:
        return "refused: Disconnected (400)" in output.read_text()

    output = tmp_path / "logs" / "application.log"
    await until(logged)
    assert "Traceback" not in output.read_text()


async def test_a_fault_of_ours_is_a_page_too_and_the_server_logs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def broken(settings: Settings) -> Client:
        raise RuntimeError("a fault of ours")

    for name, value in LINK_KEYS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(bootstrap, "connect", broken)
    token = await signing().sign(link("incident:cpu@20260102T030405.678Z"))
    request = {"type": "http", "method": "GET", "path": f"/i/{token}", "headers": []}
    answers: list[Any] = []

    async def nothing() -> dict[str, Any]:
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        answers.append(message)

    with pytest.raises(RuntimeError, match="a fault of ours"):
        await create()(request, nothing, send)
    [head, body] = answers
    assert head["status"] == 500
    assert b"content-security-policy" in dict(head["headers"])
    assert b"Something is broken here" in body["body"]
    assert b"a fault of ours" not in body["body"]


async def test_no_token_is_in_the_log(
    sleeping: Opened, browser: Browser, application: Server
) -> None:
    path = await browser.path(link(sleeping.id))
    for method in ("GET", "POST", "PUT"):
        await browser.request(method, path)
        await browser.request(method, f"{path}A")
    assert path.removeprefix("/i/") not in application.child.output()
    assert "eyJ" not in application.child.output()


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Callable[..., Browser]]:
    """Starts applications with other settings than the session's."""
    processes = Processes(tmp_path / "logs")

    def start(**settings: str) -> Browser:
        server = start_application(processes, os.environ | LINK_KEYS | settings)
        server.wait("/healthz")
        return Browser(server.url)

    yield start
    processes.stop()


async def test_while_temporal_is_unavailable_a_link_says_when_to_try_again(
    elsewhere: Callable[..., Browser], closed_port: int
) -> None:
    browser = elsewhere(TEMPORAL_ADDRESS=f"127.0.0.1:{closed_port}", TIDEGATE_START_TIMEOUT="0.5")
    path = await browser.path(link("incident:cpu@20260102T030405.678Z"))
    for method in ("GET", "POST"):
        answer = await browser.request(method, path)
        assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
        assert "tidegate incident ack" in answer.text
    assert (await browser.request("GET", "/healthz")).status == 200


async def test_a_temporal_that_does_not_answer_is_not_waited_for_until_it_does(
    elsewhere: Callable[..., Browser], temporal_server: TemporalServer, sleeping: Opened
) -> None:
    with Proxy(temporal_server.address) as proxy:
        browser = elsewhere(TEMPORAL_ADDRESS=proxy.address, TIDEGATE_START_TIMEOUT="0.5")
        path = await browser.path(link(sleeping.id))
        with proxy.answers_held():
            begin = time.monotonic()
            answers = await asyncio.gather(*(browser.post(path) for _ in range(5)))
            assert [answer.status for answer in answers] == [503] * 5
            assert time.monotonic() - begin < 30  # and not for as long as it does not answer

        async def answered() -> bool:
            return (await browser.post(path)).status == 202

        await until(answered)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"TIDEGATE_LINK_KEYS": ""}, "TIDEGATE_LINK_KEYS is not set"),
        ({"TIDEGATE_LINK_KEYS": "secret"}, "TIDEGATE_LINK_KEYS: entry 1 is not a reference"),
    ],
)
def test_an_application_without_keys_does_not_start(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], problem: str
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=problem):
        create()


@pytest.mark.parametrize("key", ["short", ""])
async def test_an_application_whose_keys_cannot_verify_says_so_to_its_operator(
    elsewhere: Callable[..., Browser], tmp_path: Path, key: str
) -> None:
    browser = elsewhere(LOCAL_LINK_KEY=key, TEMPORAL_ADDRESS="127.0.0.1:1")
    answer = await browser.get(await browser.path(link("incident:cpu@20260102T030405.678Z")))
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    assert "SettingsError" in (tmp_path / "logs" / "application.log").read_text()
    assert "KEY" not in answer.text


async def test_no_token_leaves_the_workers_process_except_in_its_page(
    temporal_client: Client,
    tmp_path: Path,
    links: PageLinks,
    site: Site,
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs.configure("DEBUG")
    tokens: list[str] = []
    fixed = threading.Event()
    with quoting_tokens(tokens, fixed) as broken:
        harness = OnCallHarness(
            temporal_client, tmp_path, channels=ChannelNotifier(timeout=5), links=links
        )
        harness.on_call = {"people": {"ana": person("ana", "push", "sms"), "ben": BEN}}
        harness.addresses |= {
            "ANA_PUSH": site.apprise_url(),
            "ANA_SMS": f"json://127.0.0.1:{broken}/",
            "BEN_HOOK": f"http://127.0.0.1:{broken}/",
            "BEN_SECRET": "whsec_" + "c2VjcmV0" * 4,
        }
        harness.policy = {"levels": [{"after": "0s", "person": ["ana", "ben"]}]}
        async with harness.working():
            handle = await harness.start(alert())

            async def all_tried() -> bool:
                entries = await timeline(handle)
                failed = [entry for entry in entries if "failed" in entry]
                return len(failed) == 2 and any("delivered to ana/push" in e for e in entries)

            await until(all_tried)
            await command(handle, "assign", "c1", assignee="ana", actor="ben")
            await until(lambda: len(site.got) >= 2)
            seen = [str(await told(handle)), str(await handle.query(QUERY_INCIDENT))]
            fixed.set()
            await close(handle)
    described = await handle.describe()
    seen += [
        (await handle.fetch_history()).to_json(),
        str(described.raw_description),
        str(await described.memo()),
        *texts(tmp_path),
        capsys.readouterr().out,
    ]
    in_pages = [_TOKEN.findall(body["message"]) for body in site.bodies()]
    assert [len(found) for found in in_pages] == [2, 2, 0]
    assert len(tokens) >= 4
    assert "answered 500: quoted ***" in seen[0]
    assert '"level"' in seen[-1]
    parts = {
        part for each in (*tokens, *chain.from_iterable(in_pages)) for part in each.split(".")[1:]
    }
    assert [part for text in map(decoded, seen) for part in parts if part in text] == []


_TOKEN = re.compile(r"(?<=/i/)[\w-]+\.[\w-]+\.[\w-]+")


def texts(folder: Path) -> list[str]:
    """Whatever a worker writes."""
    return [path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()]


def decoded(text: str) -> str:
    """A text with what it has in base64, as histories have their payloads."""
    payloads = re.findall(r"[A-Za-z0-9+/]{40,}", text)
    return text + "".join(
        base64.b64decode(each[: len(each) // 4 * 4]).decode(errors="replace") for each in payloads
    )


@contextmanager
def quoting_tokens(tokens: list[str], fixed: threading.Event) -> Iterator[int]:
    """The port of a service that refuses pages until it is `fixed`, and quotes the tokens in
    them."""

    class Quotes(Quiet, BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self.send_response(200 if fixed.is_set() else 500)
            self.end_headers()
            found = _TOKEN.findall(body)
            tokens.extend(found)
            self.wfile.write(f"quoted {' '.join(found)}".encode())

    with listening(Quotes) as port:
        yield port
