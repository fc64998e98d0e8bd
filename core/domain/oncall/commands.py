"""Commands: what people ask of the state of on-call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import AwareDatetime, Field, StringConstraints

from core.domain import command
from core.domain.command import Actor, Word
from core.domain.matching import Match, Name
from core.domain.oncall.silencing import SilenceKind
from core.domain.value import ONE_LINE, Value

LONGEST_BY: Final = 100
LONGEST_WHY: Final = 200
"""In characters."""
MAX_PEOPLE: Final = 20
"""Most people of one override."""

_Why = Annotated[str, StringConstraints(max_length=LONGEST_WHY), ONE_LINE]


class Command(command.Command):
    """The base of these commands."""

    actor: Annotated[Actor, Field(max_length=LONGEST_BY)]


class PlannedOverride(Value):
    """Who is on call for a schedule instead of those of its layers, and when. It begins now where
    `from` is null or has passed."""

    model_config = command.Command.model_config

    schedule: Name
    people: tuple[Name, ...] = Field(min_length=1, max_length=MAX_PEOPLE)
    start: AwareDatetime | None = Field(None, alias="from")
    end: AwareDatetime = Field(alias="until")


class AddOverride(Command, PlannedOverride):
    """Put other people on call for some time."""

    name = "add_override"

    why: _Why = ""


class RemoveOverride(Command):
    """End an override, or remove it before it begins: the layers decide again."""

    name = "remove_override"

    id: Word


class Swap(Command):
    """Exchange two shifts: two overrides, of which both are added or none."""

    name = "swap"

    overrides: tuple[PlannedOverride, PlannedOverride]
    why: _Why = ""


class AddSilence(Command):
    """Page nobody for some time for the incidents that `match` fits, or for those under the
    workflow ID `incident`. For everything only with `everything`."""

    name = "add_silence"

    kind: SilenceKind = SilenceKind.SILENCE
    match: Match | None = None
    incident: Annotated[str, Field(min_length=1, max_length=255)] | None = None
    everything: bool = False
    start: AwareDatetime | None = Field(None, alias="from")
    end: AwareDatetime = Field(alias="until")
    why: Annotated[_Why, Field(min_length=1)]


class EndSilence(Command):
    """End a silence or a maintenance window, or remove it before it begins."""

    name = "end_silence"

    id: Word


AnyCommand = AddOverride | RemoveOverride | Swap | AddSilence | EndSilence

COMMANDS: Final[Mapping[str, type[AnyCommand]]] = {
    kind.name: kind for kind in (AddOverride, RemoveOverride, Swap, AddSilence, EndSilence)
}
"""Every command by its name."""
