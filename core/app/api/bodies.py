"""Commands as callers send them. Whoever the token names gives them: a body that names an actor is
refused.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from typing import Any, Final, TypeVar

from pydantic import ValidationError

from core.app.api.operations import Call
from core.app.api.requests import invalid, read_body
from core.domain.command import LONGEST_NAME, Command, Proof, derived_id
from core.domain.problems import problems_of

OURS: Final = ("actor", "proof", "incident_id", "command_id", "given_at")
"""Fields of a command that the token, the path and the key give, and no body may: an ID that
somebody chooses could be that of another command, which would not be done then."""

IDEMPOTENCY_KEY: Final = "Idempotency-Key"

_KEY: Final = re.compile(rf"[!-~]{{1,{LONGEST_NAME}}}")

C = TypeVar("C", bound=Command)


async def read_command(call: Call[Any], kind: type[C]) -> C:
    """The command in a request with a body. Raises `Refused`."""
    body = await read_body(call.request, timeout=call.services.settings.start_timeout)
    if taken := [name for name in OURS if name in body]:
        raise invalid(
            *(f"{name}: comes from the token, the path or the {IDEMPOTENCY_KEY}" for name in taken)
        )
    return made(call, kind, body)


def made(call: Call[Any], kind: type[C], fields: Mapping[str, Any]) -> C:
    """The caller's command with these fields. Raises `Refused`."""
    ours = {"command_id": _command_id(call, kind), "actor": call.caller.name}
    if "proof" in kind.model_fields:
        ours["proof"] = Proof.API.value
    try:
        return kind.model_validate_json(json.dumps({**fields, **ours}), strict=True)
    except ValidationError as error:
        raise invalid(*problems_of(error)) from None


def fields_of(command: Command) -> dict[str, Any]:
    """A command as JSON, as it is sent."""
    return command.model_dump(mode="json", by_alias=True, exclude_unset=True)


def _command_id(call: Call[Any], kind: type[Command]) -> str:
    """The ID of a command: the same for the same key of the same caller for the same thing, so that
    nobody's key is taken for another's."""
    keys = call.request.headers.getlist(IDEMPOTENCY_KEY)
    if not keys:
        return f"api-{uuid.uuid4().hex}"
    key = keys[0]
    if len(keys) > 1 or not _KEY.fullmatch(key):
        raise invalid(
            f"{IDEMPOTENCY_KEY}: is not 1 to {LONGEST_NAME} characters of ASCII, no blanks"
        )
    named = [str(value) for value in call.request.path_params.values()]
    return derived_id("api", call.caller.name, kind.name, *named, key)
