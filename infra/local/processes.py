"""Processes of the local stack: started, watched, restarted, and never left behind.

Each child runs in a process group of its own, so that Ctrl-C reaches the parent only and the parent
decides the order in which they stop; it writes to a log file of its own, whose last lines explain
an early death. On Linux a child also dies with its parent, even one killed with SIGKILL (see
`launch`). That request is bound to the thread that started the child: start children from a thread
that outlives them, such as the main one.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from core.errors import TidegateError
from infra.local.loopback import Listener, Ports

ROOT = Path(__file__).resolve().parents[2]
"""Where the packages of this project lie: the children's working folder."""

STOP_TIMEOUT = 8.0
"""Seconds between SIGTERM and SIGKILL when a child is stopped."""

_LAUNCH = Path(__file__).with_name("launch.py")
_POLL = 0.05
_LAST_LINES = 15
_LONGEST_REASON = 300

Found = TypeVar("Found")


class LocalStackError(TidegateError):
    """The local stack failed: a process died, or something timed out."""


def wait_until(
    predicate: Callable[[], Found | None],
    timeout: float,
    what: str,
    *,
    check: Callable[[], object] | None = None,
    fix: str | None = None,
) -> Found:
    """Call `predicate` until its result is true, and return that.

    `check` runs before every call and may raise to end the wait early, e.g. because a process has
    died. Raises `LocalStackError` naming `what` after `timeout` seconds, with `fix` as what to do.
    """
    deadline = time.monotonic() + timeout
    while True:
        if check is not None:
            check()
        if found := predicate():
            return found
        if time.monotonic() > deadline:
            raise LocalStackError(f"timed out after {timeout:g} s: {what}", fix=fix)
        time.sleep(_POLL)


def program(name: str) -> str:
    """The full path of a program that a Python package installed beside the interpreter, or that is
    on PATH. Raises `LocalStackError` where it is neither."""
    beside = Path(sys.executable).with_name(name)
    if found := str(beside) if beside.exists() else shutil.which(name):
        return found
    raise LocalStackError(
        f"there is no program {name} on this machine",
        fix="install Tidegate with the extra `local`, as `make setup` does",
    )


def python(module: str, *arguments: str) -> list[str]:
    """The command that runs a module with this interpreter."""
    return [sys.executable, "-m", module, *arguments]


def as_child(command: Sequence[str]) -> list[str]:
    """The command that runs another one, by its program's full path, as a child that cannot outlive
    this process."""
    return [sys.executable, "-I", "-S", str(_LAUNCH), str(os.getpid()), *command]


class Child:
    """One supervised process: over restarts it keeps its `listener`, and its log grows."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        env: Mapping[str, str],
        log: Path,
        listener: Listener | None = None,
    ) -> None:
        self.name = name
        self.command = tuple(command)
        self.env = dict(env)
        self.log = log
        self._sockets = () if listener is None else (listener.socket.fileno(),)
        self._process: subprocess.Popen[bytes] | None = None
        self._group_gone = True
        self._log_start = 0

    @property
    def pid(self) -> int | None:
        """The process id, also after the process has ended; None before the first start."""
        return None if self._process is None else self._process.pid

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def code(self) -> int | None:
        """Its exit code, or minus the number of the signal that ended it; None before that."""
        return None if self._process is None else self._process.poll()

    def start(self) -> None:
        """Start it. `check` says when there is no such program."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self._log_start = output.tell()
            self._process = subprocess.Popen(
                as_child(self.command),
                env=self.env,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=self._sockets,
                process_group=0,
            )
            self._group_gone = False

    def signal(self, number: int) -> None:
        """Send a signal to the process and its group; nothing happens once both are gone."""
        if self._process is not None and not self._group_gone:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)

    def stop(self, timeout: float = STOP_TIMEOUT) -> None:
        """Ask it to end, wait, and kill what is left of its group."""
        if self._process is None:
            return
        if self.alive:
            self.signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout)
        self.kill()

    def kill(self) -> None:
        """End it as a crash would: SIGKILL to the group, and wait until it is gone."""
        if self._process is not None:
            self.signal(signal.SIGKILL)
            self._process.wait()
            # From here on its number may belong to another process.
            self._group_gone = True

    def restart(self) -> None:
        """Stop it if it runs, and start it again."""
        self.stop()
        self.start()

    @property
    def see_log(self) -> str:
        """The next step when something is wrong with it."""
        return f"see its log: {self.log}"

    def check(self) -> None:
        """Raise `LocalStackError` if it has ended; after an exit with its last line, which says
        why."""
        if self._process is not None and (code := self._process.poll()) is not None:
            how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
            last = self.output().rstrip().rpartition("\n")[2].strip() if code >= 0 else ""
            why = f": {_sentence(last)}" if last else ""
            error = LocalStackError(f"{self.name} ended with {how}{why}", fix=self.see_log)
            error.add_note(self.last_words())
            raise error

    def last_words(self, lines: int = _LAST_LINES) -> str:
        """The end of what it wrote since it was last started."""
        return "\n".join(f"  | {line}" for line in self.output().splitlines()[-lines:])

    def output(self) -> str:
        """All that it wrote since it was last started."""
        with suppress(FileNotFoundError), self.log.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode(errors="replace")
        return ""


def _sentence(line: str) -> str:
    """What a line of a log says, in one short line: its message, where it is JSON."""
    with suppress(ValueError, KeyError, TypeError):
        line = str(json.loads(line)["message"])
    text = " ".join(line.split())
    half = _LONGEST_REASON // 2  # the cause is often at the end
    return text if len(text) <= _LONGEST_REASON else f"{text[:half]} ... {text[-half:]}"


class Processes:
    """The children of one stack and their ports. Children are stopped in the reverse of the order
    in which they were started. `ports` are their ports; by default any are taken."""

    def __init__(self, logs: Path, ports: Ports | None = None) -> None:
        self.logs = logs
        self.ports = ports or Ports()
        self._children: dict[str, Child] = {}

    def start(
        self,
        name: str,
        command: Sequence[str],
        env: Mapping[str, str],
        listener: Listener | None = None,
    ) -> Child:
        """Start a child under a unique name; it inherits the `listener`. The command must give the
        full path of its program."""
        return self.add(Child(name, command, env, self.logs / f"{name}.log", listener))

    def add(self, child: Child) -> Child:
        """Start a child under its own name."""
        if child.name in self._children:
            raise ValueError(f"there is a process named {child.name} already")
        self._children[child.name] = child
        child.start()
        return child

    def __getitem__(self, name: str) -> Child:
        return self._children[name]

    def __iter__(self) -> Iterator[Child]:
        return iter(self._children.values())

    def check(self) -> None:
        """Raise `LocalStackError` for the first child that has ended."""
        for child in self:
            child.check()

    def stop(self) -> None:
        """Stop all, the last started first, and give their ports back. May be called twice."""
        for child in reversed(list(self)):
            child.stop()
        self.ports.close()
