"""Incidents, as callers read them."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final, Literal

from starlette.responses import Response

from core.adapters.temporal import incidents
from core.adapters.temporal.incident_list import IncidentFilter, incident_page
from core.app.api.models import IncidentPage, IncidentState, ListedIncident, Timeline
from core.app.api.operations import Call, Operation, answer
from core.app.api.problems import HEADERS
from core.app.api.requests import ListQuery, NoQuery, ReportQuery, invalid, read_query
from core.app.identity.caller import Role
from core.domain.incident.model import Incident
from core.domain.incident.reports.post_incident import PostIncidentReport
from core.operations.read_report import read_report

_MEDIA: Final = {"json": "application/json", "md": "text/markdown; charset=utf-8"}


async def listed(call: Call) -> Response:
    query = read_query(call.request, ListQuery)
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
            await call.connect(), filter, limit=query.limit, cursor=query.cursor
        )
    except ValueError as error:
        raise invalid(f"cursor: {error}") from None
    page = IncidentPage(incidents=tuple(map(ListedIncident.of, found)), next=following)
    return answer(page)


async def shown(call: Call) -> Response:
    read_query(call.request, NoQuery)
    state = await incidents.state(await call.connect(), call.incident)
    return answer(IncidentState.of(Incident.model_validate(state)))


async def timeline(call: Call) -> Response:
    read_query(call.request, NoQuery)
    return answer(Timeline.of(await incidents.show(await call.connect(), call.incident)))


async def report(call: Call) -> Response:
    suffix: Literal["md", "json"] = (
        "md" if read_query(call.request, ReportQuery).format == "md" else "json"
    )
    content = await read_report(call.settings, call.incident, suffix=suffix, connect=call.connect)
    return Response(content, headers=HEADERS, media_type=_MEDIA[suffix])


OPERATIONS: Final = (
    Operation(
        id="listIncidents",
        method="GET",
        path="/incidents",
        summary="List incidents, the newest first.",
        role=Role.VIEWER,
        handle=listed,
        query=ListQuery,
        answers={HTTPStatus.OK: IncidentPage},
    ),
    Operation(
        id="showIncident",
        method="GET",
        path="/incidents/{id}",
        summary="Show an incident as it stands.",
        role=Role.VIEWER,
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
        handle=report,
        query=ReportQuery,
        answers={HTTPStatus.OK: PostIncidentReport},
        media=("application/json", "text/markdown"),
        refusals=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
    ),
)
