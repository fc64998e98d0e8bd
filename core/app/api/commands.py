"""Commands to incidents. Whoever the token names gives them: a body that names an actor is refused.

A command is sent as an update, which a worker answers, or on request as a signal, which takes no
worker: then the timeline says what came of it.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from core.adapters.temporal import incidents
from core.app.api.models import CommandDone, CommandSent
from core.app.api.operations import Call, Operation, answer
from core.app.api.requests import CommandQuery, invalid, read_body
from core.app.identity.caller import Caller, Role
from core.domain.command import LONGEST_NAME, Proof
from core.domain.handles import handle_of
from core.domain.incident.commands import COMMANDS, AnyCommand
from core.domain.incident.ids import parse_id
from core.domain.problems import problems_of

OURS: Final = ("actor", "proof", "incident_id", "command_id", "given_at")
"""Fields of a command that the token, the path and the key give, and no body may: an ID that
somebody chooses could be that of another command, which would not be done then."""

IDEMPOTENCY_KEY: Final = "Idempotency-Key"

_KEY: Final = re.compile(rf"[!-~]{{1,{LONGEST_NAME}}}")


def _sender(kind: type[AnyCommand]) -> Callable[[Call[CommandQuery]], Awaitable[Response]]:
    async def send(call: Call[CommandQuery]) -> Response:
        command = await _read(call, kind)
        fields = command.model_dump(mode="json", by_alias=True, exclude_unset=True)
        asynchronous = _prefers_async(call.request)
        client = await call.temporal.client()
        if not call.query.wait or asynchronous:
            id = await incidents.signal(client, call.incident, kind.name, fields)
            return _sent(command.command_id, id, preferred=asynchronous)
        result = await incidents.send(client, call.incident, kind.name, fields)
        return answer(CommandDone.of(command.command_id, result))

    return send


async def _read(call: Call[CommandQuery], kind: type[AnyCommand]) -> AnyCommand:
    """The command in a request. Raises `Refused`."""
    body = await read_body(call.request, timeout=call.settings.start_timeout)
    if taken := [name for name in OURS if name in body]:
        raise invalid(
            *(f"{name}: comes from the token, the path or the {IDEMPOTENCY_KEY}" for name in taken)
        )
    made = {
        "command_id": _command_id(call.request, call.caller, kind),
        "actor": call.caller.name,
        "proof": Proof.API.value,
    }
    try:
        return kind.model_validate_json(json.dumps({**body, **made}), strict=True)
    except ValidationError as error:
        raise invalid(*problems_of(error)) from None


def _command_id(request: Request, caller: Caller, kind: type[AnyCommand]) -> str:
    """The ID of a command: the same for the same key of the same caller to the same incident, so
    that nobody's key is taken for another's."""
    keys = request.headers.getlist(IDEMPOTENCY_KEY)
    if not keys:
        return f"api-{uuid.uuid4().hex}"
    key = keys[0]
    if len(keys) > 1 or not _KEY.fullmatch(key):
        raise invalid(
            f"{IDEMPOTENCY_KEY}: is not 1 to {LONGEST_NAME} characters of ASCII, no blanks"
        )
    parts = json.dumps([caller.name, kind.name, request.path_params["id"], key])
    return f"api-{hashlib.sha256(parts.encode()).hexdigest()[:32]}"


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
        answers={HTTPStatus.OK: CommandDone, HTTPStatus.ACCEPTED: CommandSent},
        refusals=(
            HTTPStatus.BAD_REQUEST,
            HTTPStatus.NOT_FOUND,
            HTTPStatus.REQUEST_TIMEOUT,
            HTTPStatus.CONFLICT,
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        ),
    )
    for name, kind in COMMANDS.items()
)
