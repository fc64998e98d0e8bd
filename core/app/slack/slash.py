"""The slash command: what there is to type, and what it answers."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from core.adapters.notifiers.slack_blocks import escaped
from core.adapters.temporal import incidents
from core.adapters.temporal.incident_list import IncidentFilter, IncidentSummary, list_incidents
from core.adapters.temporal.incident_names import resolve
from core.domain.command import Proof, derived_id
from core.domain.durations import format_age
from core.domain.handles import handle_of
from core.domain.incident.commands import LONGEST_NOTE, Acknowledge
from core.domain.incident.ids import parse_id
from core.domain.oncall.file import OnCallFile
from core.domain.text import one_line, shortened
from core.errors import IncidentNotFound, quoted

if TYPE_CHECKING:
    from temporalio.client import Client

    from core.operations.oncall_rota import Rota, Rotas

MOST: Final = 20
"""Incidents, and schedules, in one answer."""
_FOUND_WITHIN: Final = 1.5
"""Seconds."""
_TITLE_CHARS: Final = 150
_NAME_CHARS: Final = 100

HELP: Final = "\n".join(
    (
        "`/incident list`: the incidents that are not closed",
        "`/incident ack HANDLE [NOTE]`: I have it",
        "`/incident oncall`: who is on call now",
        "`/incident help`: this",
    )
)


async def listed(client: Client) -> str:
    """The newest incidents that are not closed."""
    found, more = await list_incidents(client, IncidentFilter(), limit=MOST)
    if not found:
        return "No incident is open."
    now = datetime.now(UTC)
    lines = [_line(incident, now) for incident in found]
    return "\n".join([*lines, *(["There are more: `tidegate incident list`"] if more else [])])


async def acknowledged(client: Client, person: str, text: str, trigger: str) -> str:
    """Acknowledge what is named in a text, with the rest of it as a note, by a signal."""
    named, _, note = text.partition(" ")
    if not named:
        return "Which one? `/incident ack HANDLE`: the six characters in its message."
    fields = {
        "command_id": derived_id("slack", person, trigger, text),
        "actor": person,
        "proof": Proof.SLACK.value,
        "note": shortened(note.strip(), LONGEST_NOTE) or None,
    }
    try:
        async with asyncio.timeout(_FOUND_WITHIN):
            id = await resolve(client, named)
    except TimeoutError:  # a handle is looked for until it should be findable
        raise IncidentNotFound(f"no incident with the handle {quoted(named)} was found") from None
    await incidents.signal(client, id, Acknowledge.name, fields)
    own = parse_id(id)[1]
    shown = handle_of(own) if own else id
    return escaped(f"Sent: {person} has {shown}. Its timeline says what came of it.", 500)


async def on_call_now(rotas: Rotas, file: OnCallFile) -> str:
    """Each schedule with the people on call for it, and until when."""
    if not file.schedules:
        return "There are no schedules."
    names = sorted(file.schedules)[:MOST]
    rota, now = await rotas.read(names), datetime.now(UTC)
    lines = await asyncio.to_thread(lambda: [_shift(rota, name, now) for name in names])
    left = len(file.schedules) - len(names)
    return "\n".join([*lines, *([f"And {left} more: `tidegate oncall now`"] if left else [])])


def _shift(rota: Rota, name: str, now: datetime) -> str:
    shift = rota.at(name, now)
    if shift is None:
        return f"*{escaped(name, _NAME_CHARS)}*: nobody"
    people = " and ".join(
        escaped(rota.file.people[id].name, _NAME_CHARS) if id in rota.file.people else id
        for id in shift.people
    )
    return f"*{escaped(name, _NAME_CHARS)}*: {people} until {shift.end:%Y-%m-%d %H:%M} UTC"


def _line(incident: IncidentSummary, now: datetime) -> str:
    title = escaped(str(one_line(incident.title or "An incident")), _TITLE_CHARS)
    by = incident.acknowledged_by if incident.status == "acknowledged" else None
    stands = f"{incident.status or 'not open yet'}{f' by {by}' if by else ''}"
    facts = f"{incident.severity or 'no severity'}, {stands}, {format_age(now - incident.began)}"
    return f"`{incident.handle}` {title} ({escaped(facts, _TITLE_CHARS)})"
