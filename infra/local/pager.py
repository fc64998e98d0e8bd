"""A pager for the local stack: takes whatever is posted to it, prints it, and shows what it took.

POST /<who>     a page for somebody, as apprise's `json://host:port/<who>` sends it
GET  /pages     everything that arrived, oldest first

python -m infra.local.pager --port 8400
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from infra.local.processes import Child, Processes, python, wait_until

ON_CALL, ESCALATION = "on-call", "escalation"

_MAX_BYTES = 1024 * 1024
_START_TIMEOUT = 30.0


@dataclass(frozen=True, slots=True)
class Page:
    """A page that arrived: who was paged, and what they read."""

    to: str
    title: str
    message: str


@dataclass(frozen=True, slots=True)
class Pager:
    """A running pager, seen from outside."""

    url: str

    def target(self, who: str) -> str:
        """The apprise URL by which somebody is paged."""
        return f"json://{self.url.removeprefix('http://')}/{who}"

    def pages(self) -> list[Page]:
        """All pages so far, oldest first. Raises OSError when the pager does not answer."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{self.url}/pages", timeout=5) as answer:
            found = json.load(answer)
        return [
            Page(to=page["to"], title=page["body"]["title"], message=page["body"]["message"])
            for page in found
            if isinstance(page["body"], dict)
        ]

    def answers(self) -> bool:
        try:
            self.pages()
        except OSError:
            return False
        return True


def start_pager(processes: Processes, env: Mapping[str, str], *, port: int) -> tuple[Child, Pager]:
    """Start the pager; it may not answer yet (see `wait_for_pager`)."""
    child = processes.start("pager", python("infra.local.pager", "--port", str(port)), env)
    return child, Pager(f"http://127.0.0.1:{port}")


def wait_for_pager(child: Child, pager: Pager) -> None:
    """Return when it answers. Raises `LocalStackError` when it dies or does not."""
    wait_until(
        pager.answers, _START_TIMEOUT, f"the pager to answer on {pager.url}", check=child.check
    )


class _Desk(ThreadingHTTPServer):
    """The server, with the pages it has taken."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
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
        """Nothing: what arrived is printed by `take`, and that is enough."""


def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser(prog="python -m infra.local.pager")
    parser.add_argument("--port", type=int, required=True)
    with _Desk(parser.parse_args().port) as desk:
        desk.serve_forever()


if __name__ == "__main__":
    main()
