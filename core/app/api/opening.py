"""Incidents that callers open: a report like any other, in the name of whoever the token names."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any, Final, Self

from pydantic import Field, StringConstraints, model_validator
from starlette.responses import Response

from core.app.api.bodies import read_command
from core.app.api.models import IncidentOpened
from core.app.api.operations import NOT_READ, Call, Operation, answer
from core.app.api.requests import NoQuery
from core.app.identity.caller import Role
from core.domain.command import Command, Word
from core.domain.incident.commands import LONGEST_ID
from core.domain.severity import Severity
from core.domain.value import CLEAN, ONE_LINE

_LONGEST_SUMMARY: Final = 2000
"""In characters, as a report has it."""


class OpenIncident(Command):
    """Open an incident by hand, or one that follows a closed incident."""

    name = "open"

    title: Word | None = Field(None, description="What is wrong, in one line.")
    follows: (
        Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_ID), ONE_LINE] | None
    ) = Field(
        None,
        description="The closed incident to follow, from which fields that are not given are "
        "copied: its handle or its own ID.",
    )
    severity: Severity | None = Field(None, description="Without one: medium.")
    service: Word | None = Field(None, description="What is affected.")
    summary: Annotated[str, StringConstraints(max_length=_LONGEST_SUMMARY), CLEAN] | None = Field(
        None, description="What is known, in several lines."
    )

    @model_validator(mode="after")
    def _has_a_title(self) -> Self:
        if self.title is None and self.follows is None:
            raise ValueError("give a title, or the incident that it follows")
        return self


async def opened(call: Call[NoQuery]) -> Response:
    from core.operations.open_incident import open_incident  # which loads the intake

    command = await read_command(call, OpenIncident)
    services = call.services
    done = await open_incident(
        services.settings,
        {
            "title": command.title,
            "severity": command.severity,
            "service": command.service,
            "summary": command.summary,
            "reporter": command.actor,
        },
        follows=command.follows,
        unique=command.command_id,
        intake=services.intake,
        connect=services.client,
    )
    status = HTTPStatus.CREATED if done["opened"] else HTTPStatus.OK
    return answer(IncidentOpened.of(command.command_id, done), status)


OPERATIONS: Final[tuple[Operation[Any], ...]] = (
    Operation(
        id="openIncident",
        method="POST",
        path="/incidents",
        summary="Open an incident by hand, or one that follows a closed incident.",
        role=Role.RESPONDER,
        query=NoQuery,
        handle=opened,
        command=OpenIncident,
        answers={HTTPStatus.CREATED: IncidentOpened, HTTPStatus.OK: IncidentOpened},
        refusals=(*NOT_READ, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
    ),
)
