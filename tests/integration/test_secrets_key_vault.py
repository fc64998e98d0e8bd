"""Secrets in Azure Key Vault: Microsoft's own client and identity, as a function app has them.

There is no Key Vault to be had on one machine. So what is ours here is the far end of the wire: a
proxy that answers for every vault, over TLS, as Key Vault does (401 with a challenge, then by the
token), and the token endpoint that Azure gives to a function app.
"""

from __future__ import annotations

import json
import logging
import os
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from core import bootstrap
from core.config.secrets import Secrets
from core.config.settings import Settings
from core.errors import SecretUnavailable, SettingsError
from tests.support.web import Quiet, listening

CHALLENGE = (
    'Bearer authorization="https://login.microsoftonline.com/00000000-0000-0000-0000-000000000001",'
    ' resource="https://vault.azure.net"'
)


@dataclass
class Azure:
    """`secrets` by name, or a status and an error's body; `got` has host, path and token. Without
    an `identity` the function app gets no token."""

    port: int = 0
    secrets: dict[str, str | tuple[int, Any]] = field(default_factory=dict)
    got: list[tuple[str, str, str | None]] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    identity: bool = True

    def answer(self, name: str) -> tuple[int, Any]:
        result = self.secrets.get(name, (404, error("SecretNotFound")))
        if isinstance(result, tuple):
            return result
        return 200, {"value": result, "id": f"https://team.vault.azure.net/secrets/{name}/1"}


def error(code: str, inner: str | None = None) -> Any:
    more = {"innererror": {"code": inner}} if inner else {}
    return {"error": {"code": code, "message": f"it says {code}", **more}}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed one, for every vault and for a host that is not one."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    hosts = [x509.DNSName("*.vault.azure.net"), x509.DNSName("vault.example.com")]
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "certificate.pem"
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    file.write_bytes(pem + signed.public_bytes(serialization.Encoding.PEM))
    return file


