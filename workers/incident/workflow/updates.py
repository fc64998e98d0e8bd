"""Commands as updates carry them: validation, and the summary that answers them.

Deterministic: runs in the workflow sandbox.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from temporalio import workflow

from core.domain.command import read_command
from core.domain.handles import handle_of
from core.domain.incident.commands import AnyCommand
from core.domain.incident.decisions.command_facts import command_facts
from core.domain.incident.decisions.command_handling import refusal
from core.domain.incident.model import Incident
from core.domain.incident.timeline import TimelineEvent
from workers.incident.workflow import activity_options

INVALID_COMMAND: Final = "InvalidCommand"
COMMAND_REFUSED: Final = "CommandRefused"


def validated(kind: type[AnyCommand], envelope: Any, incident: Incident) -> AnyCommand:
    """The command. Raises a permanent `ApplicationError` of one of the two types above; that
    of a refusal has a `Refusal` as its details."""
    try:
        command = read_command(kind, envelope)
    except ValueError as error:
        raise activity_options.permanent_failure(INVALID_COMMAND, str(error)) from None
    if refused := refusal(incident, command, workflow.now()):
        facts = refused.model_dump(mode="json")
        raise activity_options.permanent_failure(COMMAND_REFUSED, str(refused), facts)
    return command


def answer(before: Incident, after: Incident, events: Sequence[TimelineEvent]) -> dict[str, Any]:
    """What the update that carried a command answers."""
    facts = command_facts(before, after, events, workflow.now())
    return {"changed": bool(events), **summary(after), **facts}


def summary(incident: Incident) -> dict[str, Any]:
    return {
        "incident_id": incident.id,
        "handle": handle_of(incident.id),
        "title": incident.title,
        "status": incident.status.value,
        "close_reason": incident.close_reason.value if incident.close_reason else None,
        "severity": incident.severity.value,
        "service": incident.service,
        "assignee": incident.assignee,
        "acknowledged_by": list(incident.acknowledged_by),
        "resolved_by": incident.resolved_by,
    }
