"""An incident for which no worker runs, and what an application sends to it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHandle
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes

from core.contracts import INCIDENT_WORKFLOW, STATUS_ATTRIBUTE, TITLE_MEMO
from core.domain.incident.ids import incident_id
from core.links import PATH
from tests.support.links import link, signing


@asynccontextmanager
async def waiting(client: Client) -> AsyncIterator[WorkflowHandle[Any, Any]]:
    """An open incident whose title has markup."""
    status = SearchAttributeKey.for_keyword(STATUS_ATTRIBUTE)
    handle = await client.start_workflow(
        INCIDENT_WORKFLOW,
        id=f"incident:test:{uuid4()}",
        task_queue=f"nobody-{uuid4()}",
        memo={TITLE_MEMO: "The checkout <b>is</b> down"},
        search_attributes=TypedSearchAttributes([SearchAttributePair(status, "open")]),
    )
    yield handle
    await handle.terminate()


async def link_path(incident: WorkflowHandle[Any, Any], **fields: Any) -> str:
    """The path of a link to it: see `tests.support.links.link`."""
    began = (await incident.describe()).start_time
    return f"{PATH}{await signing().sign(link(incident_id(incident.id, began), **fields))}"


async def commands(incident: WorkflowHandle[Any, Any]) -> list[dict[str, Any]]:
    """What was sent to it."""
    return [
        json.loads(event.workflow_execution_signaled_event_attributes.input.payloads[0].data)
        async for event in incident.fetch_history_events()
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED
    ]
