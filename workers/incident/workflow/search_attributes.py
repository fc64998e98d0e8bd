"""What Temporal's lists tell of an incident, upserted on change only: the search attributes by
which it can be found, and the title in a memo."""

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
    """What this run began with; one that goes on takes over those of the run before."""
    found = workflow.info().typed_search_attributes
    return {name: value for name, key in _KEYS.items() if (value := found.get(key)) is not None}


def changed(incident: Incident, before: Attributes) -> Attributes | None:
    """What the incident is to be found by from now on; None when nothing has changed, and for what
    is no incident, or not yet."""
    if incident.status is Status.NEW or not incident.title:
        return None
    values = {
        INCIDENT_ID_ATTRIBUTE: incident.id,
        STATUS_ATTRIBUTE: incident.status.value,
        SEVERITY_ATTRIBUTE: incident.severity.value,
        SERVICE_ATTRIBUTE: incident.service,
        ASSIGNEE_ATTRIBUTE: incident.assignee,
    }
    found = {name: value for name, value in values.items() if value}
    return found if found != before else None


def upsert(before: Attributes, now: Attributes) -> None:
    """Make of the one the other."""
    changes: list[SearchAttributeUpdate[Any]] = [
        _KEYS[name].value_set(value) for name, value in now.items() if before.get(name) != value
    ]
    changes += [_KEYS[name].value_unset() for name in before if name not in now]
    workflow.upsert_search_attributes(changes)


def entitle(title: str) -> None:
    """Put it into the memo, which goes along to the next run, unless it is there already."""
    if title and workflow.memo_value(TITLE_MEMO, "", type_hint=str) != title:
        workflow.upsert_memo({TITLE_MEMO: title})
