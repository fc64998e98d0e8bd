"""An operation of the API as one typed value: the route and its description are made of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Generic, Literal, TypeVar

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from core.app.api.problems import HEADERS
from core.app.api.requests import Query
from core.app.identity.caller import Caller, Role
from core.app.services import Services
from core.domain.command import Command

PREFIX: Final = "/v1"

Q = TypeVar("Q", bound=Query)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[Q]):
    """One request of somebody who is known and may make it. `services` are the process's own."""

    request: Request
    caller: Caller
    query: Q
    services: Services

    @property
    def incident(self) -> str:
        """The incident that the path names."""
        return self.named("id")

    def named(self, parameter: str) -> str:
        """What the path names by a parameter."""
        return str(self.request.path_params[parameter])


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation(Generic[Q]):
    """What one method does at one path below /v1, and the least role that may ask for it.

    `query` are its parameters. `command` is what it does, if it changes anything: its fields are in
    the body, less those that the token, the path and the key give. `sleeps` says that it may be
    sent without waiting for what came of it. `answers` are its successes, and `refusals` what else
    it answers besides what every operation may.
    """

    id: str
    method: Literal["GET", "POST", "DELETE"]
    path: str
    summary: str
    role: Role
    query: type[Q]
    handle: Callable[[Call[Q]], Awaitable[Response]]
    answers: Mapping[HTTPStatus, type[BaseModel] | None]
    command: type[Command] | None = None
    sleeps: bool = False
    media: tuple[str, ...] = ("application/json",)
    refusals: tuple[HTTPStatus, ...] = ()

    @property
    def has_body(self) -> bool:
        """Whether its command has fields that a body may carry."""
        return self.command is not None and self.method == "POST"


NOT_READ: Final = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
)
"""How a body may be refused before it is looked at."""


def answer(value: BaseModel, status: HTTPStatus = HTTPStatus.OK) -> Response:
    """An answer with a model as JSON."""
    return Response(value.model_dump_json(), status, HEADERS, "application/json")
