"""Blob Storage on this machine: Azurite, Microsoft's emulator, as a child.

It is an npm package, pinned with all that it needs in `azurite/package-lock.json` (see
`infra.local.npm`):

    python -m infra.local.azure.azurite         installs it now
    python -m infra.local.azure.azurite lock    renews the pins after azurite/package.json changed
"""

from __future__ import annotations

import base64
import secrets
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from infra.local import npm
from infra.local.loopback import DOCUMENTS_PORT, HOST
from infra.local.npm import Packages, node
from infra.local.processes import Processes
from infra.local.servers import Program

ACCOUNT: Final = "tidegatelocal"
AZURITE: Final = "azurite"
"""The name of the child, unless it is given another."""

_PROGRAM: Final = Path("node_modules/azurite/dist/src/blob/main.js")

PACKAGES: Final = Packages("Azurite", Path(__file__).with_name("azurite"), _PROGRAM)
"""What is installed."""


def _new_key() -> str:
    return base64.b64encode(secrets.token_bytes(64)).decode()


@dataclass(frozen=True, slots=True)
class Azurite:
    """Where it listens, and the key of its only account.

    Each has a key of its own, so that nothing meant for another Azurite is written to this one."""

    port: int
    scheme: str = "http"
    key: str = field(default_factory=_new_key, repr=False)

    @property
    def endpoint(self) -> str:
        return f"{self.scheme}://{HOST}:{self.port}/{ACCOUNT}"

    @property
    def connection(self) -> str:
        """Its connection string."""
        return (
            f"DefaultEndpointsProtocol={self.scheme};AccountName={ACCOUNT};AccountKey={self.key};"
            f"BlobEndpoint={self.endpoint};"
        )

    @property
    def environment(self) -> dict[str, str]:
        """Settings with which `azure://tidegatelocal/...` leads here."""
        return {"AZURE_STORAGE_CONNECTION_STRING": self.connection}


@dataclass(frozen=True, slots=True)
class AzuriteServer:
    """Azurite as a child."""

    program: Program
    scheme: str
    key: str = field(repr=False)

    def wait(self) -> Azurite:
        """Return when it listens. Raises `LocalStackError` when it dies or does not in time."""
        self.program.wait()
        return Azurite(self.program.ports[0], self.scheme, self.key)


def start_azurite(
    processes: Processes,
    env: Mapping[str, str],
    *,
    scheme: str = "http",
    folder: Path | None = None,
    options: Sequence[str] = (),
    name: str = AZURITE,
) -> AzuriteServer:
    """Start it; it may not listen yet (see `AzuriteServer.wait`). It keeps blobs in memory, or in
    `folder`. Installs it first if needed, which takes a while (see `PACKAGES`)."""
    keep = ["--inMemoryPersistence"] if folder is None else ["--location", str(folder)]
    start = [
        *(node(), str(PACKAGES.install() / _PROGRAM), *keep, *options),
        # The library may be newer than the emulator, but uses only old features of the service.
        *("--skipApiVersionCheck", "--disableTelemetry", "--silent", "--blobHost", HOST),
    ]
    key = _new_key()
    program = Program(
        processes,
        name,
        {**env, "AZURITE_ACCOUNTS": f"{ACCOUNT}:{key}"},
        ports=(DOCUMENTS_PORT,),
        command=lambda port: [*start, "--blobPort", str(port)],
        listens="successfully listens",
    )
    return AzuriteServer(program, scheme, key)


if __name__ == "__main__":
    npm.main(PACKAGES, sys.argv[1:])
