"""A calendar over https: what is bounded, what is refused, and that its address stays secret."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from core.adapters.calendars import fetch as module
from core.adapters.calendars.fetch import Unreadable, fetch
from tests.support.web import Quiet

SECRET = "private-token"


@dataclass
class Server:
    """Answers by path; records the headers that it got."""

    port: int = 0
    got: list[dict[str, str]] = field(default_factory=list)
    go_on: threading.Event = field(default_factory=threading.Event)

    def url(self, path: str) -> str:
        return f"https://127.0.0.1:{self.port}/{path}?{SECRET}"


def certificate(folder: Path) -> Path:
    """A certificate for 127.0.0.1 with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path = folder / "server.pem"
    path.write_bytes(pem + built.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    site = Server()

    class Answers(Quiet, BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.got.append(dict(self.headers))
            path, _, _ = self.path.lstrip("/").partition("?")
            status, headers, body = 200, {"ETag": '"1"'}, b"BEGIN:VCALENDAR"
            match path.split("/"):
                case ["status", code]:
                    status = int(code)
                case ["redirect", "0"]:
                    pass
                case ["redirect", times]:
                    status, headers = 302, {"Location": f"/redirect/{int(times) - 1}"}
                case ["plain"]:
                    status, headers = 302, {"Location": f"http://127.0.0.1:{site.port}/"}
                case ["nowhere"]:
                    status, headers = 302, {}
                case ["broken"]:
                    status, headers = 302, {"Location": "https://[broken/"}
                case ["large"]:
                    body = b"x" * 2_000
                case ["slow"]:
                    site.go_on.wait()
                case _:
                    status = 304 if self.headers.get("If-None-Match") == '"1"' else 200
                    body = b"" if status == 304 else body
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

    pem = certificate(tmp_path_factory.mktemp("tls"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(pem))
        patch.setenv("NO_PROXY", "127.0.0.1")
        with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as http:
            http.socket = context.wrap_socket(http.socket, server_side=True)
            thread = threading.Thread(target=http.serve_forever, args=(0.05,))
            thread.start()
            site.port = http.server_port
            yield site
            site.go_on.set()
            http.shutdown()
            thread.join()


async def refusal(url: str, *, timeout: float = 10) -> str:
    with pytest.raises(Unreadable) as refused:
        await fetch(url, timeout=timeout)
    assert SECRET not in str(refused.value)
    assert refused.value.__cause__ is None
    return str(refused.value)


async def test_a_calendar_comes_with_its_etag_and_is_not_sent_again(server: Server) -> None:
    first = await fetch(server.url("a.ics"), timeout=10)
    assert (first.body, first.etag) == (b"BEGIN:VCALENDAR", '"1"')
    again = await fetch(server.url("a.ics"), etag=first.etag, timeout=10)
    assert (again.body, again.etag) == (None, '"1"')
    assert server.got[-1]["If-None-Match"] == '"1"'


async def test_few_redirects_are_followed_and_only_to_https(server: Server) -> None:
    assert (await fetch(server.url("redirect/3"), timeout=10)).body == b"BEGIN:VCALENDAR"
    assert await refusal(server.url("redirect/4")) == "it redirects more than 3 times"
    assert await refusal(server.url("plain")) == "its address is not an https URL"
    assert await refusal(server.url("broken")) == "the server cannot be reached (ValueError)"
    assert await refusal(server.url("nowhere")) == "it redirects more than 3 times"


@pytest.mark.parametrize("status", [401, 404, 410, 500])
async def test_any_other_answer_is_a_failure(server: Server, status: int) -> None:
    assert await refusal(server.url(f"status/{status}")) == f"the server answered {status}"


async def test_size_and_time_are_bounded(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await fetch(server.url("large"), timeout=10)).body == b"x" * 2_000
    monkeypatch.setattr(module, "MAX_BYTES", 1_999)
    assert await refusal(server.url("large")) == "it has more than 1,999 bytes"
    assert await refusal(server.url("slow"), timeout=0.2) == "no answer within 0.2 s"


@pytest.mark.parametrize(
    "url", [f"https://127.0.0.1:1/{SECRET}", f"https://{SECRET}.invalid:bad/", "https://[::1/"]
)
async def test_a_server_that_cannot_be_reached_is_a_failure(url: str) -> None:
    assert (await refusal(url)).startswith(("the server cannot be reached", "its address is not"))


async def test_a_server_whose_certificate_is_unknown_is_not_asked(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    before = len(server.got)
    assert "SSLCertVerificationError" in await refusal(server.url("a.ics"))
    assert len(server.got) == before
