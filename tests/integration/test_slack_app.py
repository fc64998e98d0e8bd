"""What people do in Slack: real requests to the real application, and what comes of them."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from temporalio.client import WorkflowHandle

from core.adapters.notifiers.router import ChannelNotifier
from core.app.application import create
from core.app.slack.requests import LONGEST_BODY
from core.contracts import QUERY_INCIDENT, QUERY_TIMELINE
from core.domain.handles import handle_of
from infra.local.environment import LINK_KEYS, SLACK
from infra.local.slack import CHANNEL, TEAM, TOKEN, form_of, pressed, signed
from infra.local.temporal import TemporalServer
from tests.support.api import Answer, Api, serving
from tests.support.grpc_proxy import Proxy
from tests.support.incidents import Harness, alert, command, says, timeline, until
from tests.support.slack import LocalSlack, local_slack

ANA, NOBODY = "U0ANA", "U0NOBODY"
ONCALL = f"""
version: 1
people:
  ana: {{name: Ana & Co, slack: {ANA}, time_zone: UTC}}
  ben: {{name: Ben, time_zone: UTC}}
schedules:
  shop:
    time_zone: UTC
    layers: [{{name: weeks, rotation: {{people: [ana], every: week, start: 2026-01-05}}}}]
  empty:
    time_zone: UTC
    layers:
      - name: past
        rotation: {{people: [ben], every: week, start: 2026-01-05}}
        until: 2026-01-12
"""


@pytest.fixture(scope="module")
def workspace() -> Iterator[LocalSlack]:
    with local_slack() as slack:
        yield slack


@pytest.fixture
def slack(workspace: LocalSlack) -> LocalSlack:
    """The workspace, in which nothing has happened yet."""
    for happened in (workspace.workspace.messages, workspace.workspace.words):
        happened.clear()
    return workspace


@pytest.fixture
def chatting(dev_harness: Harness, slack: LocalSlack) -> Harness:
    """A worker whose only level is a channel of Slack."""
    harness = dev_harness
    harness.channels = ChannelNotifier()
    harness.targets = {
        "ops": {"kind": "slack", "token_env": "BOT", "channel": CHANNEL, "url_env": "SLACK_API"}
    }
    harness.addresses |= {"BOT": TOKEN, "SLACK_API": slack.url}
    harness.policy = {"levels": [{"after": "0s", "targets": ["ops"]}]}
    return harness


@pytest.fixture(scope="module")
def proxy(temporal_server: TemporalServer) -> Iterator[Proxy]:
    with Proxy(temporal_server.address) as proxy:
        yield proxy


@contextmanager
def counted(proxy: Proxy) -> Iterator[list[int]]:
    """The calls to Temporal within the block, once it is over."""
    before, calls = proxy.calls, [0]
    yield calls
    calls[0] = proxy.calls - before


@dataclass(frozen=True)
class App:
    """The application, as Slack calls it."""

    api: Api
    slack: LocalSlack

    async def send(self, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        return await self.api.ask("POST", path, data=body, headers=headers)

    async def press(
        self, message: Mapping[str, Any], name: str, who: str = ANA, **changes: Any
    ) -> Answer:
        payload = pressed(message, name, who, respond=self.slack.respond)
        body = form_of({**payload, **changes})
        return await self.send("/slack/interactions", body, signed(body))

    async def type(self, text: str, user: str = ANA, **fields: str) -> str:
        """What the slash command answers to the user alone."""
        body = typed(text, user, **fields)
        answer = await self.send("/slack/commands", body, signed(body))
        assert answer.status == 200
        assert answer.json["response_type"] == "ephemeral"
        return str(answer.json["text"])


def typed(text: str, user: str = ANA, **fields: str) -> bytes:
    command = {"command": "/incident", "text": text, "user_id": user, "team_id": TEAM}
    return urlencode({**command, "trigger_id": f"{time.time()}.1", **fields}).encode()


def configure(monkeypatch: pytest.MonkeyPatch, address: str, folder: Path) -> None:
    (folder / "oncall.yaml").write_text(ONCALL)
    settings = {
        **LINK_KEYS,
        **SLACK,
        "TIDEGATE_ONCALL": str(folder / "oncall.yaml"),
        "TEMPORAL_ADDRESS": address,
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
async def served(
    workspace: LocalSlack, proxy: Proxy, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[App]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        configure(monkeypatch, proxy.address, tmp_path_factory.mktemp("slack"))
        async with serving(create()) as url:
            app = App(Api(url, None), workspace)
            await app.type("list")  # it is connected
            yield app


@pytest.fixture
def app(served: App, slack: LocalSlack) -> App:
    """One application for all tests that do not change it."""
    return served


@pytest.fixture
def settings(proxy: Proxy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The settings of an application of the test's own."""
    configure(monkeypatch, proxy.address, tmp_path)


