"""How another shell finds a running stack: by the state folder of `tidegate dev`."""

from __future__ import annotations

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
_STACK, _ENV = "stack.json", "env"


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
    webhooks: str
    queue_formats: str
    """TIDEGATE_QUEUE_FORMATS; empty where no queue was given a format."""
    pager: str

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
        (state / _STACK).write_text(json.dumps(asdict(self), indent=2) + "\n")


def running(state: Path) -> Endpoints:
    """The endpoints of the stack with this state folder. Raises `NoLocalStack` if none runs."""
    if (endpoints := Endpoints.read(state)) is None:
        raise NoLocalStack(
            f"no local stack runs here ({state / _STACK} names none)",
            fix="start one in another shell, in this folder: `tidegate dev`",
        )
    return endpoints


@contextmanager
def announced(endpoints: Endpoints, env: Mapping[str, str], state: Path) -> Iterator[None]:
    """Within the block other shells find the stack by its state folder, and its settings there in
    a file to source."""
    endpoints.write(state)
    exports = [f"export {name}={shlex.quote(text)}\n" for name, text in env.items()]
    (state / _ENV).write_text("".join(exports))
    try:
        yield
    finally:
        for name in (_STACK, _ENV):
            with suppress(FileNotFoundError):
                (state / name).unlink()
