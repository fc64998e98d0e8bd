"""Who may do what to an incident.

    source       a monitoring system: only what it knows, that is whether its service is well
    responder    anybody else: everything, until there is a commander
    commander    everything, including what decides about the incident as a whole

Nobody is locked out: anybody may take command, and the timeline shows it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from core.domain.incident.commands import (
    Acknowledge,
    Assign,
    Close,
    Command,
    Comment,
    Resolve,
    SetSeverity,
    Unacknowledge,
)
from core.domain.incident.model import Incident
from core.domain.incident.timeline import SOURCE_PREFIX


class Role(StrEnum):
    """The role of an actor in an incident."""

    SOURCE = "source"
    RESPONDER = "responder"
    COMMANDER = "commander"


_OF_SOURCES: Final = (Acknowledge, Unacknowledge, Resolve, Comment)
_OF_COMMANDERS: Final = (Close, SetSeverity)


def role_of(incident: Incident, actor: str) -> Role:
    """The role of an actor; sources are named `source:...`."""
    if actor.startswith(SOURCE_PREFIX):
        return Role.SOURCE
    return Role.COMMANDER if actor == incident.commander else Role.RESPONDER


def denial(incident: Incident, command: Command) -> str | None:
    """Why the command's actor may not give it; None if it may."""
    role = role_of(incident, command.actor)
    if role is Role.SOURCE:
        if not isinstance(command, _OF_SOURCES) or _is_forced(command):
            return f"{command.actor} is a source: it may not {_name(command)}"
        return None
    if role is Role.COMMANDER or incident.commander is None:
        return None
    if isinstance(command, _OF_COMMANDERS) or _is_forced(command) or _passes_on(command):
        return (
            f"{incident.commander} commands the incident and is the one to {_name(command)}; "
            "to do it, take command (assign)"
        )
    return None


def _is_forced(command: Command) -> bool:
    return isinstance(command, Resolve) and command.force


def _passes_on(command: Command) -> bool:
    """Whether it makes somebody else commander, or leaves none."""
    return (
        isinstance(command, Assign)
        and "commander" in command.model_fields_set
        and command.commander != command.actor
    )


def _name(command: Command) -> str:
    if _is_forced(command):
        return f"{command.name} with `force`"
    return "pass on the command" if _passes_on(command) else command.name
