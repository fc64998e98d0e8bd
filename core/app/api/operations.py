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
from core.app.connection import Connection
from core.app.identity.caller import Caller, Role
from core.config.settings import Settings
from core.domain.incident.commands import AnyCommand
from core.operations.read_report import Reports

PREFIX: Final = "/v1"

Q = TypeVar("Q", bound=Query)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[Q]):
    """One request of somebody who is known and may make it. `temporal` and `reports` are the
    process's own."""

    request: Request
    caller: Caller
    query: Q
    settings: Settings
    temporal: Connection
    reports: Reports

    @property
    def incident(self) -> str:
        """The incident that the path names."""
        return str(self.request.path_params["id"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation(Generic[Q]):
    """What one method does at one path below /v1, and the least role that may ask for it.

    `query` are its parameters. `command` is what its body carries, if anything. `answers` are its
    successes, and `refusals` what else it answers besides what every operation may.
    """

    id: str
    method: Literal["GET", "POST"]
    path: str
    summary: str
    role: Role
    query: type[Q]
    handle: Callable[[Call[Q]], Awaitable[Response]]
    answers: Mapping[HTTPStatus, type[BaseModel] | None]
    command: type[AnyCommand] | None = None
    media: tuple[str, ...] = ("application/json",)
    refusals: tuple[HTTPStatus, ...] = ()


def answer(value: BaseModel, status: HTTPStatus = HTTPStatus.OK) -> Response:
    """An answer with a model as JSON."""
    return Response(value.model_dump_json(), status, HEADERS, "application/json")