@dataclass(frozen=True)
class Posted:
    """An incident with its message, on a worker that has ended: nothing answers for it."""

    harness: Harness
    handle: WorkflowHandle[Any, Any]
    id: str
    message: dict[str, Any]

    async def length(self) -> int:
        """Of its history, by which no worker is asked."""
        return (await self.handle.describe()).history_length


async def posted(harness: Harness, slack: LocalSlack, **fields: Any) -> Posted:
    known = len(slack.workspace.posts())
    handle = await harness.start(alert(**fields))
    await until(says(handle, "Page delivered"))
    id = (await handle.query(QUERY_INCIDENT))["id"]
    return Posted(harness, handle, id, slack.workspace.posts()[known])


@pytest.fixture
async def sleeping(chatting: Harness, slack: LocalSlack) -> AsyncIterator[Posted]:
    """An open incident whose worker does not run."""
    async with chatting.working():
        incident = await posted(chatting, slack)
    yield incident
    await incident.handle.terminate()


async def acknowledgements(handle: WorkflowHandle[Any, Any]) -> list[tuple[str, str]]:
    entries = await handle.query(QUERY_TIMELINE)
    return [(each["actor"], each["proof"]) for each in entries if each["kind"] == "acknowledged"]


def shown(message: Mapping[str, Any]) -> list[str]:
    return [block["text"]["text"] for block in message["blocks"] if "text" in block]


# ---------------------------------------------------------------------------------- the buttons


async def test_a_press_acknowledges_and_the_message_and_its_thread_say_so(
    chatting: Harness, slack: LocalSlack, app: App
) -> None:
    async with chatting.working():
        incident = await posted(chatting, slack)
        answer = await app.press(incident.message, "acknowledge")
        assert (answer.status, answer.content) == (200, b"")
        await until(lambda: "*Acknowledged by ana*" in shown(incident.message))
        await until(lambda: bool(slack.words()))
        assert slack.words() == [f"Sent: acknowledge {handle_of(incident.id)}, as ana."]
        assert await acknowledgements(incident.handle) == [("ana", "slack")]
        [told] = slack.workspace.thread(incident.message["ts"])
        assert told["text"].endswith(" ana (Slack): Acknowledged")
        for name in ("escalate", "snooze", "resolve"):
            assert (await app.press(incident.message, name)).status == 200
            if name == "escalate":
                await until(says(incident.handle, "Level 1 is paged again"))
            if name == "snooze":
                await until(says(incident.handle, "Snoozed until"))
        await until(says(incident.handle, "Resolved although alerts still fire"))
        await incident.handle.result()
    # A second page is an answer in the thread: there is one message.
    assert slack.workspace.posts() == [incident.message]
    assert shown(incident.message)[1] == "*Closed as resolved*"


async def test_while_no_worker_runs_a_press_is_answered_within_a_second_and_done_later(
    sleeping: Posted, chatting: Harness, app: App
) -> None:
    began = time.monotonic()
    answer = await app.press(sleeping.message, "acknowledge")
    assert (answer.status, time.monotonic() - began < 1) == (200, True)
    async with chatting.working():
        await until(says(sleeping.handle, "Acknowledged"))


async def test_one_press_is_one_command_however_often_it_is_delivered(
    sleeping: Posted, chatting: Harness, app: App
) -> None:
    body = form_of(pressed(sleeping.message, "escalate", ANA, respond=app.slack.respond))
    headers = signed(body)
    for _ in range(3):  # the same bytes with the same signature, and then signed anew
        assert (await app.send("/slack/interactions", body, headers)).status == 200
    assert (await app.send("/slack/interactions", body, signed(body))).status == 200
    async with chatting.working():
        await until(says(sleeping.handle, "Level 1 is paged again"))
        await command(sleeping.handle, "comment", "last", note="that is all")
        await until(says(sleeping.handle, "that is all"))
        again = [text for text in await timeline(sleeping.handle) if "is paged again" in text]
        assert len(again) == 1


