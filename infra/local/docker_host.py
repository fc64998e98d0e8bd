"""This machine as a container on Docker's default network reaches it."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from infra.local.containers import docker
from infra.local.processes import LocalStackError, Processes, python, wait_until

_NEIGHBOUR: Final = "host.docker.internal"
_TIMEOUT: Final = 30.0
_PULL_TIMEOUT: Final = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DockerHost:
    """Containers call this machine `address`. Where Docker runs on it, that is one of its own.
    Where Docker has a machine for itself (Docker Desktop), it is not, and what containers send
    there comes out at this one's 127.0.0.1 without our doing."""

    address: str

    @property
    def is_here(self) -> bool:
        with socket.socket() as probe:
            try:
                probe.bind((self.address, 0))
            except OSError:
                return False
            return True

    def open(self, processes: Processes, env: Mapping[str, str], *ports: int) -> None:
        """Let containers reach these ports of 127.0.0.1. Raises `LocalStackError`."""
        if not self.is_here:
            return
        numbers = [str(port) for port in ports]
        command = python("infra.local.forward", self.address, *numbers)
        child = processes.start("forward", command, env)
        for port in ports:
            wait_until(
                partial(self._answers, port),
                _TIMEOUT,
                f"port {port} to be open to containers",
                check=child.check,
            )

    def _answers(self, port: int) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((self.address, port)) == 0


def docker_host(image: str, *, pull: bool) -> DockerHost:
    """Asks a container of this image. Raises `LocalStackError`."""
    command = ("run", "--rm", "--pull", "missing" if pull else "never", "--add-host")
    asked = (f"{_NEIGHBOUR}:host-gateway", "--entrypoint", "cat", image, "/etc/hosts")
    try:
        known = docker(*command, *asked, timeout=_PULL_TIMEOUT)
    except LocalStackError as error:
        raise LocalStackError(
            f"a container of {image} could not run: {error.message}", fix=f"docker pull {image}"
        ) from error
    found = re.search(rf"^(\d+\.\d+\.\d+\.\d+)\s+{re.escape(_NEIGHBOUR)}$", known, re.MULTILINE)
    if found is None:
        raise LocalStackError("Docker does not say how a container reaches this machine")
    return DockerHost(address=found[1])
