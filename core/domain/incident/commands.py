"""Commands: what people ask of an incident. Anybody may send one, so every field is checked here.

Each has the name under which it is sent. Fields that a command does not have are refused, because
whoever sends `untill` means something by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final, Self, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from core.domain.incident.model import CloseReason
from core.domain.incident.severity import Severity
from core.domain.incident.timeline import TIDEGATE
from core.domain.problems import problems_of
from core.domain.text import CLEAN, ONE_LINE
from core.domain.value import Value

LONGEST_SNOOZE: Final = 30 * 86_400.0
"""In seconds; whatever is to be quiet for longer is a matter for the policy."""


def _not_ours(actor: str) -> str:
    if actor == TIDEGATE:
        raise ValueError(f"{TIDEGATE!r} is the name of what nobody did by hand")
    return actor


_Word = Annotated[str, StringConstraints(min_length=1, max_length=200), ONE_LINE]
_Actor = Annotated[
    str, StringConstraints(min_length=1, max_length=200), AfterValidator(_not_ours), ONE_LINE
]
_Note = Annotated[str, StringConstraints(max_length=2000), CLEAN]
_Said = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=10_000), CLEAN
]


class Command(Value):
    """What a person asks for.

    `command_id` is chosen by the caller and stays the same over the caller's retries. With
    `incident_id` no other incident takes the command, not even a successor under the same workflow
    ID; with the workflow ID, or without, whichever incident runs under it does.
    """

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    name: ClassVar[str]

    command_id: _Word
    actor: _Actor
    incident_id: str | None = None
    note: _Note | None = None


class Acknowledge(Command):
    """I have it."""

    name = "acknowledge"


class Unacknowledge(Command):
    """I do not have it any more."""

    name = "unacknowledge"


class Mitigate(Command):
    """It does not hurt any more, and is not over."""

    name = "mitigate"


class Resolve(Command):
    """It is over; `force` says so although alerts still fire."""

    name = "resolve"

    force: bool = False


class Reopen(Command):
    """It is not over."""

    name = "reopen"


class Assign(Command):
    """Who works on it, who commands; null for nobody. What is not given stays."""

    name = "assign"

    assignee: _Word | None = None
    commander: _Word | None = None

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        if not self.model_fields_set & {"assignee", "commander"}:
            raise ValueError("give an assignee, a commander or both")
        return self


class Snooze(Command):
    """Page nobody until a moment, or `for` so many seconds; `for` 0 ends a snooze."""

    name = "snooze"

    until: AwareDatetime | None = None
    for_: float | None = Field(
        default=None, alias="for", ge=0, le=LONGEST_SNOOZE, allow_inf_nan=False
    )

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.until is None) == (self.for_ is None):
            raise ValueError("give either `until` or `for`")
        return self


class Comment(Command):
    """Something to keep: `note` is the comment."""

    name = "comment"

    note: _Said


class SetSeverity(Command):
    """How bad it is."""

    name = "set_severity"

    severity: Severity


class Close(Command):
    """What it turned out to be: the end."""

    name = "close"

    reason: CloseReason


AnyCommand = (
    Acknowledge
    | Unacknowledge
    | Mitigate
    | Resolve
    | Reopen
    | Assign
    | Snooze
    | Comment
    | SetSeverity
    | Close
)

COMMANDS: Final[Mapping[str, type[AnyCommand]]] = {
    kind.name: kind
    for kind in (
        Acknowledge,
        Unacknowledge,
        Mitigate,
        Resolve,
        Reopen,
        Assign,
        Snooze,
        Comment,
        SetSeverity,
        Close,
    )
}
"""Every command by its name."""

C = TypeVar("C", bound=Command)


def read_command(kind: type[C], envelope: Any) -> C:
    """A command out of whatever a caller sent.

    Raises ValueError naming every field at fault, also those that the command does not have.
    """
    if not isinstance(envelope, dict):
        raise ValueError("a command is a JSON object with at least command_id and actor")
    try:
        return kind.model_validate(envelope)
    except ValidationError as error:
        raise ValueError("; ".join(problems_of(error))) from None
