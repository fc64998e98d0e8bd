"""Refusals of the API, as problem details. Source: RFC 9457.

`code` is stable and for programs, `detail` is for people. Neither says where or how Tidegate runs:
that is in the log.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from core.domain.incident.refusals import Deed

CONTENT_TYPE: Final = "application/problem+json"
HEADERS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
"""Of every answer of the API."""


class Problem(BaseModel):
    """Why a request was refused."""

    model_config = ConfigDict(extra="forbid")

    title: str = Field(description="The status in words.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What happened, in a sentence for people.")
    code: str = Field(description="What happened, in a word for programs; it does not change.")
    problems: tuple[str, ...] | None = Field(
        None, description="With 422: each field that is wrong, and what is wrong with it."
    )
    deed: Deed | None = Field(None, description="With 409: what the incident refuses.")
    possible: tuple[Deed, ...] | None = Field(
        None, description="With 409: what is possible instead, as the incident stands."
    )
    advice: str | None = Field(None, description="With 409: what to do where nothing is possible.")


_PHRASES: Final = {
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "Content Too Large",
    HTTPStatus.UNPROCESSABLE_ENTITY: "Unprocessable Content",
}
"""Those of RFC 9110, where a version of Python has others."""


def phrase(status: HTTPStatus) -> str:
    """The words of a status."""
    return _PHRASES.get(status, status.phrase)


class Refused(Exception):
    """The request is answered with a problem. `why` is for the log alone."""

    def __init__(
        self,
        status: HTTPStatus,
        code: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        why: str = "",
        problems: tuple[str, ...] | None = None,
        deed: Deed | None = None,
        possible: tuple[Deed, ...] | None = None,
        advice: str | None = None,
    ) -> None:
        super().__init__(f"{code} ({status.value})" + (f": {why}" if why else ""))
        self.headers = headers
        self.problem = Problem(
            title=phrase(status),
            status=status.value,
            detail=detail,
            code=code,
            problems=problems,
            deed=deed,
            possible=possible,
            advice=advice,
        )


def response(refused: Refused) -> Response:
    """The answer to a request that is refused."""
    return Response(
        refused.problem.model_dump_json(exclude_none=True),
        refused.problem.status,
        {**HEADERS, **(refused.headers or {})},
        CONTENT_TYPE,
    )
