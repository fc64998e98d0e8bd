"""Who may do what to an incident.

    source       a monitoring system: only what it knows, that is whether its service is well
    responder    anybody else: everything, until there is a commander
    commander    everything, including what decides about the incident as a whole

Nobody is locked out: anybody may take command, and the timeline shows it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from core.domain.command import SOURCE_PREFIX
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
from core.domain.incident.refusals import Deed, Refusal


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


def denial(incident: Incident, command: Command) -> Refusal | None:
    """Why the command's actor may not give it; None if it may."""
    role, deed = role_of(incident, command.actor), deed_of(command)
    if role is Role.SOURCE:
        if not isinstance(command, _OF_SOURCES) or deed is Deed.FORCE:
            return Refusal(
                deed=deed,
                why=f"{command.actor} is a source, which only knows whether its service is well",
            )
        return None
    if role is Role.COMMANDER or incident.commander is None:
        return None
    if isinstance(command, _OF_COMMANDERS) or deed in (Deed.FORCE, Deed.HAND_OVER):
        return Refusal(
            deed=deed,
            why=f"{incident.commander} commands the incident, and only the commander may",
            possible=(Deed.TAKE_COMMAND,),
        )
    return None


def deed_of(command: Command) -> Deed:
    """What a command is about: more than its name where some may give it only in part."""
    if isinstance(command, Resolve) and command.force:
        return Deed.FORCE
    return Deed.HAND_OVER if _passes_on(command) else Deed(command.name)


def _passes_on(command: Command) -> bool:
    """Whether it makes somebody else commander, or leaves none."""
    return (
        isinstance(command, Assign)
        and "commander" in command.model_fields_set
        and command.commander != command.actor
    )
