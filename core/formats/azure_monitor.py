"""Azure Monitor's alerts in the common alert schema, as action groups post them.

Each receiver of an action group chooses its schema ("Enable the common alert schema"); the older
ones, one for each kind of signal, are refused. An alert's ID is the same from firing to resolved.
Times are in UTC, and some are sent without saying so.

An alert of the activity log always has `Sev4` and only ever fires, each time under a new ID. So its
severity is the `level` of the log's entry, and what the health services tell of is known by itself:

    Service Health    its tracking ID        over with the stage Resolved, Complete, Canceled or RCA
    Resource Health   the resource's ID      over when the resource is Available again

Sources: Azure Monitor, "Common alert schema" and "Azure activity log event schema".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from core.domain.event import Event
from core.errors import InvalidEvent
from core.formats.shared.alert_event import alert
from core.formats.shared.delivery import Delivery, Malformed
from core.formats.shared.format import Format
from core.formats.shared.http_body import load_object
from core.formats.shared.json_path import at, text
from core.formats.shared.links import fields_of, with_links
from core.formats.shared.times import assumed_utc, utc

_LABELS: Final = (
    "signalType",
    "monitoringService",
    "targetResourceGroup",
    "targetResourceType",
)
_HEALTH_LABELS: Final = (
    "trackingId",
    "incidentType",
    "stage",
    "region",
    "currentHealthStatus",
    "previousHealthStatus",
    "cause",
)
_LEVELS: Final = {"1": "Critical", "2": "Error", "3": "Warning", "4": "Informational"}
"""The activity log's levels by their numbers, which some services send."""
_ACTIVITY_LOG: Final = "Activity Log"
_LEAST: Final = "sev4"
_OVER: Final = frozenset(("resolved", "complete", "completed", "canceled", "cancelled", "rca"))
"""Stages of Service Health after which nothing is wrong any more; the last is a report on it."""
_HEALTHY: Final = "available"
_RESULTS: Final = ("linkToFilteredSearchResultsUI", "linkToSearchResultsUI")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Health:
    """What an alert says that is about the health of a service or of a resource."""

    key: str
    over: bool
    began: str | None
    ended: str | None


def parse(delivery: Delivery) -> list[Event | Malformed]:
    """One event. Raises `InvalidEvent`."""
    value = load_object(delivery)
    essentials = at(value, "data", "essentials")
    if not isinstance(essentials, Mapping):
        raise InvalidEvent(
            "it has no data.essentials, so it is not in Azure Monitor's common alert schema",
            fix="enable the common alert schema for this receiver of the action group",
        )
    context = at(value, "data", "alertContext")
    health = _service_health(essentials, context) or _resource_health(essentials, context)
    fired_at, ended_at = (_time(essentials, f"{word}DateTime") for word in ("fired", "resolved"))
    key = text(essentials, "alertId")
    if health:
        resolved, key = health.over, health.key
        ended_at = (health.ended or fired_at) if resolved else None
        time = fired_at
        fired_at = health.began or (None if resolved else fired_at)
    else:
        resolved = str(essentials.get("monitorCondition")).strip().lower() == "resolved"
        time = (ended_at or fired_at) if resolved else fired_at
    properties, summary = at(context, "properties"), text(essentials, "description")
    title = text(properties, "title") if health else None
    service = text(properties, "service") if health else None
    return [
        alert(
            delivery,
            0,
            kind="azure-monitor",
            key=key,
            status="resolved" if resolved else "firing",
            time=time,
            original=value,
            title=title or text(essentials, "alertRule") or summary,
            severity=_severity(essentials, context),
            service=service
            or text(essentials, "configurationItems", 0)
            or _last(_target(essentials)),
            summary=summary,
            starts_at=fired_at,
            ends_at=ended_at if resolved else None,
            links=with_links(
                {"source": text(essentials, "investigationLink") or _portal(essentials)},
                fields_of(at(value, "data", "customProperties")),
                [("results", text(context, "condition", "allOf", 0, name)) for name in _RESULTS],
            ),
            labels=_labels(value, essentials),
        )
    ]


