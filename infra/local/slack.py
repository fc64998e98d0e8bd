"""Slack for the local stack: one workspace, as far as Tidegate uses its Web API.

POST /api/chat.postMessage, /api/chat.update, GET /api/conversations.history, .replies: as Slack
POST /respond      a word to one user, who pressed a button, at the address that came with it
GET  /messages     every message

It refuses what Slack refuses: a wrong token, blocks beyond the limits, messages that are not there.
`pressed` and `signed` make the requests by which Slack tells an app what a person does.

Sources: Slack, "chat.postMessage", "chat.update", "Block Kit: blocks", "Verifying requests from
Slack".

python -m infra.local.slack --socket DESCRIPTOR
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import json
import socket
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit

from infra.local.environment import SLACK
from infra.local.loopback import SLACK_PORT, inherited
from infra.local.processes import Processes
from infra.local.servers import Server, start_server

TOKEN: Final = SLACK["LOCAL_SLACK_TOKEN"]
SIGNING_SECRET: Final = SLACK["LOCAL_SLACK_SIGNING_SECRET"]
TEAM: Final = SLACK["TIDEGATE_SLACK_TEAM"]
CHANNEL: Final = "C0INCIDENTS"
RESPOND: Final = "/respond"

_MAX_BYTES: Final = 1024 * 1024
_MAX_TEXT: Final = 40_000
_MAX_BLOCKS: Final = 50
_MAX_CHARS: Final = {"header": 150, "section": 3000}
_MAX_VALUE: Final = 2000

Fields = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What Slack answers: most refusals have the status 200, too."""

    body: Mapping[str, Any] | str
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


def refused(error: str) -> Answer:
    return Answer({"ok": False, "error": error})


class Workspace:
    """The messages of one workspace. `calls` are the methods that were called, with their fields;
    `faults` are answers that the next calls of a method get in place of their own, None for the
    call's own answer getting lost on its way back. None is answered before it is `answering`."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.calls: list[tuple[str, Fields]] = []
        self.words: list[Fields] = []
        """What single users were told."""
        self.faults: dict[str, list[Answer | None]] = {}
        self.asked = Counter[str]()
        """How often each method was called, also if it is not answered yet."""
        self.answering = threading.Event()
        self.answering.set()
        self._lock = threading.Lock()
        self._number = 0

    def call(self, method: str, token: str, fields: Fields) -> Answer | None:
        """The answer to a call; None if it gets lost."""
        with self._lock:
            self.asked[method] += 1
            faults = self.faults.get(method)
            fault = faults.pop(0) if faults else Answer({})
        self.answering.wait()
        with self._lock:
            self.calls.append((method, fields))
            if fault is not None and fault.body:
                return fault
            answer = self._answer(method, token, fields)
            return None if fault is None else answer

    def thread(self, ts: str) -> list[dict[str, Any]]:
        """The answers under a message."""
        return [each for each in self.messages if each.get("thread_ts") == ts]

    def posts(self) -> list[dict[str, Any]]:
        """The messages that are no answers to others."""
        return [each for each in self.messages if "thread_ts" not in each]

    def _answer(self, method: str, token: str, fields: Fields) -> Answer:
        if token != TOKEN:
            return refused("invalid_auth")
        if not str(fields.get("channel", "")).startswith(("C", "D", "U")):
            return refused("channel_not_found")
        match method:
            case "chat.postMessage":
                return self._post(fields)
            case "chat.update":
                return self._update(fields)
            case "conversations.history" | "conversations.replies":
                return self._read(method, fields)
            case _:
                return refused("unknown_method")

    def _post(self, fields: Fields) -> Answer:
        if problem := _problem(fields):
            return refused(problem)
        thread = fields.get("thread_ts")
        if thread and not self._find(fields["channel"], thread):
            return refused("thread_not_found")
        self._number += 1
        ts = f"{int(time.time())}.{self._number:06}"
        kept = ("text", "blocks", "metadata", "thread_ts", "reply_broadcast")
        message = {name: fields[name] for name in kept if fields.get(name)}
        self.messages.append({"type": "message", "ts": ts, "channel": fields["channel"], **message})
        return Answer({"ok": True, "channel": fields["channel"], "ts": ts, "message": message})

    def _update(self, fields: Fields) -> Answer:
        if problem := _problem(fields):
            return refused(problem)
        message = self._find(fields["channel"], fields["ts"])
        if message is None:
            return refused("message_not_found")
        message.update({name: fields[name] for name in ("text", "blocks") if name in fields})
        return Answer({"ok": True, "channel": fields["channel"], "ts": fields["ts"]})

    def _read(self, method: str, fields: Fields) -> Answer:
        of_thread = fields.get("ts") if method == "conversations.replies" else None
        if of_thread and not self._find(fields["channel"], of_thread):
            return refused("thread_not_found")
        found = [
            each
            for each in self.messages
            if each["channel"] == fields["channel"]
            and (each.get("thread_ts") == of_thread or each["ts"] == of_thread)
            and float(each["ts"]) >= float(fields.get("oldest", 0))
        ]
        limit = int(fields.get("limit", 100))
        last = found[:limit] if of_thread else found[::-1][:limit]
        with_metadata = str(fields.get("include_all_metadata")).lower() in ("true", "1")
        shown = last if with_metadata else [_without_metadata(each) for each in last]
        return Answer({"ok": True, "messages": shown, "has_more": len(found) > limit})

    def _find(self, channel: str, ts: str) -> dict[str, Any] | None:
        return next(
            (each for each in self.messages if (each["channel"], each["ts"]) == (channel, ts)), None
        )


def _without_metadata(message: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in message.items() if name != "metadata"}


def _problem(fields: Fields) -> str | None:
    """Why a message is not taken."""
    blocks = fields.get("blocks") or ()
    if not fields.get("text") and not blocks:
        return "no_text"
    if len(fields.get("text") or "") > _MAX_TEXT:
        return "msg_too_long"
    if len(blocks) > _MAX_BLOCKS or not all(map(_is_valid, blocks)):
        return "invalid_blocks"
    return None


def _is_valid(block: Any) -> bool:
    match block["type"]:
        case "header" | "section":
            return 0 < len(block["text"]["text"]) <= _MAX_CHARS[block["type"]]
        case "actions":
            values = [element["value"] for element in block["elements"]]
            return 0 < len(values) <= 25 and all(len(value) <= _MAX_VALUE for value in values)
        case _:
            return False


class Desk(ThreadingHTTPServer):
    """The HTTP server of a workspace."""

    daemon_threads = True

    def __init__(self, listening: socket.socket, workspace: Workspace) -> None:
        super().__init__(listening.getsockname(), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listening
        self.workspace = workspace


class _Handler(BaseHTTPRequestHandler):
    server: Desk

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if length > _MAX_BYTES:
            self.send_error(413)
            return
        fields = json.loads(self.rfile.read(length) or b"{}")
        if self.path == RESPOND:
            self.server.workspace.words.append(fields)
            self._send(Answer("ok"))
            return
        self._call(fields)

    def do_GET(self) -> None:
        if self.path == "/messages":
            self._send(Answer({"messages": self.server.workspace.messages}))
            return
        query = parse_qs(urlsplit(self.path).query)
        self._call({name: values[-1] for name, values in query.items()})

    def _call(self, fields: Fields) -> None:
        method = urlsplit(self.path).path.removeprefix("/api/")
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        answer = self.server.workspace.call(method, token, fields)
        if answer is None:
            self.close_connection = True
            return
        self._send(answer)

    def _send(self, answer: Answer) -> None:
        is_text = isinstance(answer.body, str)
        text = answer.body if is_text else json.dumps(answer.body)
        body = str(text).encode()
        self.send_response(answer.status)
        kind = {"Content-Type": "text/html" if is_text else "application/json"}
        self.send_header("Content-Length", str(len(body)))
        for name, value in {**kind, **answer.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log no requests."""


