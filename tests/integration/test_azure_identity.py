"""The Azure store in a function app with a managed identity and no secret.

Azurite accepts tokens over TLS only, so it gets a certificate that the process under test trusts.
The test plays the platform's identity endpoint; Azurite does not verify a token's signature.
"""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import json
import os
import sys
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
from aiohttp import web
from azure.storage.blob import BlobServiceClient
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from infra.local.azure.azurite import ACCOUNT, Azurite, start_azurite
from infra.local.processes import ROOT, Processes

AUDIENCE = "https://storage.azure.com"
WRITES_AND_READS = """
import asyncio, sys
from core import bootstrap
from core.domain.event import DocumentRef
from core.errors import StoreUnavailable
from core.config.settings import Settings

async def content():
    yield b"content"

async def main(root):
    documents = bootstrap.documents(Settings(documents=(root,)))
    try:
        for name in ("a.txt", "b.txt"):
            written = await documents.write(root + name, content(), content_type="text/plain")
        print(b"".join([chunk async for chunk in documents.read(written)]).decode())
    except StoreUnavailable as error:
        print(error)

asyncio.run(main(sys.argv[1]))
"""


@dataclass(slots=True)
class Platform:
    """The identity endpoint, and how often it was asked for a token."""

    endpoint: str = ""
    audience: str = AUDIENCE
    asked: int = 0

    async def token(self, request: web.Request) -> web.Response:
        assert request.headers["X-IDENTITY-HEADER"] == "secret"
        assert request.query["resource"] == AUDIENCE
        self.asked += 1
        until = int(time.time()) + 86_400
        claims = {
            "aud": self.audience,
            "iss": "https://sts.windows.net/ab1f708d-50f6-404c-a006-d71b2ac7a606/",
            "iat": until - 90_000,
            "nbf": until - 90_000,
            "exp": until,
        }
        header = {"alg": "RS256", "typ": "JWT"}
        parts = [urlsafe_b64encode(json.dumps(p).encode()).rstrip(b"=") for p in (header, claims)]
        token = b".".join([*parts, b"signature"]).decode()
        return web.json_response(
            {
                "access_token": token,
                "expires_on": str(until),
                "resource": AUDIENCE,
                "token_type": "Bearer",
            }
        )


@pytest.fixture
async def platform() -> AsyncIterator[Platform]:
    platform = Platform()
    app = web.Application()
    app.router.add_get("/token", platform.token)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    platform.endpoint = f"http://127.0.0.1:{runner.addresses[0][1]}/token"
    yield platform
    await runner.cleanup()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    host = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([host]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(pem))
    (folder / "key.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder / "certificate.pem", folder / "key.pem"


@pytest.fixture(scope="module")
def with_tls(processes: Processes, certificate: tuple[Path, Path]) -> Azurite:
    options = ["--oauth", "basic", "--cert", str(certificate[0]), "--key", str(certificate[1])]
    server = start_azurite(
        processes, os.environ, scheme="https", options=options, name="azurite-tls"
    )
    return server.wait()


@pytest.fixture
def env(with_tls: Azurite, certificate: tuple[Path, Path], platform: Platform) -> dict[str, str]:
    """The environment of a function app with a managed identity and no secret."""
    return {
        **os.environ,
        "AZURE_STORAGE_CONNECTION_STRING": (
            f"AccountName={ACCOUNT};BlobEndpoint={with_tls.endpoint}"
        ),
        "IDENTITY_ENDPOINT": platform.endpoint,
        "IDENTITY_HEADER": "secret",
        "SSL_CERT_FILE": str(certificate[0]),
    }


@pytest.fixture
def root(with_tls: Azurite, certificate: tuple[Path, Path]) -> str:
    name = f"docs-{uuid4().hex}"
    with BlobServiceClient.from_connection_string(
        with_tls.connection, connection_verify=str(certificate[0])
    ) as service:
        service.create_container(name)
    return f"azure://{ACCOUNT}/{name}/"


async def test_a_function_reads_and_writes_as_its_managed_identity(
    root: str, env: dict[str, str], platform: Platform
) -> None:
    assert await run(root, env) == "content\n"
    assert platform.asked == 1


async def test_a_rejected_token_is_transient(
    root: str, env: dict[str, str], platform: Platform
) -> None:
    platform.audience = "https://example.com"
    output = await run(root, env)
    assert "AuthenticationFailed" in output
    assert "Storage Blob Data Contributor" in output


async def run(root: str, env: dict[str, str]) -> str:
    command = [sys.executable, "-W", "error", "-c", WRITES_AND_READS, root]
    child = await asyncio.create_subprocess_exec(
        *command, env=env, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await child.communicate()
    assert errors.decode() == ""  # nothing is left open
    assert child.returncode == 0
    return output.decode()
