"""What Temporal's workflow lists show of an incident: its search attributes, and its title as a
memo. They are upserted only when they change.

Deterministic: runs in the workflow sandbox.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from temporalio import workflow
from temporalio.common import SearchAttributeKey, SearchAttributeUpdate

from core.contracts import (
    ASSIGNEE_ATTRIBUTE,
    INCIDENT_ID_ATTRIBUTE,
    INCIDENT_WORKER,
    SERVICE_ATTRIBUTE,
    SEVERITY_ATTRIBUTE,
    STATUS_ATTRIBUTE,
    TITLE_MEMO,
)
from core.domain.incident.model import Incident, Status

Attributes = Mapping[str, str]

_KEYS: Final = {
    name: SearchAttributeKey.for_keyword(name) for name in INCIDENT_WORKER.search_attributes
}


def published() -> Attributes:
    """The attributes that this run started with, taken over from the run before."""
    attributes = workflow.info().typed_search_attributes
    return {
        name: value for name, key in _KEYS.items() if (value := attributes.get(key)) is not None
    }


def changed(incident: Incident, before: Attributes) -> Attributes | None:
    """The attributes as they should be; None when nothing has changed, and while there is no
    incident yet."""
    if incident.status is Status.NEW or not incident.title:
        return None
    values = {
        INCIDENT_ID_ATTRIBUTE: incident.id,
        STATUS_ATTRIBUTE: incident.status.value,
        SEVERITY_ATTRIBUTE: incident.severity.value,
        SERVICE_ATTRIBUTE: incident.service,
        ASSIGNEE_ATTRIBUTE: incident.assignee,
    }
    attributes = {name: value for name, value in values.items() if value}
    return attributes if attributes != before else None


def upsert(before: Attributes, now: Attributes) -> None:
    """Upsert the difference between the two."""
    changes: list[SearchAttributeUpdate[Any]] = [
        _KEYS[name].value_set(value) for name, value in now.items() if before.get(name) != value
    ]
    changes += [_KEYS[name].value_unset() for name in before if name not in now]
    workflow.upsert_search_attributes(changes)


def set_title_memo(title: str) -> None:
    """Upsert the memo unless it has the title already; continue-as-new keeps it."""
    if title and workflow.memo_value(TITLE_MEMO, "", type_hint=str) != title:
        workflow.upsert_memo({TITLE_MEMO: title})
