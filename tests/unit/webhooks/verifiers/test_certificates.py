"""The download from a real web server, over HTTP: the URL is checked before."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler

import pytest

from core.errors import TransientError
from core.webhooks.verifiers import certificates
from core.webhooks.verifiers.base import NotVerified
from core.webhooks.verifiers.certificates import Certificates, download
from tests.support.web import Quiet, listening

NOW = datetime(2025, 6, 1, 12, tzinfo=UTC)


class Pages(Quiet, BaseHTTPRequestHandler):
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        status = int(self.path.split("/")[1])
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("location", "/200/elsewhere")
        self.end_headers()
        large = self.path.endswith("large")
        self.wfile.write(b"a certificate" * (10_000 if large else 1))


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Pages, "asked", [], raising=False)
    with listening(Pages) as port:
        yield f"http://127.0.0.1:{port}"


def test_a_page_is_returned_unchanged(site: str) -> None:
    assert download(f"{site}/200/x.pem") == b"a certificate"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 400, 403, 404])
def test_errors_are_not_trusted_and_redirects_are_not_followed(site: str, status: int) -> None:
    with pytest.raises(NotVerified, match="untrusted"):
        download(f"{site}/{status}/x.pem")
    assert Pages.asked == [f"/{status}/x.pem"]


def test_no_more_is_read_than_a_certificate_may_have(site: str) -> None:
    with pytest.raises(NotVerified, match="untrusted"):
        download(f"{site}/200/large")


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_error_is_transient(site: str, status: int) -> None:
    with pytest.raises(TransientError, match=f"it answered {status}"):
        download(f"{site}/{status}/x.pem")


def test_an_unreachable_server_is_transient(site: str) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        with pytest.raises(TransientError, match=r"could not be fetched .* refused"):
            download(f"http://127.0.0.1:{port}/x.pem")


async def test_a_server_that_never_finishes_is_transient(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(certificates, "_WAIT_TIMEOUT", 0.01)
    ended = threading.Event()

    def hanging(url: str) -> bytes:
        ended.wait(60)
        return b""

    try:
        with pytest.raises(TransientError, match="it took too long"):
            await Certificates(hanging).get("https://sns.eu-west-1.amazonaws.com/x.pem", NOW)
    finally:
        ended.set()
