"""Heartbeats for operators: what the on-call file declares, beside what runs in Temporal."""

from __future__ import annotations

import uuid
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from core import bootstrap
from core.adapters.temporal import heartbeats as adapter
from core.config.settings import Settings
from core.domain.heartbeat.declaration import HeartbeatRule
from core.domain.heartbeat.model import Heartbeat, Status
from core.domain.oncall.file import OnCallFile

if TYPE_CHECKING:
    from temporalio.client import Client

NOT_BEGUN: Final = "not begun"
"""The status of what is declared and does not run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Synced:
    """What was done: which heartbeats read their declarations, which are begun, and which run and
    are no longer in the file."""

    declared: int
    begun: tuple[str, ...]
    removed: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One heartbeat: what this machine's file declares of it, and its status in Temporal."""

    name: str
    status: str
    expected: str | None
    grace: float | None
    severity: str | None
    service: str | None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


async def sync(settings: Settings) -> Synced:
    """Have every heartbeat read its declaration, begin those that do not run yet, and end those
    that the file has no longer.

    It is the workers' file that is read: it has to be rolled out before. Raises
    `ConfigurationError` or `TemporalUnavailable`.
    """
    declared = bootstrap.required_oncall(settings).heartbeats
    client = await bootstrap.connect(settings)
    running = await adapter.running(client)
    names = {each.name for each in running}
    others = [each for each in running if each.name not in declared]
    await adapter.begin(client, declared)
    await adapter.read_again(client, [each.name for each in others])
    return Synced(
        declared=len(declared),
        begun=tuple(name for name in declared if name not in names),
        removed=tuple(each.name for each in others if each.status != Status.UNDECLARED),
    )


async def listed(client: Client, file: OnCallFile) -> list[Listed]:
    """Every heartbeat that a file declares or that runs, by name. Raises `TemporalUnavailable`, or
    `SettingsError` for a wrong namespace or credentials."""
    declared = file.heartbeats
    running = {each.name: each for each in await adapter.running(client)}
    return [
        _listed(name, declared.get(name), running.get(name))
        for name in sorted({*declared, *running})
    ]


async def pause(
    client: Client,
    name: str,
    *,
    by: str,
    why: str,
    until: datetime | None,
    command_id: str | None = None,
) -> Heartbeat:
    """Expect nothing of it, until a moment or until it is resumed. A command of the same ID is done
    once. Raises `CommandRefused`, `UnknownName` where it does not run, or as `listed`."""
    fields = {"by": by, "why": why, "until": until.isoformat() if until else None}
    return await adapter.pause(client, name, fields, id=command_id or uuid.uuid4().hex)


async def resume(client: Client, name: str, *, command_id: str | None = None) -> Heartbeat:
    """Expect it again. Raises as `pause`."""
    return await adapter.resume(client, name, id=command_id or uuid.uuid4().hex)


def _listed(name: str, rule: HeartbeatRule | None, runs: adapter.Running | None) -> Listed:
    declaration = rule.declared(name) if rule else None
    shown = runs or adapter.Running(name=name, status=NOT_BEGUN)
    return Listed(
        name=name,
        status=shown.status or Status.WAITING.value,
        expected=declaration.text() if declaration else None,
        grace=declaration.grace if declaration else None,
        severity=declaration.severity.value if declaration else shown.severity,
        service=declaration.service if declaration else shown.service,
    )
