"""What Slack sends to an app: forms, verified over their raw bytes before anything of them is read,
by the same checks as webhooks, and within bounds."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs

from pydantic_core import from_json
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from core.app.bodies import NotRead, body_of
from core.errors import ConfigurationError, TransientError
from core.webhooks import request as webhooks
from core.webhooks.verifiers.base import NotVerified
from core.webhooks.verifiers.proving import prove
from core.webhooks.verifiers.signatures import PresetVerifier

if TYPE_CHECKING:
    from core.config.secrets import Secrets

LONGEST_BODY: Final = 262_144
"""In bytes: an interaction brings its message along."""
_MOST_FIELDS: Final = 50
_WITHIN: Final = 2.0
"""Seconds for the body, and for the secret: Slack waits three for the whole."""

log = logging.getLogger("tidegate.app")


class Refused(Exception):
    """A request that is not Slack's, or that says nothing that can be done. `code` counts it in the
    log, `why` is for the operator alone."""

    def __init__(self, status: HTTPStatus, code: str, why: str = "") -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.why = why


@dataclass(frozen=True, slots=True)
class SlackRequests:
    """Reads what is signed with the secret of that reference; of one `team` alone, if one is
    named."""

    reference: str
    secrets: Secrets
    team: str | None

    async def form(self, request: Request) -> Mapping[str, str]:
        """The fields of a form that is Slack's. Raises `Refused`."""
        try:
            body = await body_of(request, longest=LONGEST_BODY, timeout=_WITHIN)
        except NotRead as failure:
            raise Refused(HTTPStatus(failure.status), failure.code) from None
        await self._verify(request, body)
        try:
            fields = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
        except ValueError:  # not UTF-8, or too many fields
            raise malformed("no form") from None
        return {name: values[-1] for name, values in fields.items()}

    def check_team(self, *teams: object) -> None:
        """Raises `Refused` unless all that a request says of its workspace is the one named."""
        others = [each for each in teams if each != self.team]
        if self.team and others:
            raise Refused(HTTPStatus.FORBIDDEN, "OtherWorkspace", f"it is from {others[0]!r}")

    async def _verify(self, request: Request, body: bytes) -> None:
        names = {name.lower() for name in request.headers}
        received = webhooks.Request(
            method=request.method,
            path=request.url.path,
            headers={name: ",".join(request.headers.getlist(name)) for name in names},
            body=body,
        )
        verifier = PresetVerifier(scheme="slack", secrets=(self.reference,))
        try:
            async with asyncio.timeout(_WITHIN):
                await prove(verifier, self.secrets, received, datetime.now(UTC))
        except NotVerified as failure:
            raise Refused(HTTPStatus.UNAUTHORIZED, "NotVerified", failure.reason) from None
        except (ConfigurationError, TransientError, TimeoutError) as error:
            why = f"{type(error).__name__}: {error}"
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "CannotVerify", why) from error


def malformed(why: str) -> Refused:
    return Refused(HTTPStatus.BAD_REQUEST, "Malformed", why)


def payload_of(form: Mapping[str, str]) -> Mapping[str, Any]:
    """The interaction in a form. Raises `Refused`."""
    try:
        value = from_json(form.get("payload", ""))
    except ValueError:
        raise malformed("the payload is no JSON") from None
    if not isinstance(value, dict):
        raise malformed("the payload is no object")
    return value


def field_of(value: object, *names: str | int) -> object:
    """What stands at a place of a payload; None where there is nothing."""
    for name in names:
        match value, name:
            case dict(), str():
                value = value.get(name)
            case list(), int():
                value = value[name] if name < len(value) else None
            case _:
                return None
    return value


def text_of(value: object, *names: str | int) -> str:
    """The same of a text; empty where there is none."""
    found = field_of(value, *names)
    return found if isinstance(found, str) else ""


async def refused(request: Request, error: Exception) -> Response:
    """The answer to what is refused, which is counted by its code in the log."""
    assert isinstance(error, Refused)  # noqa: S101  # it is registered for these alone
    level = logging.ERROR if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR else logging.WARNING
    log.log(level, "refused: %s (%d) %r", error.code, error.status, error.why)
    return PlainTextResponse(f"{error.code}\n", error.status)
