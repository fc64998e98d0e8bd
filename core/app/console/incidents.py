"""The incidents that are open, the worst first: out of what their workflows have published, so that
no worker is asked, and nothing for each incident."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from core.adapters.temporal.incident_list import IncidentFilter, IncidentSummary
from core.app.console.frame import Page, Visit, digest, unchanged
from core.app.pages import Refused
from core.domain.command import Word
from core.domain.durations import format_age
from core.domain.incident.status import UNRESOLVED, Status
from core.domain.severity import Severity
from core.domain.text import shortened
from core.operations.incident_board import Board, board

PATH: Final = "/incidents"

_TITLE_CHARS: Final = 160
_NAME_CHARS: Final = 60
_SHOWN: Final = {
    "": UNRESOLVED,
    **{each.value: (each,) for each in Status if each is not Status.NEW},
}


class Filters(BaseModel):
    """Which incidents are shown: by default those that are not resolved."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    status: Literal["", "pending", "open", "acknowledged", "mitigated", "resolved", "closed"] = ""
    severity: Severity | None = None
    service: Word | None = None
    after: Annotated[str, Field(max_length=4000)] | None = None
    seen: Word | None = None


async def listed(visit: Visit) -> Response:
    """The whole page."""
    return await _listed(visit, "incidents.html")


async def live(visit: Visit) -> Response:
    """The part of it that refreshes; 204 where nothing has changed."""
    return await _listed(visit, "incidents_live.html")


async def _listed(visit: Visit, template: str) -> Response:
    filters = visit.query(Filters)
    client = await visit.console.services.client()
    try:
        found = await board(client, _filter(filters), cursor=filters.after)
    except ValueError:
        raise Refused(
            410, "NoPage", "The list has gone on", "Begin it again: this page of it is over."
        ) from None
    now = datetime.now(UTC)
    kept = {"status": filters.status, "severity": filters.severity, "service": filters.service}
    chosen = {name: value for name, value in kept.items() if value}
    rows = [_row(incident, now) for incident in found.incidents]
    summary = _summary(filters, found)
    # Ages that are minutes change together, once in a minute: on a phone every byte is paid for.
    ages = [row["age"] for row in rows if row["age"].endswith(" s")]
    seen = digest(summary, [{**row, "age": ""} for row in rows], ages, f"{now:%H:%M}")
    if filters.seen == seen:
        return unchanged()
    return visit.page(
        template,
        title="Incidents",
        filters=filters,
        statuses=[each for each in _SHOWN if each],
        severities=[*Severity],
        rows=rows,
        summary=summary,
        live=visit.url(f"{PATH}/live", **chosen, after=filters.after, seen=seen),
        beginning=visit.url(PATH, **chosen) if filters.after else None,
        following=found.following and visit.url(PATH, **chosen, after=found.following),
        section=PATH,
    )


def _filter(filters: Filters) -> IncidentFilter:
    statuses = _SHOWN[filters.status]
    return IncidentFilter(
        statuses=statuses,
        severities=(filters.severity,) if filters.severity else (),
        services=(filters.service,) if filters.service else (),
        running=Status.CLOSED not in statuses,
    )


def _row(incident: IncidentSummary, now: datetime) -> dict[str, Any]:
    """What the list shows of an incident."""
    began = incident.began.astimezone(UTC)
    waits = incident.status in (Status.PENDING, Status.OPEN)
    who = incident.assignee or (None if waits else incident.acknowledged_by)
    return {
        "id": incident.id,
        "handle": incident.handle,
        "title": shortened(incident.title or "An incident", _TITLE_CHARS),
        "severity": incident.severity,
        "status": incident.status,
        "service": shortened(incident.service or "", _NAME_CHARS),
        "began": f"{began:%Y-%m-%d %H:%M} UTC",
        "moment": began.isoformat(timespec="seconds"),
        "age": format_age(max(now - began, timedelta())),
        "who": shortened(who or "", _NAME_CHARS),
    }


def _summary(filters: Filters, found: Board) -> str:
    """How many there are, in a sentence that is read out when it changes."""
    what = filters.status or "unresolved"
    of = f" of {filters.service}" if filters.service else ""
    by = ", ".join(f"{count:,} {severity}" for severity, count in found.counts.items())
    if not found.total:
        return f"No {what} incidents{of}."
    return f"{found.total:,} {what}{of}: {by}."


PAGES: Final = (
    Page(path=PATH, handle=listed, name="Incidents"),
    Page(path=f"{PATH}/live", handle=live),
)
