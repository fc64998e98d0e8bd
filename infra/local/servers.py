"""Servers of a stack: ours inherit their socket, programs of others bind their ports themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from infra.local.loopback import answers
from infra.local.processes import Child, Processes, python, wait_until

_START_TIMEOUT: Final = 120.0
_IN_USE: Final = "address already in use"
"""What Go, Node and Python say of a port that somebody else listens on."""
_RESTARTS: Final = 3


@dataclass(frozen=True, slots=True)
class Server:
    """A server of ours. What answers at `url` is this child: nobody else has its socket."""

    child: Child
    url: str

    def wait(self, path: str) -> None:
        """Return when it answers a request for `path` with success. Raises `LocalStackError` when
        it dies or does not answer in time."""
        wait_until(
            lambda: answers(self.url + path),
            _START_TIMEOUT,
            f"{self.child.name} to answer at {self.url}{path}",
            check=self.child.check,
            fix=self.child.see_log,
        )


def start_server(
    processes: Processes,
    name: str,
    module: str,
    env: Mapping[str, str],
    *arguments: str,
    port: str | None = None,
) -> Server:
    """Start a module of ours that takes the option `--socket`; it may not answer yet. `port` is the
    name of its port, if that is not the child's."""
    listener = processes.ports.listen(port or name)
    command = python(module, *listener.option, *arguments)
    return Server(processes.start(name, command, env, listener), listener.url)


class Program:
    """A program that binds its ports itself.

    They are reserved, and yet another program may have bound one of them meanwhile. Then this one
    dies, and `wait` starts it again with other ports. That it listens is read from its log: what
    answers on its port could be somebody else's.
    """

    def __init__(
        self,
        processes: Processes,
        name: str,
        env: Mapping[str, str],
        *,
        ports: Sequence[str],
        command: Callable[..., Sequence[str]],
        listens: str,
    ) -> None:
        """Start it; it may not listen yet. `command` makes its command line from one number for
        each name in `ports`; `listens` is what it logs when it listens."""
        self._processes = processes
        self._names = tuple(ports)
        self._command = command
        self._listens = listens
        self._was_up = False
        self.ports = self._reserved()
        self.child = processes.start(name, command(*self.ports), env)

    def wait(self) -> None:
        """Return when it listens; from then on its ports stay the same. Raises `LocalStackError`
        when it dies or does not listen in time."""
        restarts = _RESTARTS

        def listens() -> bool:
            nonlocal restarts
            if restarts and not self.child.alive and _IN_USE in self.child.output().lower():
                restarts -= 1
                self._start_again()
            self.child.check()
            return self._listens in self.child.output()

        what = f"{self.child.name} to listen"
        wait_until(listens, _START_TIMEOUT, what, fix=self.child.see_log)
        self._was_up = True

    def _start_again(self) -> None:
        if not self._was_up:
            for port in self.ports:
                self._processes.ports.release(port)
            self.ports = self._reserved()
            self.child.command = tuple(self._command(*self.ports))
        self.child.restart()

    def _reserved(self) -> tuple[int, ...]:
        return tuple(self._processes.ports.reserve(name) for name in self._names)
