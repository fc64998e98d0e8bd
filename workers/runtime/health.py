"""The health endpoints of a worker process.

    GET /healthz   200 while the process is up
    GET /readyz    200 while it takes work, 503 with the reason otherwise

Served from a thread, so that a process with a busy event loop does not look dead.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from core.errors import SettingsError

READY: Final = "ready"


@contextmanager
def serving(address: str, state: Callable[[], str]) -> Iterator[int]:
    """Serve at `host:port` inside the block; yields the port, which the system chooses for 0.

    `state` is called from another thread and returns `READY` or the reason why not.
    Raises `SettingsError` when the address is not available.
    """
    host, _, port = address.rpartition(":")
    try:
        server = _Server((host.strip("[]"), int(port)), state)
    except OSError as error:
        raise SettingsError(
            f"TIDEGATE_HEALTH_ADDRESS={address!r}: {error.strerror or error}",
            fix="choose a free port; port 0 takes any",
        ) from error
    thread = threading.Thread(target=server.serve_forever, name="health", daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], state: Callable[[], str]) -> None:
        self.state = state
        super().__init__(address, _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = 10

    def do_GET(self) -> None:
        match self.path.partition("?")[0]:
            case "/healthz":
                self._answer(HTTPStatus.OK, "up")
            case "/readyz":
                state = self.server.state()
                ready = state == READY
                self._answer(HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE, state)
            case _:
                self._answer(HTTPStatus.NOT_FOUND, "not found; try /healthz or /readyz")

    def _answer(self, status: HTTPStatus, text: str) -> None:
        body = json.dumps({"status": text}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: probes come every few seconds."""
