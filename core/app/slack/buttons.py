"""The buttons of our messages: each press is a command to the incident that it names, by a signal,
which takes no worker. The press has an ID of its own, so that however often it is delivered it is
one command."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from core.adapters.notifiers.slack_blocks import ACTION, SNOOZE_SECONDS
from core.app.slack.requests import Refused, field_of, malformed, text_of
from core.domain.command import derived_id
from core.domain.handles import handle_of
from core.domain.incident.commands import LONGEST_ID, Acknowledge, Escalate, Resolve, Snooze
from core.domain.incident.ids import parse_id

_FIELDS: Final[Mapping[str, Mapping[str, Any]]] = {
    Acknowledge.name: {},
    Escalate.name: {},
    Snooze.name: {"for": SNOOZE_SECONDS},
    Resolve.name: {"force": True},
}
"""The commands that there are buttons for. As in other tools, whoever resolves means it, although
alerts may still fire."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Press:
    """One button that a user pressed: the command, its fields and the incident."""

    command: str
    fields: Mapping[str, Any]
    incident_id: str
    command_id: str


def press_of(payload: Mapping[str, Any]) -> Press | None:
    """The press in an interaction; None where it is about nothing of ours. Raises `Refused`."""
    if payload.get("type") != "block_actions":
        return None
    action = field_of(payload, "actions", 0)
    action_id = text_of(action, "action_id")
    if not action_id.startswith(ACTION):
        return None
    name, id = action_id.removeprefix(ACTION), text_of(action, "value")
    if name not in _FIELDS:
        raise malformed(f"there is no button for {name[:50]!r}")
    if len(id) > LONGEST_ID or parse_id(id)[1] is None:
        raise malformed("the button names no incident")
    if text_of(action, "block_id") != f"{ACTION}{handle_of(id)}":
        raise Refused(
            HTTPStatus.BAD_REQUEST, "OtherIncident", "the button is not of the incident's message"
        )
    moment = text_of(action, "action_ts")
    if not moment:
        raise malformed("the press has no time")
    return Press(
        command=name,
        fields=_FIELDS[name],
        incident_id=id,
        command_id=derived_id(
            "slack",
            field_of(payload, "user", "id"),
            field_of(payload, "container", "message_ts"),
            action_id,
            id,
            moment,
        ),
    )
