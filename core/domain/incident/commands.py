"""Commands: what people ask of an incident."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Self

from pydantic import AwareDatetime, Field, StringConstraints, model_validator

from core.domain import command
from core.domain.command import Proof, Word, read_command
from core.domain.incident.status import CloseReason
from core.domain.severity import Severity
from core.domain.value import CLEAN

LONGEST_NOTE: Final = 2000
LONGEST_COMMENT: Final = 10_000
"""In characters."""

LONGEST_ID: Final = 1_100
"""In characters: of a workflow ID Temporal takes 1,000, and when it began follows."""

LONGEST_SNOOZE: Final = 30 * 86_400.0
"""In seconds. A longer silence belongs in the policies file."""

_Note = Annotated[str, StringConstraints(max_length=LONGEST_NOTE), CLEAN]
_Comment = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_COMMENT), CLEAN
]


class Command(command.Command):
    """The base of an incident's commands.

    `incident_id` is an incident's own ID, and then no other incident takes the command, not even a
    successor under the same workflow ID; or the workflow ID, or None, and then whichever incident
    runs under it does. `proof` is what whoever passes it on says of its actor, and `given_at` when
    they gave it there: what one system passes on may arrive in another order.
    """

    incident_id: Annotated[str, StringConstraints(max_length=LONGEST_ID)] | None = None
    proof: Proof | None = None
    given_at: AwareDatetime | None = None
    note: _Note | None = None


class Acknowledge(Command):
    """Take the incident: nobody else is paged."""

    name = "acknowledge"


class Unacknowledge(Command):
    """Give it back: it is open again, a snooze ends, and paging starts at level 1."""

    name = "unacknowledge"


class Escalate(Command):
    """Page the next level now, at the last one that level again, whoever has the incident."""

    name = "escalate"


class Mitigate(Command):
    """Mark as mitigated: the impact has stopped, the cause has not been fixed."""

    name = "mitigate"


class Resolve(Command):
    """Mark as resolved, with `force` although alerts are still firing."""

    name = "resolve"

    force: bool = False


class Reopen(Command):
    """Undo a mitigation or a resolution: it is open again."""

    name = "reopen"


class Assign(Command):
    """Set who works on it and who commands; null for nobody. A field that is left out stays."""

    name = "assign"

    assignee: Word | None = None
    commander: Word | None = None

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
    """Add `note` to the timeline."""

    name = "comment"

    note: _Comment


class SetSeverity(Command):
    """Set the severity."""

    name = "set_severity"

    severity: Severity


class Close(Command):
    """End the incident, with what it turned out to be."""

    name = "close"

    reason: CloseReason


AnyCommand = (
    Acknowledge
    | Unacknowledge
    | Escalate
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
        Escalate,
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


def read_named(envelope: Any) -> AnyCommand:
    """The command of `{name, command_id, actor, ...}`. Raises ValueError naming every invalid or
    unknown field."""
    fields = dict(envelope) if isinstance(envelope, dict) else {}
    name = fields.pop("name", None)
    if not isinstance(name, str) or name not in COMMANDS:
        raise ValueError(f"`name` is none of {', '.join(COMMANDS)}")
    return read_command(COMMANDS[name], fields)