@pytest.fixture
def azure(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Azure]:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    azure = Azure()

    class Vault(Quiet, BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        host = ""

        def do_CONNECT(self) -> None:
            self.host = self.path
            self.send_response(200)
            self.end_headers()
            self.connection = self.request = tls.wrap_socket(self.connection, server_side=True)
            self.rfile = self.connection.makefile("rb")
            self.wfile = self.connection.makefile("wb", buffering=0)
            self.close_connection = False

        def finish(self) -> None:
            super().finish()
            self.connection.close()

        def do_GET(self) -> None:
            if not self.host and not azure.identity:
                return self.say(400, {"statusCode": 400, "message": "No identity is assigned"})
            if not self.host:
                azure.tokens.append(self.path)
                expires = int(datetime.now(UTC).timestamp()) + 3600
                return self.say(200, {"access_token": "a-token", "expires_on": str(expires)})
            token = self.headers["Authorization"]
            azure.got.append((self.host, self.path, token))
            if token != "Bearer a-token":
                return self.say(401, error("Unauthorized"), {"WWW-Authenticate": CHALLENGE})
            return self.say(*azure.answer(self.path.split("/")[2].partition("?")[0]))

        def say(self, status: int, value: Any, headers: dict[str, str] | None = None) -> None:
            body = json.dumps(value).encode()
            self.send_response(status)
            for name, text in (headers or {}).items():
                self.send_header(name, text)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(body)

    with listening(Vault) as azure.port:
        for name in [
            n for n in os.environ if n.startswith("AZURE_") or n.lower().endswith("proxy")
        ]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{azure.port}")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"http://127.0.0.1:{azure.port}/msi/token")
        monkeypatch.setenv("IDENTITY_HEADER", "a-header")
        yield azure


@pytest.fixture
def kept(azure: Azure) -> Secrets:
    return bootstrap.secrets(Settings())


@pytest.fixture
def vault() -> str:
    """A vault for this test only: the client caches each vault's challenge."""
    return f"v{uuid4().hex[:20]}"


async def test_a_secret_is_found_in_its_vault_by_name_and_by_host(
    kept: Secrets, azure: Azure, vault: str
) -> None:
    azure.secrets = {"hook": " hünter2\n"}
    host = f"{vault}.vault.azure.net"
    assert await kept.get(f"azure:{vault}/hook") == " hünter2"
    assert await kept.get(f"azure:https://{host}/hook") == " hünter2"
    assert {(at, path.partition("?")[0].rstrip("/")) for at, path, _ in azure.got} == {
        (f"{host}:443", "/secrets/hook")
    }


async def test_the_vault_is_asked_with_the_token_of_the_function_apps_own_identity(
    kept: Secrets, azure: Azure, vault: str
) -> None:
    azure.secrets = {"one": "1", "two": "2"}
    assert await kept.get_all([f"azure:{vault}/one", f"azure:{vault}/two"]) == ["1", "2"]
    assert {token for _, _, token in azure.got} == {None, "Bearer a-token"}
    assert {"resource=https" in path for path in azure.tokens} == {True}


async def test_a_secret_that_does_not_exist_is_the_operators_fault(
    kept: Secrets, vault: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        await kept.get(f"azure:{vault}/nowhere")
    assert str(caught.value) == (
        f"Key Vault does not return the secret azure:{vault}/nowhere: it does not exist "
        "(create, enable or restore it, or fix the reference)"
    )


async def test_a_disabled_secret_is_gone(kept: Secrets, azure: Azure, vault: str) -> None:
    azure.secrets = {"hook": (403, error("Forbidden", "SecretDisabled"))}
    with pytest.raises(SettingsError, match="it is disabled"):
        await kept.get(f"azure:{vault}/hook")


@pytest.mark.parametrize("value", ["", None])
async def test_a_secret_without_a_value_is_empty(
    kept: Secrets, azure: Azure, vault: str, value: str | None
) -> None:
    azure.secrets = {"hook": (200, {"value": value, "id": "https://v/secrets/hook/1"})}
    with pytest.raises(SettingsError, match=f"the secret azure:{vault}/hook is empty"):
        await kept.get(f"azure:{vault}/hook")


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (403, error("Forbidden", "ForbiddenByRbac"), "it says Forbidden"),
        (429, error("Throttled"), "it says Throttled"),
        (503, error("Unavailable"), "it says Unavailable"),
        (500, "no error of Key Vault's", "Operation returned an invalid status"),
        (403, {"error": {"innererror": []}}, "Operation returned an invalid status"),
    ],
)
async def test_refused_credentials_throttling_and_server_errors_are_transient(
    kept: Secrets, azure: Azure, vault: str, status: int, body: Any, reason: str
) -> None:
    azure.secrets = {"hook": (status, body)}
    with pytest.raises(SecretUnavailable, match=reason) as caught:
        await kept.get(f"azure:{vault}/hook")
    assert "\n" not in str(caught.value)


async def test_a_vault_that_does_not_answer_is_transient(
    kept: Secrets,
    vault: str,
    monkeypatch: pytest.MonkeyPatch,
    closed_port: int,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{closed_port}")
    with pytest.raises(SecretUnavailable, match=f"does not return the secret azure:{vault}/hook: "):
        await kept.get(f"azure:{vault}/hook")


async def test_an_identity_without_a_token_is_transient(
    kept: Secrets, azure: Azure, vault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    azure.identity = False
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential")
    with pytest.raises(SecretUnavailable, match="does not return the secret") as caught:
        await kept.get(f"azure:{vault}/hook")
    assert "\n" not in str(caught.value)


async def test_no_token_is_sent_to_a_host_that_is_not_a_vault(kept: Secrets, azure: Azure) -> None:
    azure.secrets = {"hook": "hunter2"}
    with pytest.raises(SettingsError, match=r"https://vault\.example\.com does not answer like a"):
        await kept.get("azure:https://vault.example.com/hook")
    assert [token for _, _, token in azure.got] == [None]


async def test_no_value_reaches_a_log_however_much_is_logged(
    kept: Secrets, azure: Azure, vault: str, caplog: pytest.LogCaptureFixture
) -> None:
    azure.secrets = {"hook": "hunter2"}
    caplog.set_level(logging.DEBUG)
    assert await kept.get(f"azure:{vault}/hook") == "hunter2"
    assert f"{vault}.vault.azure.net" in caplog.text
    assert "hunter2" not in caplog.text
    assert "a-token" not in caplog.text
