"""127.0.0.1: ports that belong to a stack before a server uses them, and HTTP without a proxy.

A server of ours inherits a socket that listens already (`Ports.listen`), so that its port cannot be
lost, not even during a restart, and whoever answers on it is that server. A program that insists on
binding its own port gets a number that no other stack uses (`Ports.reserve`).
"""

from __future__ import annotations

import errno
import os
import random
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import requests

HOST: Final = "127.0.0.1"
TEMPORAL_PORT, UI_PORT = "Temporal", "Temporal's UI"
WEBHOOKS_PORT, PAGER_PORT = "Webhooks", "Pager"
DOCUMENTS_PORT, SERVICE_BUS_PORT = "Documents", "Service Bus"
APPLICATION_PORT: Final = "Application"
SLACK_PORT: Final = "Slack"
"""The names of the ports that people use."""
_RANGE: Final = range(20_000, 32_000)
"""Operating systems take ports for outgoing connections, and for port 0, from 32768 on."""
_TRIES: Final = 100
_PROBE_TIMEOUT: Final = 2.0


@dataclass(frozen=True, slots=True)
class Listener:
    """A listening socket for a server to inherit (see `inherited`)."""

    socket: socket.socket

    @property
    def port(self) -> int:
        port: int = self.socket.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def option(self) -> tuple[str, str]:
        """The option that passes the socket to a server's command."""
        return "--socket", str(self.socket.fileno())


def inherited(descriptor: str) -> socket.socket:
    """The socket that was passed as this file descriptor: the `type` of an option `--socket`."""
    return socket.socket(fileno=int(descriptor))


class Ports:
    """The ports of one stack, until `close`.

    `preferred` has the number to use for each server by its name; without one, or where that one is
    in use, any number is taken. In the second case `remarks` says so, or with `exact` OSError is
    raised.
    """

    def __init__(self, preferred: Mapping[str, int] | None = None, *, exact: bool = False) -> None:
        self._preferred = preferred or {}
        self._exact = exact
        self._remarks: dict[str, str] = {}
        self._listening: list[socket.socket] = []
        self._guards: dict[int, socket.socket] = {}

    @property
    def remarks(self) -> list[str]:
        """A sentence for each server that is not on its preferred port."""
        return list(self._remarks.values())

    def listen(self, name: str, *, host: str = HOST, shared: bool = False) -> Listener:
        """A socket that listens on a port of its own. With `shared`, the next ones of this name
        listen on the same port, and the kernel spreads connections over all of them."""
        preferred = self._preferred.get(name, 0)
        try:
            new = socket.create_server((host, preferred), reuse_port=shared)
        except OSError as error:
            self._refuse_another(name, error)
            new = socket.create_server((host, 0), reuse_port=shared)
        self._listening.append(new)
        listener = Listener(new)
        if shared:
            self._preferred = {**self._preferred, name: listener.port}
        self._remark(name, listener.port)
        return listener

    def reserve(self, name: str) -> int:
        """A port that is free, and that no other stack gets while this one holds it. Raises
        OSError when there is none."""
        for port in self._candidates(name):
            # Stacks keep out of each other's way by the UDP port of the same number: only one can
            # be bound to it, and the kernel frees it however its process ends.
            guard = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            try:
                guard.bind((HOST, port))
                socket.create_server((HOST, port)).close()
            except OSError as error:
                guard.close()
                self._refuse_another(name, error)
                continue
            self._guards[port] = guard
            self._remark(name, port)
            return port
        raise OSError(errno.EADDRINUSE, f"no port from {_RANGE.start} to {_RANGE.stop} is free")

    def release(self, port: int) -> None:
        """Give a reserved port back."""
        if guard := self._guards.pop(port, None):
            guard.close()

    def close(self) -> None:
        """Give all ports back."""
        for held in (*self._listening, *self._guards.values()):
            held.close()
        self._listening.clear()
        self._guards.clear()

    def _candidates(self, name: str) -> Iterator[int]:
        if name in self._preferred:
            yield self._preferred[name]
        yield from random.sample(_RANGE, _TRIES)

    def _refuse_another(self, name: str, error: OSError) -> None:
        """Raise when the port that was not free may not be replaced."""
        if self._exact and name in self._preferred:
            port = self._preferred[name]
            reason = os.strerror(error.errno or errno.EADDRINUSE)
            raise OSError(error.errno, f"port {port}, for {name}: {reason}") from error

    def _remark(self, name: str, port: int) -> None:
        self._remarks.pop(name, None)
        preferred = self._preferred.get(name, port)
        if port != preferred:
            self._remarks[name] = f"port {preferred} is taken: {port} is used for {name}"


def local_session() -> requests.Session:
    """An HTTP client for servers on this machine, which ignores the proxy settings."""
    import requests

    session = requests.Session()
    session.trust_env = False
    return session


def answers(url: str) -> bool:
    """Whether a server answers with success."""
    import requests

    try:
        with local_session() as session:
            return session.get(url, timeout=_PROBE_TIMEOUT).ok
    except requests.RequestException:
        return False
