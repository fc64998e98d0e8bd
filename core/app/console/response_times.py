"""How soon incidents are acknowledged and resolved: MTTA and MTTR by service and week."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, Final

from pydantic import BaseModel, ConfigDict
from starlette.responses import Response

from core.adapters.temporal.response_times import responses
from core.app.console.frame import Page, Visit
from core.app.console.response_plot import plots, short
from core.domain.command import Word
from core.domain.durations import format_duration
from core.domain.incident.reports.response_times import Means, means, midnight, weeks

PATH: Final = "/response-times"

WEEKS: Final = 8
MOST_RUNS: Final = 3_000
"""Most incidents that are looked at, the newest."""
SHOWN: Final = 10
"""Services whose plots are on a page."""
NONE: Final = "no service"


class Wanted(BaseModel):
    """Which service; by default those with the most incidents."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    service: Word | None = None


async def page(visit: Visit) -> Response:
    """The plots, with the numbers as a table."""
    wanted = visit.query(Wanted).service
    mondays = weeks(datetime.now(UTC), WEEKS)
    found, more = await responses(
        await visit.console.services.client(), midnight(mondays[0]), limit=MOST_RUNS
    )
    every = means(found, mondays)
    chosen = {
        service: numbers
        for service, numbers in every.items()
        if wanted is None or (service or NONE) == wanted
    }
    drawn = dict(list(chosen.items())[:SHOWN])
    return visit.page(
        "response_times.html",
        title="Response times",
        services=plots(drawn, mondays),
        rows=_rows(drawn, mondays),
        named=[each or NONE for each in list(every)[:200]],
        wanted=wanted,
        left_out=len(chosen) - len(drawn),
        looked_at=f"{MOST_RUNS:,}" if more else None,
        resolved=sum(each.resolved for numbers in chosen.values() for each in numbers),
        first=mondays[0],
        none=NONE,
        short=short,
        section=PATH,
    )


def _rows(
    services: Mapping[str | None, Sequence[Means]], mondays: Sequence[date]
) -> list[dict[str, Any]]:
    """A row for each service and week in which something was resolved, the newest week first."""
    return [
        {
            "service": service or NONE,
            "week": monday,
            "resolved": each.resolved,
            "acknowledged": each.acknowledged,
            "to_acknowledge": _text(each.to_acknowledge),
            "to_resolve": _text(each.to_resolve),
        }
        for service, numbers in services.items()
        for monday, each in reversed(list(zip(mondays, numbers, strict=True)))
        if each.resolved
    ]


def _text(seconds: float | None) -> str:
    return "" if seconds is None else format_duration(seconds)


PAGES: Final[Sequence[Page]] = (Page(path=PATH, handle=page, name="Response times"),)
