"""The body that Alertmanager and Grafana have in common: one group, and each of its alerts with a
status of its own.

Both tell of an alert again and again while it fires, and neither gives its deliveries an ID. A
firing alert is therefore known by its fingerprint, by when it began, and by the period in which it
is told; a resolved one by when it began and ended. The two of a highly available pair say the same,
so what both send is one event.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from core.domain.event import Event, encode
from core.errors import InvalidEvent
from core.formats.shared.alert_event import Status, alert, changed, repeated
from core.formats.shared.delivery import Delivery, Malformed
from core.formats.shared.http_body import load_object
from core.formats.shared.json_path import text

_SAID_AGAIN: Final = frozenset(("alerts", "commonLabels", "commonAnnotations", "message"))
"""What a group says of all its alerts together: it grows with them, and each alert says its part of
it again. An original without it keeps a thousand alerts a thousand times one alert."""

_GROUP_BYTES: Final = 8 * 1024
"""How much a group may say of itself in the event of each of its alerts."""

_NO_TIME: Final = "0001-01-01"
"""How Go writes the time that is none."""


def parse_group(delivery: Delivery, kind: str) -> list[Event | Malformed]:
    """One event per alert; an alert without a fingerprint is `Malformed`. Raises `InvalidEvent`.

    `data.original` is the delivery as it would be with this alert alone.
    """
    body = load_object(delivery)
    given = body.get("alerts")
    if not isinstance(given, list):
        raise InvalidEvent(
            f"the body is no webhook of {kind}: its `alerts` are "
            f"{'missing' if given is None else 'not an array'}"
        )
    group = {name: value for name, value in body.items() if name not in _SAID_AGAIN}
    if len(encode(group)) > _GROUP_BYTES:  # it would be in the event of every alert
        group = {name: value for name, value in group.items() if not isinstance(value, dict | list)}
    return [_one(delivery, kind, group, position, item) for position, item in enumerate(given)]


def _one(
    delivery: Delivery, kind: str, group: Mapping[str, Any], position: int, given: object
) -> Event | Malformed:
    if not isinstance(given, dict):
        return Malformed(InvalidEvent(f"alerts[{position}] is not a JSON object"))
    try:
        return _alert(delivery, kind, group, position, given)
    except InvalidEvent as error:
        return Malformed(
            InvalidEvent(f"alerts[{position}].fingerprint: {error.message}", fix=error.fix)
        )


def _alert(
    delivery: Delivery, kind: str, group: Mapping[str, Any], position: int, given: dict[str, Any]
) -> Event:
    status, began, ended = given.get("status"), _moment(given, "startsAt"), _moment(given, "endsAt")
    resolved = isinstance(status, str) and status.strip().lower() == "resolved"
    return alert(
        delivery,
        position,
        kind=kind,
        key=given.get("fingerprint"),
        # Another word counts as firing; the domain takes it so, and says so.
        status=cast(Status, status),
        change=(
            changed(began, ended, "resolved") if resolved else repeated(delivery, began, "firing")
        ),
        time=ended if resolved else began,
        original={**group, "alerts": [given]},
        title=text(given, "annotations", "summary") or text(given, "labels", "alertname"),
        summary=text(given, "annotations", "description") or text(given, "annotations", "message"),
        service=text(given, "labels", "service") or text(given, "labels", "job"),
        severity=text(given, "labels", "severity"),
        starts_at=given.get("startsAt"),
        ends_at=given.get("endsAt"),
        link=text(given, "generatorURL") or text(group, "externalURL"),
        labels=given.get("labels"),
        truncated=group.get("truncatedAlerts"),
    )


def _moment(given: Mapping[str, Any], name: str) -> str | None:
    value = text(given, name)
    return None if value is None or value.startswith(_NO_TIME) else value