async def test_what_is_impossible_now_is_said_and_not_done(
    chatting: Harness, slack: LocalSlack, app: App
) -> None:
    async with chatting.working():
        incident = await posted(chatting, slack)
        before = json.loads(json.dumps(incident.message))
        await command(incident.handle, "mitigate", "c1")
        await until(lambda: "*Mitigated*" in shown(incident.message))
        await app.press(before, "acknowledge")
        handle = handle_of(incident.id)
        await until(lambda: bool(slack.words()))
        assert slack.words() == [f"Nothing was done: cannot acknowledge {handle}: it is mitigated"]
        await command(incident.handle, "close", "c2", reason="false_alarm")
        await incident.handle.result()
    assert (await app.press(before, "resolve")).status == 200
    await until(lambda: len(slack.words()) == 2)
    assert slack.words()[1].startswith("Nothing was done: cannot resolve ")


# ------------------------------------------------------------------------------- who is let in


def forge(payload: dict[str, Any], what: str) -> tuple[bytes, dict[str, str]]:
    """The request for a press, with something wrong about its proof."""
    body = form_of(payload)
    headers = signed(body)
    match what:
        case "another secret":
            headers = signed(body, secret="not-the-secret")
        case "another body":
            body = body.replace(b"acknowledge", b"resolve")
        case "no signature":
            del headers["X-Slack-Signature"]
        case "no time":
            del headers["X-Slack-Request-Timestamp"]
        case "another time":
            headers["X-Slack-Request-Timestamp"] = str(int(time.time()) - 1)
        case "an old one":
            headers = signed(body, now=time.time() - 301)
        case "one of the future":
            headers = signed(body, now=time.time() + 310)
        case "another version":
            headers["X-Slack-Signature"] = headers["X-Slack-Signature"].replace("v0=", "v1=")
        case "a cut signature":
            headers["X-Slack-Signature"] = headers["X-Slack-Signature"][:-2]
        case _:
            raise AssertionError(what)
    return body, headers


@pytest.mark.parametrize(
    "what",
    [
        "another secret",
        "another body",
        "no signature",
        "no time",
        "another time",
        "an old one",
        "one of the future",
        "another version",
        "a cut signature",
    ],
)
@pytest.mark.parametrize("path", ["/slack/interactions", "/slack/commands"])
async def test_what_is_not_proven_to_be_slacks_does_nothing(
    app: App, proxy: Proxy, caplog: pytest.LogCaptureFixture, what: str, path: str
) -> None:
    message = button_of("incident:a@20260102T030405.678Z")
    body, headers = forge(pressed(message, "acknowledge", ANA, respond=app.slack.respond), what)
    with counted(proxy) as calls:
        answer = await app.send(path, body, headers)
    assert (answer.status, answer.content) == (401, b"NotVerified\n")
    assert calls == [0]
    assert any("refused: NotVerified (401)" in message for message in caplog.messages)
    assert app.slack.words() == []


def button_of(id: str, block: str | None = None) -> dict[str, Any]:
    """A message with one button, for the incident of that ID."""
    button = {"type": "button", "action_id": "tidegate:acknowledge", "value": id}
    block_id = block or f"tidegate:{handle_of(id)}"
    actions = {"type": "actions", "block_id": block_id, "elements": [button]}
    return {"ts": "1700000000.000100", "channel": CHANNEL, "blocks": [actions]}


async def test_an_unknown_user_is_told_so_and_nothing_happens(
    sleeping: Posted, app: App, proxy: Proxy, caplog: pytest.LogCaptureFixture
) -> None:
    before = await sleeping.length()
    with counted(proxy) as calls:
        assert (await app.press(sleeping.message, "acknowledge", NOBODY)).status == 200
        await until(lambda: bool(app.slack.words()))
        for text in ("list", f"ack {handle_of(sleeping.id)}", "oncall", "help"):
            assert "does not know you" in await app.type(text, NOBODY)
    [word] = app.slack.words()
    assert f"`slack: {NOBODY}`" in word
    assert (calls, await sleeping.length()) == ([0], before)
    assert caplog.messages.count(f"refused: UnknownUser (200) '{NOBODY}'") == 5


