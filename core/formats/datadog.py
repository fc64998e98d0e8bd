"""Datadog's webhooks, with the payload of `TEMPLATE`: in Datadog the user writes it, by pasting
this one (docs/webhooks/datadog.md).

The key is the aggregation key, the same from triggered to recovered. A variable without a value is
sent empty, as the text `null`, or as its own name; all three count as missing. Events that do not
come from a monitor have no transition and often no aggregation key. A re-notification has no start
of its monitor's: as of its own time the monitor fires.

Source: Datadog, "Webhooks", section "Variables".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, cast

from core.domain.event import Event
from core.errors import InvalidEvent
from core.formats.shared.alert_event import Status, alert
from core.formats.shared.delivery import Delivery, Malformed
from core.formats.shared.format import Format
from core.formats.shared.http_body import load_object
from core.formats.shared.json_path import text
from core.formats.shared.tags import labels_of
from core.formats.shared.times import from_epoch

TEMPLATE: Final = """\
{
  "id": "$ID",
  "aggregation_key": "$AGGREG_KEY",
  "transition": "$ALERT_TRANSITION",
  "priority": "$ALERT_PRIORITY",
  "title": "$EVENT_TITLE",
  "message": "$EVENT_MSG",
  "tags": "$TAGS",
  "last_updated": "$LAST_UPDATED",
  "link": "$LINK",
  "alert_id": "$ALERT_ID",
  "alert_type": "$ALERT_TYPE",
  "alert_status": "$ALERT_STATUS",
  "alert_scope": "$ALERT_SCOPE",
  "alert_query": "$ALERT_QUERY",
  "alert_cycle_key": "$ALERT_CYCLE_KEY",
  "snapshot": "$SNAPSHOT",
  "host": "$HOSTNAME",
  "organisation": "$ORG_NAME"
}
"""
"""The webhook's payload in Datadog. Users may add fields; they stay in `data.original`."""

_FIRING: Final = (
    "triggered", "no data", "warn", "re-triggered", "re-no data", "re-warn", "renotify",
)  # fmt: skip
_RECOVERED: Final = "recovered"
_VARIABLE: Final = re.compile(r"\$[A-Z_]+(\[[^\]]*\])?")
_FIELDS: Final = frozenset(re.findall(r'"(\w+)":', TEMPLATE))


def parse(delivery: Delivery) -> list[Event | Malformed]:
    """One event. Raises `InvalidEvent`."""
    body = load_object(delivery)
    if not _FIELDS & body.keys():
        raise InvalidEvent(
            "the body has no field of the template for Datadog",
            fix=f"paste this as the payload of the webhook: {' '.join(TEMPLATE.split())}",
        )
    transition = _value(body, "transition")
    word = (transition or "").strip().lower()
    resolved = word.startswith(_RECOVERED)
    status = "resolved" if resolved else "firing" if word in _FIRING else transition
    moment = from_epoch(_value(body, "last_updated"))
    labels = labels_of(body["tags"] if isinstance(body.get("tags"), list) else _value(body, "tags"))
    return [
        alert(
            delivery,
            0,
            kind="datadog",
            key=_value(body, "aggregation_key"),
            # Any other word, or none, counts as firing: the domain treats it so, with a remark.
            status=cast(Status, status),
            time=moment,
            original=body,
            title=_value(body, "title"),
            summary=_value(body, "message"),
            service=labels.get("service") or None,
            severity=_value(body, "priority"),
            starts_at=None if resolved else moment,
            ends_at=moment if resolved else None,
            links={"source": _value(body, "link"), "snapshot": _value(body, "snapshot")},
            labels=labels,
        )
    ]


def _value(body: Mapping[str, Any], name: str) -> str | None:
    value = text(body, name)
    if value is None or value.strip() in ("", "null") or _VARIABLE.fullmatch(value.strip()):
        return None
    return value


FORMAT: Final = Format(
    parse=parse,
    answer_within=14.0,  # of Datadog's 15 s, the way there and back included
)
