"""The body that Alertmanager and Grafana share: one group of alerts, each with its own status.

An alert is known by its fingerprint, which is a hash of its labels; where the sender leaves it out,
it is made of them in the same way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from core.domain.event import Event, encode
from core.errors import InvalidEvent
from core.formats.shared.alert_event import Status, alert
from core.formats.shared.bounds import require_few
from core.formats.shared.delivery import Delivery, Malformed
from core.formats.shared.http_body import load_object
from core.formats.shared.json_path import at, text
from core.formats.shared.links import fields_of, with_links

_OF_ALL_ALERTS: Final = frozenset(("alerts", "commonLabels", "commonAnnotations", "message"))
"""Fields that grow with the number of alerts and that each alert repeats for itself. Originals omit
them, so that a thousand alerts do not each carry a thousand."""

_GROUP_BYTES: Final = 8 * 1024
"""Most bytes of a group's own fields that are copied whole into the event of each of its alerts."""

_FNV_OFFSET: Final = 0xCBF29CE484222325
_FNV_PRIME: Final = 0x100000001B3
_LABEL_SEPARATOR: Final = 0xFF

_UNNAMED: Final = ("DatasourceNoData", "DatasourceError")

_NO_TIME: Final = "0001-01-01"
"""How Go writes an unset time."""


def parse_group(delivery: Delivery, kind: str) -> list[Event | Malformed]:
    """One event per alert; one without fingerprint and labels is `Malformed`. Raises
    `InvalidEvent`.

    `data.original` is the delivery as if it held this alert alone.
    """
    body = load_object(delivery)
    alerts = body.get("alerts")
    if not isinstance(alerts, list):
        raise InvalidEvent(
            f"the body is not a webhook of {kind}: its `alerts` are "
            f"{'missing' if alerts is None else 'not an array'}"
        )
    require_few(alerts)
    group = {name: value for name, value in body.items() if name not in _OF_ALL_ALERTS}
    if len(encode(group)) > _GROUP_BYTES:  # it would be in the event of every alert
        group = {name: value for name, value in group.items() if not isinstance(value, dict | list)}
    return [_one(delivery, kind, group, position, item) for position, item in enumerate(alerts)]


def _one(
    delivery: Delivery, kind: str, group: Mapping[str, Any], position: int, item: object
) -> Event | Malformed:
    if not isinstance(item, dict):
        return Malformed(InvalidEvent(f"alerts[{position}] is not a JSON object"))
    try:
        return _alert(delivery, kind, group, position, item)
    except InvalidEvent as error:
        return Malformed(
            InvalidEvent(f"alerts[{position}].fingerprint: {error.message}", fix=error.fix)
        )


def _alert(
    delivery: Delivery, kind: str, group: Mapping[str, Any], position: int, item: dict[str, Any]
) -> Event:
    status, start, end = item.get("status"), _moment(item, "startsAt"), _moment(item, "endsAt")
    resolved = isinstance(status, str) and status.strip().lower() == "resolved"
    return alert(
        delivery,
        position,
        kind=kind,
        key=(text(item, "fingerprint") or "").strip() or fingerprint(at(item, "labels")),
        # Any other word counts as firing: the domain treats it so, with a remark.
        status=cast(Status, status),
        time=end if resolved else start,
        original={**group, "alerts": [item]},
        title=_title(item),
        summary=text(item, "annotations", "description")
        or text(item, "annotations", "message")
        or (text(item, "annotations", "title") and text(item, "annotations", "summary")),
        service=text(item, "labels", "service") or text(item, "labels", "job"),
        severity=text(item, "labels", "severity"),
        starts_at=item.get("startsAt"),
        ends_at=item.get("endsAt"),
        links=with_links(
            {
                "runbook": text(item, "annotations", "runbook_url"),
                "dashboard": text(item, "dashboardURL"),
                "panel": text(item, "panelURL"),
                "source": text(item, "generatorURL") or text(group, "externalURL"),
                "silence": text(item, "silenceURL"),
            },
            fields_of(at(item, "annotations")),
            [("image", item.get("imageURL"))],
        ),
        labels=item.get("labels"),
        truncated=group.get("truncatedAlerts"),
    )


def _title(item: Mapping[str, Any]) -> str | None:
    """What the rule says, else the alert's name; with the rule's own name where Grafana gives all
    rules that cannot be evaluated one name."""
    name, rule = text(item, "labels", "alertname"), text(item, "labels", "rulename")
    if name in _UNNAMED and rule:
        name = f"{rule} ({name})"
    return text(item, "annotations", "title") or text(item, "annotations", "summary") or name


def fingerprint(labels: object) -> str | None:
    """The fingerprint of a set of labels, as Prometheus makes it; None where there are none.
    Source: prometheus/common, `LabelSet.Fingerprint`: FNV-1a of 64 bits over the sorted labels."""
    if not isinstance(labels, Mapping) or not labels:
        return None
    hash = _FNV_OFFSET
    for name, value in sorted(labels.items()):
        for part in (name, str(value)):
            for byte in (*part.encode(errors="surrogatepass"), _LABEL_SEPARATOR):
                hash = (hash ^ byte) * _FNV_PRIME % 2**64
    return f"{hash:016x}"


def _moment(item: Mapping[str, Any], name: str) -> str | None:
    value = text(item, name)
    return None if value is None or value.startswith(_NO_TIME) else value
