"""How another shell finds a running stack: by the state folder of `tidegate dev`."""

from __future__ import annotations

import fcntl
import json
import os
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import IO, Any, Final, Self

from core.errors import TransientError
from infra.local.processes import LocalStackError, wait_until

STATE: Final = Path(".tidegate")
"""The state folder of `tidegate dev`, relative to the working folder."""
_STACK, _ENV, _LOCK = "stack.json", "env", "lock"
_LOOK: Final = 0.2
"""Seconds in which whoever only looks whether a stack runs has given the lock back."""


class NoLocalStack(LocalStackError, TransientError):
    """No stack runs in this folder, or none any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Where a running stack's servers are, as `tidegate send` needs them."""

    temporal: str
    temporal_ui: str | None
    cloud: Mapping[str, Any]
    gateway: str
    pager: str
    env: Mapping[str, str]
    """The settings of every process of the stack."""

    @classmethod
    def read(cls, state: Path) -> Self | None:
        """The endpoints of the stack that runs with this state folder, or None where none runs."""
        if not _is_locked(state):
            return None  # whatever a killed one has left behind
        try:
            content = json.loads((state / _STACK).read_text())
            return cls(**{field.name: content[field.name] for field in fields(cls)})
        except (OSError, ValueError, KeyError, TypeError):  # not written yet
            return None

    def write(self, state: Path) -> None:
        _write(state / _STACK, json.dumps(asdict(self), indent=2) + "\n")


def running(state: Path) -> Endpoints:
    """The endpoints of the stack with this state folder. Raises `NoLocalStack` if none runs."""
    if (endpoints := Endpoints.read(state)) is None:
        if _is_locked(state):
            raise NoLocalStack(
                "the local stack here is not up yet", fix="wait until its shell says that it is"
            )
        raise NoLocalStack(
            f"no local stack runs here ({state / _STACK} names none)",
            fix="start one in another shell, in this folder: `tidegate dev`",
        )
    return endpoints


def env_file(state: Path = STATE) -> Path | None:
    """The file that a shell has to source to use the stack that runs with this state folder, or
    None where none runs or the environment has that stack's variables already."""
    stack = Endpoints.read(state)
    if stack is None or os.environ.get("TEMPORAL_ADDRESS") == stack.temporal:
        return None
    return state / _ENV


@contextmanager
def alone(state: Path) -> Iterator[None]:
    """Within the block no other stack starts with this state folder, which is made if need be and
    has nothing of an earlier stack that was killed. Raises `LocalStackError` where one runs,
    OSError where the folder cannot be written."""
    state.mkdir(parents=True, exist_ok=True)
    with (state / _LOCK).open("a+") as lock:
        try:
            wait_until(lambda: _locks(lock), _LOOK, "the lock")
        except LocalStackError:
            lock.seek(0)
            pid = lock.read().strip()
            is_up = Endpoints.read(state) is not None
            use = f"use it (`. {state / _ENV}`)" if is_up else "wait until it is up"
            raise LocalStackError(
                f"a stack {'runs' if is_up else 'starts'} here already, as process {pid}",
                fix=f"{use}, stop it (`kill {pid}`, or Ctrl-C in its shell), "
                "or start another one in another folder",
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        _remove(state)
        yield


@contextmanager
def announced(endpoints: Endpoints, script: str, state: Path) -> Iterator[None]:
    """Within the block other shells find the stack by its state folder, and there a script to
    source (see `exports`)."""
    endpoints.write(state)
    _write(state / _ENV, script)
    try:
        yield
    finally:
        _remove(state)


def exports(env: Mapping[str, str]) -> str:
    """A shell's script that sets these variables."""
    return "".join(f"export {name}={shlex.quote(text)}\n" for name, text in env.items())


def _locks(lock: IO[str], how: int = fcntl.LOCK_EX) -> bool:
    try:
        fcntl.flock(lock, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_locked(state: Path) -> bool:
    """Whether a stack runs with this state folder, or starts or stops: its process has the lock,
    however it ends."""
    try:
        with (state / _LOCK).open() as lock:
            return not _locks(lock, fcntl.LOCK_SH)
    except OSError:  # there is none, or it is not ours to read
        return False


def _remove(state: Path) -> None:
    for name in (_STACK, _ENV):
        (state / name).unlink(missing_ok=True)


def _write(path: Path, text: str) -> None:
    """Write a file that only its owner reads: variables of policies and webhooks are secrets."""
    with suppress(FileNotFoundError):
        path.unlink()
    path.touch(0o600)
    path.write_text(text)
