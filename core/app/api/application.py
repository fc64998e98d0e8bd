"""The HTTP API below /v1: who asks, what they may do, and what each failure is answered.

Without an identity in the settings there is no API: it is never open.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import cache, partial
from http import HTTPStatus
from typing import Any, Final

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.convertors import StringConvertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from core.app.api import commands, heartbeats, incidents, oncall, openapi, opening, quarantine
from core.app.api.operations import PREFIX, Call, Operation
from core.app.api.problems import Refused, response
from core.app.api.requests import read_query
from core.app.identity.bearer import Identity
from core.app.identity.caller import Caller, NotAuthenticated
from core.app.services import ANSWER_WITHIN, Services
from core.domain.printable import printable_line
from core.errors import (
    AmbiguousId,
    CommandRefused,
    ConfigurationError,
    DocumentChanged,
    DocumentNotFound,
    IncidentNotFound,
    PermanentError,
    TemporalUnavailable,
    TidegateError,
    TransientError,
    UnknownName,
)

OPERATIONS: Final[tuple[Operation[Any], ...]] = (
    *incidents.OPERATIONS,
    *commands.OPERATIONS,
    *opening.OPERATIONS,
    *oncall.OPERATIONS,
    *heartbeats.OPERATIONS,
    *quarantine.OPERATIONS,
    openapi.OPERATION,
)
"""Every operation there is."""

_REALM: Final = 'Bearer realm="tidegate"'
_RETRY: Final = {"Retry-After": "5"}
_RETRY_LATER: Final = {"Retry-After": "60"}

log = logging.getLogger("tidegate.app")


class _IncidentId(StringConvertor):
    """An ID in a path, which may have slashes; what follows it is none of it."""

    regex = r"(?:(?!/(?:timeline|report|commands(?:/[^/]*)?)$).)+"


register_url_convertor("incident", _IncidentId())


def mounted(identity: Identity, services: Services) -> Mount:
    """The API for everybody whom an identity knows."""
    application = Starlette(
        routes=[
            Route(
                operation.path.replace("{id}", "{id:incident}"),
                _endpoint(operation, identity, services),
                methods=[operation.method],
            )
            for operation in OPERATIONS
        ],
        exception_handlers={Refused: _refused, HTTPException: _failed, Exception: _broken},
    )
    application.router.redirect_slashes = False
    application.state.document = cache(partial(openapi.document, OPERATIONS))
    return Mount(PREFIX, app=application)


def _endpoint(
    operation: Operation[Any], identity: Identity, services: Services
) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                return await answered(request)
        except TimeoutError:
            late = TemporalUnavailable(f"{operation.id}: no answer within {ANSWER_WITHIN:g} s")
            raise _as_refused(late) from None

    async def answered(request: Request) -> Response:
        caller = await _caller(request, identity)
        if not caller.role.covers(operation.role):
            raise Refused(
                HTTPStatus.FORBIDDEN,
                "RoleTooLow",
                f"this takes the role {operation.role}, and yours is {caller.role}",
                headers={"WWW-Authenticate": f'{_REALM}, error="insufficient_scope"'},
                why=f"{operation.id} by {caller.name!r}, {caller.role}",
            )
        call = Call(
            request=request,
            caller=caller,
            query=read_query(request, operation.query),
            services=services,
        )
        try:
            return await operation.handle(call)
        except TidegateError as error:
            raise _as_refused(error) from error
        except ValidationError as error:
            versions = ConfigurationError(
                f"what the worker answers cannot be read: {error.errors()[0]['msg']}",
                fix="the application and the incident worker have different versions: deploy both",
            )
            raise _as_refused(versions) from None  # which quotes the incident

    return endpoint


async def _caller(request: Request, identity: Identity) -> Caller:
    try:
        return await identity.caller(request.headers.getlist("authorization"))
    except NotAuthenticated as failure:
        missing = failure.reason == "missing"
        raise Refused(
            HTTPStatus.UNAUTHORIZED,
            "NotAuthenticated",
            "this takes a valid bearer token, in the header Authorization",
            headers={"WWW-Authenticate": _REALM if missing else f'{_REALM}, error="invalid_token"'},
            why=failure.reason,
        ) from None
    except (ConfigurationError, TransientError) as error:
        raise Refused(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "CannotAuthenticate",
            "no token can be verified now; try again",
            headers=_RETRY,
            why=f"{type(error).__name__}: {error}",
        ) from error


def _as_refused(error: TidegateError) -> Refused:
    """The refusal that an error of the core is to a caller."""
    match error:
        case IncidentNotFound():
            return Refused(  # whatever other workflow there may be
                HTTPStatus.NOT_FOUND,
                error.code,
                "there is no such incident, or Temporal keeps it no longer",
                why=error.message,
            )
        case UnknownName():
            return Refused(HTTPStatus.NOT_FOUND, error.code, error.message)
        case DocumentNotFound():
            return Refused(HTTPStatus.NOT_FOUND, error.code, error.message)
        case AmbiguousId() | DocumentChanged():
            return Refused(HTTPStatus.CONFLICT, error.code, error.message)
        case PermanentError():
            return Refused(HTTPStatus.UNPROCESSABLE_ENTITY, error.code, error.message)
        case CommandRefused():
            refusal = error.refusal
            return Refused(
                HTTPStatus.CONFLICT,
                error.code,
                error.message,
                deed=refusal.deed if refusal else None,
                possible=refusal.possible if refusal else (),
                advice=(refusal.advice or None) if refusal else None,
            )
        case TransientError():
            return Refused(
                HTTPStatus.SERVICE_UNAVAILABLE,
                error.code,
                "no answer now; a command may still be done, and is done once however often it is "
                "sent with the same Idempotency-Key",
                headers=_RETRY,
                why=str(error),
            )
        case ConfigurationError():
            return Refused(
                HTTPStatus.SERVICE_UNAVAILABLE,
                error.code,
                "the operator has to change something first: the log says what",
                headers=_RETRY_LATER,
                why=str(error),
            )
        case _:
            return Refused(
                HTTPStatus.INTERNAL_SERVER_ERROR,
                error.code,
                "something is broken here",
                why=str(error),
            )


async def _refused(request: Request, error: Exception) -> Response:
    """The answer to what is refused, which is counted by its code in the log."""
    assert isinstance(error, Refused)  # noqa: S101  # it is registered for these alone
    level = logging.ERROR if error.problem.status >= 500 else logging.WARNING
    log.log(level, "refused: %s", printable_line(str(error)))
    return response(error)


async def _failed(request: Request, error: Exception) -> Response:
    """The answer to a path or a method that there is not."""
    assert isinstance(error, HTTPException)  # noqa: S101
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        code, detail = "MethodNotAllowed", "this takes other methods: see Allow"
    else:
        code, detail = "NotFound", "there is nothing here"
    status = HTTPStatus(error.status_code)
    return await _refused(request, Refused(status, code, detail, headers=error.headers))


async def _broken(request: Request, error: Exception) -> Response:
    """The answer to a fault of ours; the server logs it."""
    return response(Refused(HTTPStatus.INTERNAL_SERVER_ERROR, "Broken", "something is broken here"))
