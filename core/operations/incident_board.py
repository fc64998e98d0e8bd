"""The incidents that matter now, the worst first: counted, and a page at a time.

Temporal sorts by when a run began alone. So a page is put together by severity: one call for each
that counts its incidents, and one for each that the page shows some of, however many there are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from core.adapters.temporal.incident_list import (
    IncidentFilter,
    IncidentSummary,
    count_incidents,
    incident_page,
)
from core.domain.severity import Severity

if TYPE_CHECKING:
    from temporalio.client import Client

PAGE_SIZE: Final = 100


@dataclass(frozen=True, slots=True)
class Board:
    """A page of incidents, the worst first, and of equal ones the newest. `counts` are those of the
    whole list, of every severity that it has; `following` is the cursor of the next page."""

    incidents: tuple[IncidentSummary, ...]
    counts: Mapping[Severity, int]
    following: str | None

    @property
    def total(self) -> int:
        return sum(self.counts.values())


async def board(client: Client, filter: IncidentFilter, *, cursor: str | None = None) -> Board:
    """A page of the incidents of a filter. Those without a severity, whose workflow failed before
    it had one, are in none.

    Raises `ValueError` for what is no cursor of this list, or as `list_incidents`.
    """
    severities = [each for each in Severity if not filter.severities or each in filter.severities]
    counted = await asyncio.gather(
        *(count_incidents(client, replace(filter, severities=(each,))) for each in severities)
    )
    counts = {each: count for each, count in zip(severities, counted, strict=True) if count}
    start, token = _read(cursor)
    found: list[IncidentSummary] = []
    following = None
    for severity in [each for each in counts if each.rank >= start]:
        if len(found) >= PAGE_SIZE:
            following = _cursor(severity)
            break
        page, rest = await incident_page(
            client,
            replace(filter, severities=(severity,)),
            limit=PAGE_SIZE - len(found),
            cursor=token if severity.rank == start else None,
        )
        found += page
        if rest:
            following = _cursor(severity, rest)
            break
    return Board(tuple(found), counts, following)


def _cursor(severity: Severity, token: str = "") -> str:
    return f"{severity}.{token}"


def _read(cursor: str | None) -> tuple[int, str | None]:
    if cursor is None:
        return 0, None
    severity, _, token = cursor.partition(".")
    if severity not in [*Severity]:
        raise ValueError("not the cursor of a page of this list")
    return Severity(severity).rank, token or None
