"""What Temporal's workflow lists show of an incident: its search attributes, and as a memo its
title and who acknowledged it. They are upserted only when they change.

Deterministic: runs in the workflow sandbox.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from typing import Any, Final, NamedTuple

from temporalio import workflow
from temporalio.common import SearchAttributeKey, SearchAttributeUpdate

from core.contracts import (
    ACKNOWLEDGED_AT_ATTRIBUTE,
    ACKNOWLEDGED_MEMO,
    ASSIGNEE_ATTRIBUTE,
    HANDLE_ATTRIBUTE,
    INCIDENT_ID_ATTRIBUTE,
    INCIDENT_WORKER,
    RESOLVED_AT_ATTRIBUTE,
    SERVICE_ATTRIBUTE,
    SEVERITY_ATTRIBUTE,
    STATUS_ATTRIBUTE,
    TITLE_MEMO,
)
from core.domain.handles import handle_of
from core.domain.incident.ids import compact_time
from core.domain.incident.model import Incident
from core.domain.incident.status import Status

_KEYS: Final = {
    name: SearchAttributeKey.for_keyword(name) for name in INCIDENT_WORKER.search_attributes
}
_MOMENTS: Final = (ACKNOWLEDGED_AT_ATTRIBUTE, RESOLVED_AT_ATTRIBUTE)
_MEMO: Final = (TITLE_MEMO, ACKNOWLEDGED_MEMO)


class Published(NamedTuple):
    """The values that are not empty, by the names of their fields."""

    attributes: Mapping[str, str]
    memo: Mapping[str, str]


def published() -> Published:
    """What this run started with, taken over from the run before."""
    attributes = workflow.info().typed_search_attributes
    return Published(
        {name: value for name, key in _KEYS.items() if (value := attributes.get(key)) is not None},
        {name: value for name in _MEMO if (value := workflow.memo_value(name, "", type_hint=str))},
    )


def changed(incident: Incident, before: Published) -> Published | None:
    """What should be published; None when nothing has changed, and while there is no incident
    yet."""
    if incident.status is Status.NEW or not incident.title:
        return None
    attributes = {
        INCIDENT_ID_ATTRIBUTE: incident.id,
        HANDLE_ATTRIBUTE: handle_of(incident.id),
        STATUS_ATTRIBUTE: incident.status.value,
        SEVERITY_ATTRIBUTE: incident.severity.value,
        SERVICE_ATTRIBUTE: incident.service,
        ASSIGNEE_ATTRIBUTE: incident.assignee,
        **_moments(incident, before),
    }
    memo = {
        TITLE_MEMO: incident.title,
        ACKNOWLEDGED_MEMO: incident.acknowledged_by[-1] if incident.acknowledged_by else None,
    }
    now = Published(_set(attributes), _set(memo))
    return now if now != before else None


def _moments(incident: Incident, before: Published) -> Mapping[str, str | None]:
    """When it was acknowledged and resolved. They change with the status alone: each upsert is an
    Action."""
    if incident.status.value == before.attributes.get(STATUS_ATTRIBUTE):
        return {name: before.attributes.get(name) for name in _MOMENTS}
    resolved = incident.resolved_at
    acknowledged = incident.first_acknowledged_at if resolved else None
    moments = (acknowledged, resolved)
    return {
        name: compact_time(moment.astimezone(UTC)) if moment else None
        for name, moment in zip(_MOMENTS, moments, strict=True)
    }


def publish(before: Published, now: Published) -> None:
    """Upsert the difference between the two."""
    changes: list[SearchAttributeUpdate[Any]] = [
        _KEYS[name].value_set(value) for name, value in _new(before.attributes, now.attributes)
    ]
    changes += [
        _KEYS[name].value_unset() for name in before.attributes if name not in now.attributes
    ]
    if changes:
        workflow.upsert_search_attributes(changes)
    memo: dict[str, str | None] = dict(_new(before.memo, now.memo))
    memo |= dict.fromkeys(name for name in before.memo if name not in now.memo)
    if memo:
        workflow.upsert_memo(memo)


def _set(values: Mapping[str, str | None]) -> Mapping[str, str]:
    return {name: value for name, value in values.items() if value}


def _new(before: Mapping[str, str], now: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(name, value) for name, value in now.items() if before.get(name) != value]
