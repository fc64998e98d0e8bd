"""Incidents, as callers read them."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

from starlette.responses import Response

from core.adapters.temporal import incidents
from core.adapters.temporal.incident_list import IncidentFilter, incident_page
from core.app.api.models import IncidentPage, IncidentState, ListedIncident, Timeline
from core.app.api.operations import Call, Operation, answer
from core.app.api.problems import HEADERS
from core.app.api.requests import ListQuery, NoQuery, ReportQuery, invalid
from core.app.identity.caller import Role
from core.domain.incident.model import Incident
from core.domain.incident.reports.post_incident import PostIncidentReport

_MEDIA: Final = {"json": "application/json", "md": "text/markdown; charset=utf-8"}


async def listed(call: Call[ListQuery]) -> Response:
    query = call.query
    filter = IncidentFilter(
        statuses=query.status,
        severities=query.severity,
        services=query.service,
        assignees=query.assignee,
        older_than=query.older_than,
        younger_than=query.younger_than,
        include_closed=query.include_closed,
    )
    try:
        found, following = await incident_page(
            await call.services.client(), filter, limit=query.limit, cursor=query.cursor
        )
    except ValueError as error:
        raise invalid(f"cursor: {error}") from None
    page = IncidentPage(incidents=tuple(map(ListedIncident.of, found)), next=following)
    return answer(page)


async def shown(call: Call[NoQuery]) -> Response:
    state = await incidents.state(await call.services.client(), call.incident)
    return answer(IncidentState.of(Incident.model_validate(state)))


async def timeline(call: Call[NoQuery]) -> Response:
    return answer(Timeline.of(await incidents.show(await call.services.client(), call.incident)))


async def report(call: Call[ReportQuery]) -> Response:
    content = await call.services.reports.read(call.incident, suffix=call.query.format)
    return Response(content, headers=HEADERS, media_type=_MEDIA[call.query.format])


OPERATIONS: Final[tuple[Operation[Any], ...]] = (
    Operation(
        id="listIncidents",
        method="GET",
        path="/incidents",
        summary="List incidents, the newest first.",
        role=Role.VIEWER,
        query=ListQuery,
        handle=listed,
        answers={HTTPStatus.OK: IncidentPage},
    ),
    Operation(
        id="showIncident",
        method="GET",
        path="/incidents/{id}",
        summary="Show an incident as it stands.",
        role=Role.VIEWER,
        query=NoQuery,
        handle=shown,
        answers={HTTPStatus.OK: IncidentState},
        refusals=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
    ),
    Operation(
        id="showTimeline",
        method="GET",
        path="/incidents/{id}/timeline",
        summary="Show what has happened to an incident.",
        role=Role.VIEWER,
        query=NoQuery,
        handle=timeline,
        answers={HTTPStatus.OK: Timeline},
        refusals=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
    ),
    Operation(
        id="readReport",
        method="GET",
        path="/incidents/{id}/report",
        summary="Read the post-incident report of an incident.",
        role=Role.VIEWER,
        query=ReportQuery,
        handle=report,
        answers={HTTPStatus.OK: PostIncidentReport},
        media=("application/json", "text/markdown"),
        refusals=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
    ),
)
