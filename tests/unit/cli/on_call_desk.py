"""What the tests of the on-call commands share: the state in place of Temporal's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from core import bootstrap
from core.adapters.temporal import on_call
from core.domain.command import read_command
from core.domain.oncall.changes import Refusal, change
from core.domain.oncall.commands import COMMANDS
from core.domain.oncall.state import OnCallState
from core.errors import CommandRefused


@dataclass
class OnCallDesk:
    """Takes what the commands send as the workflow would."""

    state: OnCallState = field(default_factory=OnCallState)
    sent: list[dict[str, Any]] = field(default_factory=list)

    def place(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async def connect(*_: object) -> None:
            return None

        async def read_state(_: object) -> OnCallState:
            return self.state

        async def send(_: object, name: str, fields: Mapping[str, Any]) -> dict[str, Any]:
            self.sent.append(dict(fields))
            done = change(self.state, read_command(COMMANDS[name], dict(fields)), datetime.now(UTC))
            if isinstance(done, Refusal):
                raise CommandRefused(done.why, fix=done.advice)
            self.state = done.state
            return done.facts()

        monkeypatch.setattr(bootstrap, "connect", connect)
        monkeypatch.setattr(on_call, "read_state", read_state)
        monkeypatch.setattr(on_call, "send", send)
