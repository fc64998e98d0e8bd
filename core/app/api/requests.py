"""What callers send: queries and bodies, read strictly and within bounds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, timedelta
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal, TypeVar, get_origin

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import from_json
from starlette.requests import Request

from core.app.api.problems import Refused
from core.app.bodies import NotRead, body_of
from core.domain.command import Word
from core.domain.durations import Delay
from core.domain.incident.status import Status
from core.domain.problems import problems_of
from core.domain.severity import Severity

LONGEST_BODY: Final = 65_536
"""In bytes."""
MOST_LISTED: Final = 1000
"""Incidents, or whatever is listed, on a page."""
MOST_SHIFTS: Final = 100
MOST_DAYS: Final = 400
_NOT_READ: Final = {
    "TooLarge": f"a body has at most {LONGEST_BODY:,} bytes",
    "TooSlow": "the body did not arrive in time; nothing was done",
    "Disconnected": "the body was not sent whole; nothing was done",
}
_MOST_VALUES: Final = 20
"""Of one parameter of a query."""
_AGE: Final = r"^[0-9]{1,4}(s|m|h|d)$"
_DAY: Final = (
    "^20[0-9]{2}-((01|03|05|07|08|10|12)-(0[1-9]|[12][0-9]|3[01])"
    "|(04|06|09|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))$"
    "|^20([02468][048]|[13579][26])-02-29$"
)
"""The days of a century, and no other text."""
_DURATION: Final[TypeAdapter[timedelta]] = TypeAdapter(Delay)

M = TypeVar("M", bound=BaseModel)


def _flag(value: object) -> object:
    if value not in ("true", "false"):
        raise ValueError("is neither true nor false")
    return value == "true"


def _digits(value: object) -> object:
    if not isinstance(value, str) or not value.isascii() or not value.isdigit() or len(value) > 9:
        raise ValueError("is not a number in digits")
    return int(value)


def _age(value: object) -> object:
    if not isinstance(value, str) or not re.fullmatch(_AGE, value, re.ASCII):
        raise ValueError("is not a duration like 30m, 12h or 7d")
    return _DURATION.validate_python(value)


def _day(value: object) -> object:
    if not isinstance(value, str) or not re.fullmatch(_DAY, value, re.ASCII):
        raise ValueError("is not a day like 2026-01-02")
    return date.fromisoformat(value)


Flag = Annotated[bool, BeforeValidator(_flag), WithJsonSchema({"type": "boolean"})]
Age = Annotated[
    timedelta, BeforeValidator(_age), WithJsonSchema({"type": "string", "pattern": _AGE})
]
Words = Annotated[tuple[Word, ...], Field(max_length=_MOST_VALUES)]
Limit = Annotated[
    int,
    Field(ge=1, le=MOST_LISTED),
    BeforeValidator(_digits),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MOST_LISTED}),
]
Count = Annotated[
    int,
    Field(ge=1, le=MOST_SHIFTS),
    BeforeValidator(_digits),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MOST_SHIFTS}),
]
Days = Annotated[
    int,
    Field(ge=1, le=MOST_DAYS),
    BeforeValidator(_digits),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MOST_DAYS}),
]
Day = Annotated[date, BeforeValidator(_day), WithJsonSchema({"type": "string", "pattern": _DAY})]
Cursor = Annotated[str, Field(pattern="^[A-Za-z0-9_-]{1,2000}$")]


class Query(BaseModel):
    """The base of all: a parameter that there is not is refused, as it means something."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class ListQuery(Query):
    """Which incidents are listed. By default those that are not closed."""

    status: tuple[Status, ...] = Field(
        default=(), max_length=len(Status), description="Only with one of these statuses."
    )
    severity: tuple[Severity, ...] = Field(
        default=(), max_length=len(Severity), description="Only with one of these severities."
    )
    service: Words = Field(default=(), description="Only of one of these services.")
    assignee: Words = Field(default=(), description="Only assigned to one of these people.")
    older_than: Age | None = Field(
        default=None, description="Only begun longer ago: `30m`, `12h`, `7d`."
    )
    younger_than: Age | None = Field(default=None, description="Only begun since then, likewise.")
    include_closed: Flag = Field(default=False, alias="all", description="Closed ones, too.")
    limit: Limit = Field(default=100, description="At most so many on a page.")
    cursor: Cursor | None = Field(
        default=None, description="Where the page begins: `next` of the page before."
    )


class CommandQuery(Query):
    """How a command is sent."""

    wait: Flag = Field(
        default=True,
        description="false sends it without waiting for what came of it, which takes no worker.",
    )


class NoQuery(Query):
    """Nothing."""


class ReportQuery(Query):
    """Which form of the report."""

    format: Literal["json", "md"] = Field(default="json", description="`md` for Markdown.")


def read_query(request: Request, model: type[M]) -> M:
    """The parameters of a request. Raises `Refused`."""
    many = {
        field.alias or name
        for name, field in model.model_fields.items()
        if get_origin(field.annotation) is tuple
    }
    values: dict[str, Any] = {}
    for name, value in request.query_params.multi_items():
        if name in many:
            values.setdefault(name, []).append(value)
        elif name in values:
            raise invalid(f"{name}: is given twice")
        else:
            values[name] = value
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise invalid(*problems_of(error)) from None


async def read_body(request: Request, *, timeout: float) -> Mapping[str, Any]:
    """The JSON object in the body of a request, empty where there is none. Raises `Refused`."""
    try:
        body = await body_of(request, longest=LONGEST_BODY, timeout=timeout)
    except NotRead as failure:
        raise Refused(
            failure.status, failure.code, _NOT_READ[failure.code], headers=failure.headers
        ) from None
    if not body:
        return {}
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Refused(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "NotJson",
            "a body is JSON, with Content-Type: application/json",
            headers={"Accept": "application/json"},
        )
    try:
        value = from_json(body, allow_inf_nan=False)
    except ValueError:
        raise Refused(
            HTTPStatus.BAD_REQUEST, "NotJson", "the body cannot be read as JSON"
        ) from None
    if not isinstance(value, dict):
        raise invalid("the whole: is not an object")
    return value


def invalid(*problems: str) -> Refused:
    """The refusal of a request whose fields are wrong."""
    return Refused(
        HTTPStatus.UNPROCESSABLE_ENTITY, "Invalid", "; ".join(problems), problems=problems
    )