@dataclass(frozen=True, slots=True)
class Slack:
    """The workspace as its users see it."""

    server: Server

    @property
    def api_url(self) -> str:
        return f"{self.server.url}/api/"

    @property
    def respond(self) -> str:
        """Where words to single users go."""
        return f"{self.server.url}{RESPOND}"

    def wait(self) -> None:
        """Return when it answers. Raises `LocalStackError` when it dies or does not in time."""
        self.server.wait("/messages")

    def messages(self) -> list[dict[str, Any]]:
        """All messages so far, oldest first. Raises OSError when it does not answer."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{self.server.url}/messages", timeout=5) as answer:
            found: list[dict[str, Any]] = json.load(answer)["messages"]
        return found


def start_slack(processes: Processes, env: Mapping[str, str]) -> Slack:
    """Start the workspace; it may not answer yet (see `Slack.wait`)."""
    return Slack(start_server(processes, "slack", "infra.local.slack", env, port=SLACK_PORT))


def pressed(
    message: Mapping[str, Any],
    command: str,
    user: str,
    *,
    respond: str,
    moment: float | None = None,
) -> dict[str, Any]:
    """What Slack sends when a person presses a button of a message, as the field `payload`. A word
    to that person goes to `respond`. The `moment` is when, in seconds: it is the press's own."""
    [block] = [each for each in message["blocks"] if each["type"] == "actions"]
    [button] = [each for each in block["elements"] if each["action_id"].endswith(f":{command}")]
    moment = time.time() if moment is None else moment
    return {
        "type": "block_actions",
        "team": {"id": TEAM, "domain": "local"},
        "user": {"id": user, "username": "local", "team_id": TEAM},
        "api_app_id": "A0LOCAL",
        "response_url": respond,
        "trigger_id": f"{int(moment * 1000)}.1.{hashlib.sha256(user.encode()).hexdigest()[:16]}",
        "container": {
            "type": "message",
            "message_ts": message["ts"],
            "channel_id": message["channel"],
        },
        "channel": {"id": message["channel"], "name": "incidents"},
        "message": dict(message),
        "actions": [
            {
                "type": "button",
                "action_id": button["action_id"],
                "block_id": block["block_id"],
                "value": button["value"],
                "action_ts": f"{moment:.6f}",
            }
        ],
    }


def form_of(payload: Mapping[str, Any]) -> bytes:
    """An interaction as it is sent."""
    return urlencode({"payload": json.dumps(payload)}).encode()


def signed(
    body: bytes, *, secret: str = SIGNING_SECRET, now: float | None = None
) -> dict[str, str]:
    """The headers by which Slack proves that a request is its own."""
    stamp = str(int(time.time() if now is None else now))
    digest = hmac.new(secret.encode(), f"v0:{stamp}:".encode() + body, hashlib.sha256).hexdigest()
    return {
        "Content-Type": "application/x-www-form-urlencoded",
        "X-Slack-Request-Timestamp": stamp,
        "X-Slack-Signature": f"v0={digest}",
    }


def main() -> None:
    """Serve until the process ends."""
    parser = argparse.ArgumentParser(prog="python -m infra.local.slack")
    parser.add_argument("--socket", type=inherited, required=True, help="a file descriptor")
    with Desk(parser.parse_args().socket, Workspace()) as desk:
        desk.serve_forever()


if __name__ == "__main__":
    main()
