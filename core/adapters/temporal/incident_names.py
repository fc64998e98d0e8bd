"""Which incident somebody means by its own ID, its workflow ID, its handle, or the beginning of its
ID."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Final

from temporalio.client import Client

from core.adapters.temporal.connection import unless_missing
from core.adapters.temporal.incident_list import (
    UNFINDABLE,
    IncidentFilter,
    IncidentSummary,
    in_query,
    summaries,
)
from core.contracts import HANDLE_ATTRIBUTE, INCIDENT_ID_ATTRIBUTE, INCIDENT_WORKFLOW
from core.domain.handles import NAMED, Named, as_handle, handle_of, meant
from core.domain.incident.ids import parse_id
from core.domain.incident.status import Status
from core.errors import IncidentNotFound, quoted

LONGEST_ID: Final = 255
_TIMEOUT: Final = timedelta(seconds=10)
_LOOKS: Final = 10
_BETWEEN_LOOKS: Final = 0.2
"""Seconds: a page with a handle may come before visibility has it."""
_MOST_LOOKED_AT: Final = 1_000
"""Runs that visibility finds for a text, and that are looked at one by one."""
_IMPOSSIBLE: Final = re.compile("[\0\ud800-\udfff]")
_WHOLE_ID: Final = (
    "list them with `tidegate incident list --all`; when Temporal's retention has ended, only a "
    "whole ID finds a report"
)


async def resolve(client: Client, text: str) -> str:
    """The own ID of the incident that is meant, or the text when it is a workflow ID.

    An own ID is returned as it is, whether or not there is such an incident, unless the workflow
    that it names is none. A workflow ID comes before a handle, and a handle before the beginning of
    an ID; a beginning that fits one incident that is not closed means that one. Raises
    `AmbiguousId`, `IncidentNotFound` or `TemporalUnavailable`.
    """
    key, own = parse_id(text)
    if not 0 < len(key) <= LONGEST_ID or _IMPOSSIBLE.search(text):
        raise IncidentNotFound(f"{quoted(text)} is no ID: one has 1 to 255 characters of text")
    kind = await _workflow_type(client, key)
    if kind == INCIDENT_WORKFLOW or (own and kind is None):
        return text
    if own:
        raise IncidentNotFound(f"{quoted(key)} is a {kind} workflow, not an incident")
    handle = as_handle(text)
    if handle and (found := meant(handle, await _with_handle(client, handle))):
        return found.id
    if found := meant(text, await _beginning_with(client, text)):
        return found.id
    if kind:
        raise IncidentNotFound(f"{quoted(text)} is a {kind} workflow, not an incident")
    raise IncidentNotFound(f"no incident has the ID or handle {quoted(text)}", fix=_WHOLE_ID)


async def _workflow_type(client: Client, id: str) -> str | None:
    run = await unless_missing(client.get_workflow_handle(id).describe(rpc_timeout=_TIMEOUT))
    return run.workflow_type if run else None


async def _with_handle(client: Client, handle: str) -> list[Named]:
    """The incidents with a handle, once visibility has one; or those that failed before they could
    publish it."""
    incidents = f"WorkflowType = {in_query(INCIDENT_WORKFLOW)}"
    query = f"{incidents} AND {HANDLE_ATTRIBUTE} = '{handle}'"
    for _ in range(_LOOKS):
        if found := await _some(client, query, lambda id: handle_of(id) == handle):
            return found
        await asyncio.sleep(_BETWEEN_LOOKS)
    failed = f"{incidents} AND ExecutionStatus = 'Failed' AND {HANDLE_ATTRIBUTE} IS NULL"
    return await _some(client, failed, lambda id: handle_of(id) == handle)


async def _beginning_with(client: Client, text: str) -> list[Named]:
    """Incidents whose ID begins with a text: those that are not closed, or else closed ones."""
    # SQL's visibility also takes capitals for small letters.
    prefix = "".join(takewhile(lambda character: character not in UNFINDABLE, text))
    if not prefix:  # every incident has that
        return []
    findable = in_query(prefix)
    fits = f"({INCIDENT_ID_ATTRIBUTE} STARTS_WITH {findable} OR WorkflowId STARTS_WITH {findable})"
    for include_closed in (False, True):
        filter = IncidentFilter(include_closed=include_closed)
        query = f"{filter.query(datetime.now(UTC))} AND {fits}"
        if found := await _some(client, query, lambda id: id.startswith(text)):
            return found
    return []


async def _some(client: Client, query: str, fits: Callable[[str], bool]) -> list[Named]:
    """As many as an error names and one more; of an incident with several runs, the last."""
    found: dict[str, Named] = {}
    looked_at = 0
    async for incident in summaries(client, query):
        looked_at += 1
        if fits(incident.id):
            found.setdefault(incident.id, named(incident))
        if len(found) > NAMED or looked_at >= _MOST_LOOKED_AT:
            break
    return list(found.values())


def named(incident: IncidentSummary) -> Named:
    """An incident as people tell it from others."""
    over = incident.status == Status.CLOSED or incident.ended is not None
    return Named(incident.id, incident.title or "", over)