def _service_health(essentials: Mapping[str, Any], context: object) -> _Health | None:
    properties = at(context, "properties")
    tracking_id = text(properties, "trackingId")
    if _monitored_by(essentials) != "servicehealth" or tracking_id is None:
        return None
    stage = text(properties, "stage") or text(context, "status") or ""
    return _Health(
        key=f"service-health:{tracking_id}",
        over=stage.strip().lower() in _OVER,
        began=_time(properties, "impactStartTime"),
        ended=_time(properties, "impactMitigationTime"),
    )


def _resource_health(essentials: Mapping[str, Any], context: object) -> _Health | None:
    target = _target(essentials)
    if _monitored_by(essentials) != "resourcehealth" or target is None:
        return None
    status = text(context, "properties", "currentHealthStatus") or ""
    over = status.strip().lower() == _HEALTHY or (text(context, "status") or "").lower() in _OVER
    moment = _time(context, "eventTimestamp")
    return _Health(
        key=f"resource-health:{target.lower()}",  # Azure spells one ID in several cases
        over=over,
        began=None if over else moment,
        ended=moment if over else None,
    )


def _monitored_by(essentials: Mapping[str, Any]) -> str:
    return (text(essentials, "monitoringService") or "").replace(" ", "").lower()


def _severity(essentials: Mapping[str, Any], context: object) -> str | None:
    severity, level = text(essentials, "severity"), text(context, "level")
    from_log = text(essentials, "signalType") == _ACTIVITY_LOG
    if from_log and level and (severity or _LEAST).strip().lower() == _LEAST:
        return _LEVELS.get(level, level)
    return severity


def _time(value: object, name: str) -> str | None:
    return utc(assumed_utc(at(value, name)))


def _labels(value: Mapping[str, Any], essentials: Mapping[str, Any]) -> dict[str, str]:
    """The rule's custom properties, the dimensions that fired, what is known of the health, and the
    monitored resource."""
    labels = dict(_items(at(value, "data", "customProperties")))
    context = at(value, "data", "alertContext")
    for dimension in _dimensions(context):
        name = text(dimension, "name") or text(dimension, "Name")
        dimension_value = text(dimension, "value") or text(dimension, "Value")
        if name and dimension_value:
            labels.setdefault(name, dimension_value)
    properties = at(context, "properties") if "health" in _monitored_by(essentials) else None
    resource = {
        **{field: text(essentials, field) for field in _LABELS},
        **{field: text(properties, field) for field in _HEALTH_LABELS},
        "target": _target(essentials),
    }
    return {**{field: name for field, name in resource.items() if name}, **labels}


def _items(properties: object) -> list[tuple[str, str]]:
    if not isinstance(properties, Mapping):
        return []
    return [(name, value) for name in properties if (value := text(properties, name))]


def _dimensions(context: object) -> list[Any]:
    """The dimensions of all criteria; older log alerts have theirs in the context itself."""
    criteria = at(context, "condition", "allOf")
    lists = [at(each, "dimensions") for each in criteria] if isinstance(criteria, list) else []
    lists.append(at(context, "Dimensions"))
    return [dimension for each in lists if isinstance(each, list) for dimension in each]


def _target(essentials: Mapping[str, Any]) -> str | None:
    return text(essentials, "alertTargetIDs", 0)


def _last(resource: str | None) -> str | None:
    return resource.rstrip("/").rpartition("/")[2] or None if resource else None


def _portal(essentials: Mapping[str, Any]) -> str | None:
    """The alert in the portal, for payloads from before Azure included a link."""
    id = text(essentials, "alertId")
    blade = "https://portal.azure.com/#blade/Microsoft_Azure_Monitoring/AlertDetailsTemplateBlade"
    return f"{blade}/alertId/{quote(id, safe='')}" if id else None


FORMAT: Final = Format(parse=parse)