@pytest.mark.parametrize(
    "changes",
    [
        {"team": {"id": "T0OTHER"}},
        {"team": None},
        {"user": {"id": ANA, "team_id": "T0OTHER"}},
        {"user": {"id": ANA}},
    ],
    ids=["another workspace", "no workspace", "a guest of another", "a user of none"],
)
async def test_another_workspace_does_nothing(
    app: App, proxy: Proxy, caplog: pytest.LogCaptureFixture, changes: dict[str, Any]
) -> None:
    message = button_of("incident:a@20260102T030405.678Z")
    with counted(proxy) as calls:
        answer = await app.press(message, "acknowledge", **changes)
    assert (answer.status, answer.content, calls) == (403, b"OtherWorkspace\n", [0])
    assert any("refused: OtherWorkspace (403)" in message for message in caplog.messages)


async def test_a_slash_command_of_another_workspace_does_nothing(app: App) -> None:
    body = typed("list", team_id="T0OTHER")
    answer = await app.send("/slack/commands", body, signed(body))
    assert (answer.status, answer.content) == (403, b"OtherWorkspace\n")


async def test_without_a_workspace_in_the_settings_the_signature_decides(
    settings: None, slack: LocalSlack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TIDEGATE_SLACK_TEAM")
    async with serving(create()) as url:
        other = App(Api(url, None), slack)
        assert "/incident list" in await other.type("help", team_id="T0OTHER")


async def test_a_button_with_the_value_of_another_incident_does_nothing(
    sleeping: Posted, app: App, proxy: Proxy
) -> None:
    mine = f"tidegate:{handle_of('incident:mine@20260102T030405.678Z')}"
    before = await sleeping.length()
    with counted(proxy) as calls:
        answer = await app.press(button_of(sleeping.id, mine), "acknowledge")
    assert (answer.status, answer.content, calls) == (400, b"OtherIncident\n", [0])
    assert await sleeping.length() == before


@pytest.mark.parametrize(
    "changes",
    [
        {"actions": [{"action_id": "tidegate:close", "value": "x"}]},
        {"actions": [{"action_id": "tidegate:acknowledge", "value": "k7m2qx"}]},
        {"actions": [{"action_id": "tidegate:acknowledge", "value": "a@" + "9" * 2000}]},
        {"actions": [{"action_id": "tidegate:acknowledge"}]},
    ],
    ids=["no such button", "a handle", "too long", "no value"],
)
async def test_a_button_that_is_not_ours_does_nothing(
    app: App, proxy: Proxy, changes: dict[str, Any]
) -> None:
    with counted(proxy) as calls:
        answer = await app.press(
            button_of("incident:a@20260102T030405.678Z"), "acknowledge", **changes
        )
    assert (answer.status, answer.content, calls) == (400, b"Malformed\n", [0])


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "view_submission"},
        {"actions": [{"action_id": "link", "value": "x"}]},
        {"actions": []},
        {"actions": 5},
    ],
)
async def test_an_interaction_about_something_else_is_let_pass(
    app: App, proxy: Proxy, changes: dict[str, Any]
) -> None:
    with counted(proxy) as calls:
        answer = await app.press(
            button_of("incident:a@20260102T030405.678Z"), "acknowledge", **changes
        )
    assert (answer.status, answer.content, calls) == (200, b"", [0])


@pytest.mark.parametrize(
    "body",
    [b"", b"payload=", b"payload=5", b"payload={", b"\xff", b"&".join([b"a=1"] * 100)],
)
async def test_what_is_no_interaction_is_refused(app: App, body: bytes) -> None:
    answer = await app.send("/slack/interactions", body, signed(body))
    assert (answer.status, answer.content) == (400, b"Malformed\n")


async def test_what_is_too_much_is_not_read(app: App, proxy: Proxy) -> None:
    body = b"payload=" + b"x" * LONGEST_BODY
    with counted(proxy) as calls:
        answer = await app.send("/slack/interactions", body, signed(body))
    assert (answer.status, answer.content, calls) == (413, b"TooLarge\n", [0])


