"""STS as Temporal's server calls it: one role demands the external ID, and another does not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qsl

from infra.local.aws import assume_role
from infra.local.aws.account import role_arn
from infra.local.aws.serverless import EXTERNAL_ID, ROLE
from tests.support.web import Quiet, listening

OPEN_ROLE = role_arn("tidegate-open-to-all")
"""It can be assumed with any external ID, and without one."""


@contextmanager
def sts() -> Iterator[str]:
    """Its URL."""

    class Handler(Quiet, BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            text = self.rfile.read(int(self.headers["Content-Length"])).decode()
            form = dict(parse_qsl(text))
            if form.get("RoleArn") == OPEN_ROLE:
                form |= {"RoleArn": ROLE, "ExternalId": EXTERNAL_ID}
            status, body = assume_role.answer(form, role=ROLE, external_id=EXTERNAL_ID)
            self.send_response(status)
            self.send_header("Content-Type", "text/xml")
            self.send_header("Content-Length", str(len(body.encode())))
            self.end_headers()
            self.wfile.write(body.encode())

    with listening(Handler) as port:
        yield f"http://127.0.0.1:{port}"
