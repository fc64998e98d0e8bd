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
from typing import Any, Final, Self

from core.errors import TransientError
from infra.local.processes import LocalStackError

STATE: Final = Path(".tidegate")
"""The state folder of `tidegate dev`, relative to the working folder."""
_STACK, _ENV, _LOCK = "stack.json", "env", "lock"


class NoLocalStack(LocalStackError, TransientError):
    """No stack runs in this folder, or none any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Where a running stack's servers are, as `tidegate send` needs them."""

    pid: int
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
        try:
            content = json.loads((state / _STACK).read_text())
            endpoints = cls(**{field.name: content[field.name] for field in fields(cls)})
            os.kill(endpoints.pid, 0)
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return endpoints

    def write(self, state: Path) -> None:
        _write(state / _STACK, json.dumps(asdict(self), indent=2) + "\n")


def running(state: Path) -> Endpoints:
    """The endpoints of the stack with this state folder. Raises `NoLocalStack` if none runs."""
    if (endpoints := Endpoints.read(state)) is None:
        raise NoLocalStack(
            f"no local stack runs here ({state / _STACK} names none)",
            fix="start one in another shell, in this folder: `tidegate dev`",
        )
    return endpoints


def env_file(state: Path = STATE) -> Path | None:
    """The file to source for the stack that runs with this state folder, or None where none
    runs."""
    return state / _ENV if Endpoints.read(state) else None


def is_used(state: Path = STATE) -> bool:
    """Whether the environment has the variables of the stack that runs with this state folder."""
    stack = Endpoints.read(state)
    return stack is not None and os.environ.get("TEMPORAL_ADDRESS") == stack.temporal


@contextmanager
def alone(state: Path) -> Iterator[None]:
    """Within the block no other stack starts with this state folder, which is made if need be.
    Raises `LocalStackError` where one runs, OSError where the folder cannot be written."""
    state.mkdir(parents=True, exist_ok=True)
    with (state / _LOCK).open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            pid = lock.read().strip()
            raise LocalStackError(
                f"a stack runs here already, as process {pid}",
                fix=f"use it (`. {state / _ENV}`), stop it (`kill {pid}`, or Ctrl-C in its shell), "
                "or start another one in another folder",
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
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
        for name in (_STACK, _ENV):
            with suppress(FileNotFoundError):
                (state / name).unlink()


def exports(env: Mapping[str, str]) -> str:
    """A shell's script that sets these variables."""
    return "".join(f"export {name}={shlex.quote(text)}\n" for name, text in env.items())


def _write(path: Path, text: str) -> None:
    """Write a file that only its owner reads: variables of policies and webhooks are secrets."""
    with suppress(FileNotFoundError):
        path.unlink()
    path.touch(0o600)
    path.write_text(text)
