"""Azure Monitor's alerts in the common alert schema, as action groups post them.

Each receiver of an action group chooses its schema ("Enable the common alert schema"); the older
ones, one for each kind of signal, are refused. An alert's ID is the same from firing to resolved.
Source: Azure Monitor, "Common alert schema".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from core.domain.event import Event
from core.errors import InvalidEvent
from core.formats.shared.alert_event import alert
from core.formats.shared.delivery import Delivery, Malformed
from core.formats.shared.format import Format
from core.formats.shared.http_body import load_object
from core.formats.shared.json_path import at, text
from core.formats.shared.times import utc

_LABELS = ("signalType", "monitoringService", "targetResourceGroup", "targetResourceType")


def parse(delivery: Delivery) -> list[Event | Malformed]:
    """One event. Raises `InvalidEvent`."""
    value = load_object(delivery)
    essentials = at(value, "data", "essentials")
    if not isinstance(essentials, Mapping):
        raise InvalidEvent(
            "it has no data.essentials, so it is not in Azure Monitor's common alert schema",
            fix="enable the common alert schema for this receiver of the action group",
        )
    resolved = str(essentials.get("monitorCondition")).strip().lower() == "resolved"
    fired_at = utc(essentials.get("firedDateTime"))
    time = (utc(essentials.get("resolvedDateTime")) or fired_at) if resolved else fired_at
    return [
        alert(
            delivery,
            0,
            kind="azure-monitor",
            key=essentials.get("alertId"),
            status="resolved" if resolved else "firing",
            time=time,
            original=value,
            title=text(essentials, "alertRule"),
            severity=text(essentials, "severity"),
            service=text(essentials, "configurationItems", 0) or _last(_target(essentials)),
            summary=text(essentials, "description"),
            starts_at=fired_at,
            ends_at=utc(essentials.get("resolvedDateTime")) if resolved else None,
            links={"source": text(essentials, "investigationLink") or _portal(essentials)},
            labels=_labels(value, essentials),
        )
    ]


def _labels(value: Mapping[str, Any], essentials: Mapping[str, Any]) -> dict[str, str]:
    """The rule's custom properties, the dimensions that fired, and the monitored resource."""
    labels = dict(_items(at(value, "data", "customProperties")))
    for dimension in _dimensions(at(value, "data", "alertContext", "condition", "allOf")):
        if (name := text(dimension, "name")) and (dimension_value := text(dimension, "value")):
            labels.setdefault(name, dimension_value)
    resource = {
        **{field: text(essentials, field) for field in _LABELS},
        "target": _target(essentials),
    }
    return {**{field: name for field, name in resource.items() if name}, **labels}


def _items(properties: object) -> list[tuple[str, str]]:
    if not isinstance(properties, Mapping):
        return []
    return [(name, value) for name in properties if (value := text(properties, name))]


def _dimensions(criteria: object) -> list[Any]:
    if not isinstance(criteria, list):
        return []
    lists = [at(criterion, "dimensions") for criterion in criteria]
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