async def test_a_word_goes_nowhere_but_to_slack(app: App, caplog: pytest.LogCaptureFixture) -> None:
    message = button_of("incident:a@20260102T030405.678Z")
    for address in (
        "https://evil.example/",
        "http://hooks.slack.com/",
        "https://hooks.slack.com:8/",
        "x",
    ):
        assert (await app.press(message, "acknowledge", NOBODY, response_url=address)).status == 200
    missing = "a word to a user of Slack has no address to go to"
    await until(lambda: caplog.messages.count(missing) == 4)


async def test_a_get_is_no_way_in(app: App) -> None:
    for path in ("/slack/interactions", "/slack/commands"):
        assert (await app.api.get(path)).status == 405


async def test_without_a_signing_secret_there_is_no_door(
    settings: None, slack: LocalSlack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TIDEGATE_SLACK_SIGNING_SECRET")
    async with serving(create()) as url:
        body = typed("list")
        answer = await App(Api(url, None), slack).send("/slack/commands", body, signed(body))
    assert answer.status == 404


async def test_while_the_secret_cannot_be_had_slack_is_told_that_it_failed(
    settings: None, slack: LocalSlack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEGATE_SLACK_SIGNING_SECRET", "env:NOT_SET")
    async with serving(create()) as url:
        body = typed("list")
        answer = await App(Api(url, None), slack).send("/slack/commands", body, signed(body))
    assert (answer.status, answer.content) == (503, b"CannotVerify\n")


async def test_while_temporal_is_unavailable_the_user_is_told_in_time(
    app: App, proxy: Proxy
) -> None:
    message = button_of("incident:a@20260102T030405.678Z")
    with proxy.answers_held():
        began = time.monotonic()
        pressing, typing = await asyncio.gather(app.press(message, "acknowledge"), app.type("list"))
        assert time.monotonic() - began < 3
    assert pressing.status == 503
    assert "does not work at the moment" in typing
    await until(lambda: bool(app.slack.words()))
    assert "does not work at the moment" in app.slack.words()[0]


# ---------------------------------------------------------------------------- the slash command


@pytest.mark.parametrize("text", ["", "help", "HELP", "nonsense <!channel>"])
async def test_help_says_what_there_is_to_type(app: App, text: str) -> None:
    answer = await app.type(text)
    assert [line.partition(":")[0] for line in answer.splitlines()] == [
        "`/incident list`",
        "`/incident ack HANDLE [NOTE]`",
        "`/incident oncall`",
        "`/incident help`",
    ]


async def test_it_lists_what_is_open_with_titles_that_order_nothing(
    chatting: Harness, slack: LocalSlack, app: App
) -> None:
    async with chatting.working():
        incident = await posted(chatting, slack, title="<!channel> & " + "x" * 10_000)

        async def listed() -> bool:
            return handle_of(incident.id) in await app.type("list")

        await until(listed)
        lines = (await app.type("list")).splitlines()
        [line] = [each for each in lines if handle_of(incident.id) in each]
        assert line.startswith(f"`{handle_of(incident.id)}` &lt;!channel&gt; &amp; xxx")
        assert "(critical, open, " in line
        assert len(line) < 350
        await command(incident.handle, "close", "c1", reason="false_alarm")
        await incident.handle.result()


async def test_it_acknowledges_by_the_handle_while_no_worker_runs(
    sleeping: Posted, chatting: Harness, app: App
) -> None:
    handle = handle_of(sleeping.id)
    assert await app.type(f"ack {handle}  looking into it") == (
        f"Sent: ana has {handle}. Its timeline says what came of it."
    )
    async with chatting.working():
        await until(says(sleeping.handle, "Acknowledged: looking into it"))
        assert await acknowledgements(sleeping.handle) == [("ana", "slack")]


async def test_an_acknowledgement_of_nothing_says_so(app: App) -> None:
    assert "Which one?" in await app.type("ack")
    word = await app.type("ack zzzzzz")
    assert word.startswith("Nothing was done: no incident ")


async def test_it_says_who_is_on_call(app: App) -> None:
    answer = (await app.type("oncall")).splitlines()
    assert answer[0] == "*empty*: nobody"
    assert answer[1].startswith("*shop*: Ana &amp; Co until 20")
