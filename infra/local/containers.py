"""Workers of the local stack in containers of their image, instead of processes.

A container is a child of Docker's daemon; ours is the `docker run` in front of it, which forwards
signals to it and its output to us. So it is stopped as a process is; only killing it takes a call
to the daemon. If this process itself is killed, its containers stay: they are labelled with their
stack, and the next stack on this machine removes them."""

from __future__ import annotations

import os
import socket
import subprocess
import uuid
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from infra.local.processes import Child, LocalStackError

IMAGE = "tidegate-worker"
"""The workers' image, which `make image` builds."""

_LABEL = "tidegate.stack"
_PASSED = ("AWS_", "AZURE_", "TEMPORAL_", "TIDEGATE_", "NO_PROXY", "no_proxy")
_TIMEOUT = 60.0


class Container(Child):
    """A worker in a container, with the image's unprivileged user and a read-only file system."""

    def __init__(self, name: str, module: str, env: Mapping[str, str], log: Path) -> None:
        self.container = f"tidegate-{name}-{uuid.uuid4().hex[:8]}"
        super().__init__(name, [*_docker_run(self.container, env), IMAGE, module], env, log)

    def kill(self) -> None:
        """End it as a crash would. `docker run` alone would leave the container behind."""
        with suppress(LocalStackError):  # it has ended by itself
            docker("rm", "--force", self.container)
        super().kill()


def check_docker() -> None:
    """Remove the containers of stacks that have ended. Raises `LocalStackError` without Docker, its
    daemon or the image."""
    docker("version", "--format", "{{.Server.Version}}")
    try:
        docker("image", "inspect", "--format", "{{.Id}}", IMAGE)
    except LocalStackError as error:
        raise LocalStackError(
            f"Docker has no image {IMAGE}", fix="build it in a checkout: make image"
        ) from error
    shown = f'{{{{.Names}}}} {{{{.Label "{_LABEL}"}}}}'
    for line in docker(
        "ps", "--all", "--filter", f"label={_LABEL}", "--format", shown
    ).splitlines():
        name, stack = line.split()
        host, _, pid = stack.rpartition(":")
        if host == socket.gethostname() and not _runs(int(pid)):
            docker("rm", "--force", name)


def docker(*arguments: str, timeout: float = _TIMEOUT) -> str:
    """The output of a docker command, within `timeout` seconds. Raises `LocalStackError`."""
    command = ["docker", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=True)
    except FileNotFoundError:
        fix = "install it, or let the workers run as processes"
        raise LocalStackError("there is no Docker on this machine", fix=fix) from None
    except subprocess.TimeoutExpired:
        fix = "check its daemon"
        raise LocalStackError(f"Docker did not answer in {timeout:g} s", fix=fix) from None
    except subprocess.CalledProcessError as error:
        fix = "start Docker, and check that you may use it"
        reason = " ".join(error.stderr.split())
        raise LocalStackError(f"docker {arguments[0]}: {reason}", fix=fix) from error
    return done.stdout


def _docker_run(container: str, env: Mapping[str, str]) -> list[str]:
    """The command in front of the image. It names variables, whose values `docker run` takes from
    its own environment, so that no list of processes shows them. A file that one of them names is
    mounted in the container."""
    command = ["docker", "run", "--rm", "--pull", "never", "--network", "host"]
    command += ["--name", container, "--label", f"{_LABEL}={socket.gethostname()}:{os.getpid()}"]
    command += ["--read-only", "--tmpfs", "/tmp"]  # noqa: S108
    command += ["--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
    for name, text in sorted(env.items()):
        if name.startswith(_PASSED):
            command += ["--env", name]
            if Path(text).is_absolute() and Path(text).is_file():
                command += ["--volume", f"{text}:{text}:ro"]
    return command


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        pass
    return True
