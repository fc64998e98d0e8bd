"""What can happen to an incident from outside: commands of people, and news from the shell.

Commands come from anybody who may call the workflow, so they are checked field by field here; the
rest is made by our own code.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import AwareDatetime, StringConstraints, ValidationError

from core.domain.incident.intake_report import IncidentReport
from core.domain.incident.model import Policy, Record
from core.domain.incident.problems import problems_of
from core.domain.incident.text import CLEAN, ONE_LINE

_Word = Annotated[str, StringConstraints(min_length=1, max_length=200), ONE_LINE]
_Note = Annotated[str, StringConstraints(max_length=2000), CLEAN]


class Open(Record):
    """The document was read: `event_key` is the identity of the event that brought it."""

    report: IncidentReport
    policy: Policy
    event_key: str
    document: str | None = None


class FurtherEvent(Record):
    """Another event that was routed to this incident."""

    event_key: str
    event_type: str
    document: str | None = None


class Remark(Record):
    """Something that the timeline should say."""

    text: str


class Command(Record):
    """What a person asks for.

    `command_id` is chosen by the caller and stays the same over the caller's retries; with
    `incident_id` the command is refused by any other incident.
    """

    command_id: _Word
    actor: _Word
    incident_id: str | None = None
    note: _Note | None = None


class Acknowledge(Command):
    """I have it."""


class Resolve(Command):
    """It is over."""


class Wake(Record):
    """The moment that `lifecycle.deadline` named may have come."""


class PageSettled(Record):
    """One round of a page ended: delivered, or failed with a reason."""

    key: str
    failure: str | None = None


class ReportSettled(Record):
    """The report of one resolution was written to `uris`, or could not be for a reason."""

    resolved_at: AwareDatetime
    uris: tuple[str, ...] = ()
    failure: str | None = None


class Close(Record):
    """The shell has nothing left to do for the incident."""


Input = (
    Open
    | FurtherEvent
    | Remark
    | Acknowledge
    | Resolve
    | Wake
    | PageSettled
    | ReportSettled
    | Close
)

C = TypeVar("C", bound=Command)


def read_command(kind: type[C], envelope: Any) -> C:
    """A command out of whatever a caller sent; unknown fields are ignored.

    Raises ValueError naming every field at fault.
    """
    if not isinstance(envelope, dict):
        raise ValueError("a command is a JSON object with at least command_id and actor")
    try:
        return kind.model_validate(envelope)
    except ValidationError as error:
        raise ValueError("; ".join(problems_of(error))) from None
