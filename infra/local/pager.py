"""A pager for the local stack: accepts every page, prints it, and lists all of them.

POST /WHO       a page for somebody, as apprise's `json://host:port/WHO` sends it
GET  /pages     every page so far, oldest first

python -m infra.local.pager --socket DESCRIPTOR
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
import threading
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from infra.local.loopback import PAGER_PORT, inherited
from infra.local.processes import Processes
from infra.local.servers import Server, start_server

ON_CALL, ESCALATION = "on-call", "escalation"

_MAX_BYTES = 1024 * 1024
_FOLLOW_UP = "Message: "
"""What the last line of a message begins with that is no page (core/adapters/notifiers/apprise)."""


@dataclass(frozen=True, slots=True)
class Page:
    """A message to somebody: a page, or what became of it."""

    to: str
    title: str
    message: str

    @property
    def follows_up(self) -> bool:
        """Whether it says what became of a page."""
        return self.message.rpartition("\n")[2].startswith(_FOLLOW_UP)


@dataclass(frozen=True, slots=True)
class Pager:
    """A pager as its users see it."""

    server: Server

    @property
    def url(self) -> str:
        return self.server.url

    def wait(self) -> None:
        """Return when it answers. Raises `LocalStackError` when it dies or does not in time."""
        self.server.wait("/pages")

    def target(self, who: str) -> str:
        """The apprise URL that pages somebody."""
        return f"json://{self.url.removeprefix('http://')}/{who}"

    def pages(self) -> list[Page]:
        """All pages so far, oldest first. Raises OSError when the pager does not answer."""
        return [message for message in self._messages() if not message.follows_up]

    def follow_ups(self) -> list[Page]:
        """What became of them so far, oldest first. Raises OSError likewise."""
        return [message for message in self._messages() if message.follows_up]

    def _messages(self) -> list[Page]:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{self.url}/pages", timeout=5) as answer:
            taken = json.load(answer)
        return [
            Page(to=page["to"], title=page["body"]["title"], message=page["body"]["message"])
            for page in taken
            if isinstance(page["body"], dict)
        ]


def start_pager(processes: Processes, env: Mapping[str, str]) -> Pager:
    """Start the pager; it may not answer yet (see `Pager.wait`)."""
    return Pager(start_server(processes, "pager", "infra.local.pager", env, port=PAGER_PORT))


class _Desk(ThreadingHTTPServer):
    """The HTTP server, with the pages that it has taken."""

    daemon_threads = True

    def __init__(self, listening: socket.socket) -> None:
        super().__init__(listening.getsockname(), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listening
        self._pages: list[dict[str, Any]] = []
        self._lock = threading.Lock()

    def take(self, who: str, body: object) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        page = {"to": who, "arrived": now, "body": body}
        with self._lock:
            self._pages.append(page)
        sys.stdout.write(json.dumps(page) + "\n")
        sys.stdout.flush()

    def taken(self) -> bytes:
        with self._lock:
            return json.dumps(self._pages).encode()


class _Handler(BaseHTTPRequestHandler):
    server: _Desk

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if length > _MAX_BYTES:
            self.send_error(413)
            return
        raw = self.rfile.read(length)
        try:
            body = json.loads(raw)
        except ValueError:
            body = raw.decode(errors="replace")
        self.server.take(self.path.strip("/"), body)
        self._answer(b"{}")

    def do_GET(self) -> None:
        if self.path != "/pages":
            self.send_error(404)
            return
        self._answer(self.server.taken())

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log no requests: `take` prints every page."""


def main() -> None:
    """Serve until the process ends."""
    parser = argparse.ArgumentParser(prog="python -m infra.local.pager")
    parser.add_argument("--socket", type=inherited, required=True, help="a file descriptor")
    with _Desk(parser.parse_args().socket) as desk:
        desk.serve_forever()


if __name__ == "__main__":
    main()
