"""What the tests of the incident commands share: an incident in place of Temporal's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from core import bootstrap
from core.adapters.temporal import incidents
from core.adapters.temporal.incidents import CommandResult
from core.domain.command import read_command
from core.domain.handles import handle_of
from core.domain.incident.commands import COMMANDS, AnyCommand
from core.domain.incident.decisions.command_facts import command_facts
from core.domain.incident.decisions.command_handling import refusal
from core.errors import CommandRefused
from tests.unit.incident.examples import ID, Life
from workers.incident.workflow.updates import summary

HANDLE = handle_of(ID)


def obey(life: Life, command: AnyCommand) -> CommandResult:
    """What the workflow answers to a command."""
    if refused := refusal(life.incident, command, life.now):
        raise CommandRefused(f"incident {HANDLE}: {refused}", incident=HANDLE, refusal=refused)
    before = life.incident
    events, _ = life.give(command)
    facts = command_facts(before, life.incident, events, life.now)
    answer: Any = {"changed": bool(events), **summary(life.incident), **facts}
    return answer  # type: ignore[no-any-return]  # as from JSON


@dataclass
class Desk:
    """Takes what the command sends, at a port in place of Temporal's client."""

    life: Life
    sent: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def place(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async def connect(*_: object) -> None:
            return None

        async def send(_: object, id: str, name: str, fields: Mapping[str, Any]) -> CommandResult:
            self.sent.append((name, dict(fields)))
            return obey(self.life, read_command(COMMANDS[name], dict(fields)))

        async def signal(_: object, id: str, name: str, fields: Mapping[str, Any]) -> str:
            self.sent.append((name, dict(fields)))
            return ID if id == HANDLE else id

        monkeypatch.setattr(bootstrap, "connect", connect)
        monkeypatch.setattr(incidents, "signal", signal)
        monkeypatch.setattr(incidents, "send", send)
