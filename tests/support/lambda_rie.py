"""A function behind Lambda's real Runtime API: AWS's emulator of it, and AWS's own runtime.

Both come with the tools of requirements/deploy.txt: the emulator with SAM's command, the runtime as
the package `awslambdaric`. Neither needs Docker. The function's process can import its package and
that runtime, but nothing of this environment.
"""

from __future__ import annotations

import json
import os
import platform
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from infra.local.loopback import Ports
from infra.local.processes import ROOT, wait_until

TOOLS: Final = ROOT / ".venv-deploy"
PATIENCE: Final = 60.0
_RUNTIME: Final = ("awslambdaric", "runtime_client*", "simplejson", "snapshot_restore_py*")


@dataclass(frozen=True, slots=True)
class Function:
    """A running function. `log` has the output of its process and of the emulator."""

    process: subprocess.Popen[bytes]
    url: str
    log: Path

    def invoke(self, event: Any) -> Any:
        """The function's response, or Lambda's when it failed."""
        request = urllib.request.Request(  # noqa: S310  the URL is ours
            self.url, json.dumps(event).encode(), method="POST"
        )
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310
            return json.load(answer)

    def lines(self) -> list[dict[str, Any]]:
        """The lines that the function itself logged."""
        return [json.loads(ln) for ln in self.log.read_text().splitlines() if ln.startswith("{")]


@contextmanager
def function(
    artefact: Path, handler: str, folder: Path, environment: Mapping[str, str]
) -> Iterator[Function]:
    """A function, for as long as the block lasts; its log is in `folder`."""
    with closing(Ports()) as ports:
        port, api = ports.reserve("emulator"), ports.reserve("runtime API")
        with _running(artefact, handler, folder, environment, port, api) as function:
            yield function


@contextmanager
def _running(
    artefact: Path,
    handler: str,
    folder: Path,
    environment: Mapping[str, str],
    port: int,
    api: int,
) -> Iterator[Function]:
    log = folder / "function.log"
    command = [
        str(_emulator(folder)),
        "--runtime-interface-emulator-address",
        f"127.0.0.1:{port}",
        "--runtime-api-address",
        f"127.0.0.1:{api}",
        sys.executable,
        "-S",  # without the packages of the environment that runs the tests
        "-m",
        "awslambdaric",
        handler,
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=artefact,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": f"{artefact}{os.pathsep}{runtime(folder)}",
                "LAMBDA_TASK_ROOT": str(artefact),
                "AWS_LAMBDA_FUNCTION_NAME": handler.split(".")[1],
                "AWS_LAMBDA_FUNCTION_TIMEOUT": "30",
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
                "AWS_REGION": "eu-west-1",
                **environment,
            },
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_until(lambda: _listens(port), PATIENCE, "the emulator")
        yield Function(
            process, f"http://127.0.0.1:{port}/2015-03-31/functions/function/invocations", log
        )
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _packages() -> Path:
    [packages] = TOOLS.glob("lib/python*/site-packages")
    return packages


def _emulator(folder: Path) -> Path:
    arch = "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64"
    found = _packages() / "samcli" / "local" / "rapid" / f"aws-lambda-rie-{arch}"
    emulator = folder / "rie"
    emulator.write_bytes(found.read_bytes())
    emulator.chmod(0o755)  # not executable in the package
    return emulator


def runtime(folder: Path) -> Path:
    """A folder with the runtime and what it imports, like Lambda's /var/runtime."""
    packages = folder / "runtime"
    packages.mkdir()
    for pattern in _RUNTIME:
        for found in _packages().glob(pattern):
            (packages / found.name).symlink_to(found)
    return packages
