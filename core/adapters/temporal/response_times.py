"""When incidents were acknowledged and resolved, from Temporal's visibility store: no incident is
asked, and no worker is needed.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from temporalio.client import Client, WorkflowExecution
from temporalio.common import SearchAttributeKey
from temporalio.service import RPCError

from core.adapters.temporal.connection import refusal
from core.adapters.temporal.incident_list import TRY_AGAIN, in_query, moment_of, moment_of_id
from core.contracts import (
    ACKNOWLEDGED_AT_ATTRIBUTE,
    INCIDENT_ID_ATTRIBUTE,
    INCIDENT_WORKFLOW,
    RESOLVED_AT_ATTRIBUTE,
    SERVICE_ATTRIBUTE,
)
from core.domain.incident.reports.response_times import Response

_TIMEOUT: Final = timedelta(seconds=10)
_INCIDENT_ID, _SERVICE, _ACKNOWLEDGED_AT, _RESOLVED_AT = map(
    SearchAttributeKey.for_keyword,
    (
        INCIDENT_ID_ATTRIBUTE,
        SERVICE_ATTRIBUTE,
        ACKNOWLEDGED_AT_ATTRIBUTE,
        RESOLVED_AT_ATTRIBUTE,
    ),
)


async def responses(client: Client, since: datetime, *, limit: int) -> tuple[list[Response], bool]:
    """The responses to incidents that began since then and are resolved, out of the newest `limit`
    runs, and whether there are more.

    Raises `TemporalUnavailable`, or `SettingsError` for a wrong namespace or credentials.
    """
    query = " AND ".join(
        (
            f"WorkflowType = {in_query(INCIDENT_WORKFLOW)}",
            f"StartTime >= {in_query(since.isoformat())}",
            f"{_RESOLVED_AT.name} IS NOT NULL",
        )
    )
    found: dict[str, Response] = {}
    looked_at = 0
    try:
        async for run in client.list_workflows(query, rpc_timeout=_TIMEOUT):
            if looked_at == limit:
                return list(found.values()), True
            looked_at += 1
            response = _response(run)
            # Of a run that was continued, the run after it knows more, and is newer.
            if response and response.began >= since:
                found.setdefault(response.incident_id, response)
    except RPCError as error:
        raise refusal(error, fix=TRY_AGAIN) from None
    return list(found.values()), False


def _response(run: WorkflowExecution) -> Response | None:
    """None where its attributes are not those of an incident of this version."""
    attributes = run.typed_search_attributes
    id = attributes.get(_INCIDENT_ID)
    began, resolved = moment_of_id(id or ""), moment_of(attributes.get(_RESOLVED_AT))
    if id is None or began is None or resolved is None:
        return None
    return Response(
        incident_id=id,
        service=attributes.get(_SERVICE),
        began=began,
        acknowledged=moment_of(attributes.get(_ACKNOWLEDGED_AT)),
        resolved=resolved,
    )
