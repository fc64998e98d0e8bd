"""A Lambda endpoint in front of a real one, which fails in the ways that a test chooses."""

from __future__ import annotations

import http.client
import json
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Literal
from urllib.parse import urlsplit

from tests.support.web import Quiet, listening

Fault = Literal["away", "throttled", "broken", "silent"]
"""`away`: each connection is reset, also to STS. Of an invocation: `throttled`: 429. `broken`: 500.
`silent`: it is accepted with 202 and never run."""

_HOP_BY_HOP = {"transfer-encoding", "connection", "content-length", "date", "server"}


class FaultyLambda:
    """The endpoint. `invoked` counts the requests that asked for an invocation, and `refused` all
    requests that failed or were ignored."""

    def __init__(self) -> None:
        self.url = ""
        self.target = ""
        self.invoked = 0
        self.refused = 0
        self.fault: Fault | None = None

    @contextmanager
    def failing(self, fault: Fault) -> Iterator[None]:
        """Within the block it fails so."""
        self.fault = fault
        try:
            yield
        finally:
            self.fault = None


@contextmanager
def faulty_lambda() -> Iterator[FaultyLambda]:
    """An endpoint, to be given the `target` to pass requests on to."""
    endpoint = FaultyLambda()

    class Handler(Quiet, BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._serve()

        def do_POST(self) -> None:
            self._serve()

        def do_PUT(self) -> None:
            self._serve()

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            invokes = self.path.partition("?")[0].endswith("/invocations")
            endpoint.invoked += invokes
            fault = endpoint.fault if invokes or endpoint.fault == "away" else None
            endpoint.refused += fault is not None
            match fault:
                case "away":
                    self._reset()
                case "throttled":
                    self._refuse(429, "TooManyRequestsException", "Rate Exceeded.")
                case "broken":
                    self._refuse(500, "ServiceException", "An error occurred.")
                case "silent":
                    self._answer(202, {}, b"")
                case None:
                    self._pass_on(body)

        def _reset(self) -> None:
            linger = struct.pack("ii", 1, 0)  # close() sends RST, not FIN
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.close_connection = True

        def _refuse(self, status: int, name: str, message: str) -> None:
            body = json.dumps({"Type": "User", "message": message}).encode()
            self._answer(status, {"x-amzn-errortype": name}, body)

        def _pass_on(self, body: bytes) -> None:
            target = http.client.HTTPConnection(urlsplit(endpoint.target).netloc, timeout=60)
            try:
                target.request(self.command, self.path, body, dict(self.headers))
                answer = target.getresponse()
                self._answer(answer.status, dict(answer.headers), answer.read())
            finally:
                target.close()

        def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, text in headers.items():
                if name.lower() not in _HOP_BY_HOP:
                    self.send_header(name, text)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with listening(Handler) as port:
        endpoint.url = f"http://127.0.0.1:{port}"
        yield endpoint
