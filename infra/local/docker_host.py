"""The address at which containers on Docker's default network reach this machine."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from infra.local.containers import docker
from infra.local.processes import LocalStackError, Processes, python

_NEIGHBOUR: Final = "host.docker.internal"
_PULL_TIMEOUT: Final = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DockerHost:
    """Containers reach this machine at `address`. Where Docker runs on it, that is one of its own
    addresses. Where Docker has a machine of its own (Docker Desktop), Docker itself forwards what
    containers send there to this machine's 127.0.0.1."""

    address: str

    @property
    def is_here(self) -> bool:
        with socket.socket() as probe:
            try:
                probe.bind((self.address, 0))
            except OSError:
                return False
            return True

    def open(self, processes: Processes, env: Mapping[str, str], port: int) -> str:
        """Let containers reach this port of 127.0.0.1; returns the address that they use."""
        if not self.is_here:
            return f"{self.address}:{port}"
        name = f"forward-{port}"
        listener = processes.ports.listen(name, host=self.address)
        command = python("infra.local.forward", *listener.option, "--to", str(port))
        processes.start(name, command, env, listener)
        return f"{self.address}:{listener.port}"


def docker_host(image: str, *, pull: bool) -> DockerHost:
    """The address, looked up in a container of this image. Raises `LocalStackError`."""
    command = ("run", "--rm", "--pull", "missing" if pull else "never", "--add-host")
    asked = (f"{_NEIGHBOUR}:host-gateway", "--entrypoint", "cat", image, "/etc/hosts")
    try:
        hosts = docker(*command, *asked, timeout=_PULL_TIMEOUT)
    except LocalStackError as error:
        raise LocalStackError(
            f"a container of {image} could not run: {error.message}", fix=f"docker pull {image}"
        ) from error
    match = re.search(rf"^(\d+\.\d+\.\d+\.\d+)\s+{re.escape(_NEIGHBOUR)}$", hosts, re.MULTILINE)
    if match is None:
        raise LocalStackError("Docker does not say how a container reaches this machine")
    return DockerHost(address=match[1])
