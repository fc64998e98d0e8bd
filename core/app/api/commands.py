"""Commands to incidents.

A command is sent as an update, which a worker answers, or on request as a signal, which takes no
worker: then the timeline says what came of it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from core.adapters.temporal import incidents
from core.app.api.bodies import fields_of, read_command
from core.app.api.models import CommandDone, CommandSent
from core.app.api.operations import NOT_READ, Call, Operation, answer
from core.app.api.requests import CommandQuery
from core.app.identity.caller import Role
from core.domain.handles import handle_of
from core.domain.incident.commands import COMMANDS, AnyCommand
from core.domain.incident.ids import parse_id


def _sender(kind: type[AnyCommand]) -> Callable[[Call[CommandQuery]], Awaitable[Response]]:
    async def send(call: Call[CommandQuery]) -> Response:
        command = await read_command(call, kind)
        fields = fields_of(command)
        asynchronous = _prefers_async(call.request)
        client = await call.services.client()
        if not call.query.wait or asynchronous:
            id = await incidents.signal(client, call.incident, kind.name, fields)
            return _sent(command.command_id, id, preferred=asynchronous)
        result = await incidents.send(client, call.incident, kind.name, fields)
        return answer(CommandDone.of(command.command_id, result))

    return send


def _prefers_async(request: Request) -> bool:
    """Source: RFC 7240, section 4.1."""
    preferences = ",".join(request.headers.getlist("prefer"))
    return "respond-async" in (
        preference.partition(";")[0].strip().lower() for preference in preferences.split(",")
    )


def _sent(command_id: str, id: str, *, preferred: bool) -> Response:
    own = parse_id(id)[1]
    sent = CommandSent(
        command_id=command_id, incident_id=own, handle=handle_of(own) if own else None
    )
    response = answer(sent, HTTPStatus.ACCEPTED)
    if preferred:
        response.headers["Preference-Applied"] = "respond-async"
    return response


OPERATIONS: Final = tuple(
    Operation(
        id=kind.name,
        method="POST",
        path=f"/incidents/{{id}}/commands/{name}",
        summary=(kind.__doc__ or "").partition("\n")[0],
        role=Role.RESPONDER,
        query=CommandQuery,
        handle=_sender(kind),
        command=kind,
        sleeps=True,
        answers={HTTPStatus.OK: CommandDone, HTTPStatus.ACCEPTED: CommandSent},
        refusals=(*NOT_READ, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
    )
    for name, kind in COMMANDS.items()
)
