"""Sentry's webhooks of an internal or public integration.

    event_alert     a rule was triggered: an alert that fires, keyed by its issue
    issue           created, unresolved: it fires; resolved: it is resolved; assigned, archived: an
                    event of its own type, since neither says whether the problem is over
    metric_alert    critical, warning: it fires; resolved: it is resolved; keyed by its incident
    installation    the integration was added or removed; has credentials: no event
    comment, error, ...  an event of type `io.sentry.<resource>.<action>`

An issue's alert has the same key from rule to resolution. Sentry does not say when an issue was
resolved or became unresolved, and `firstSeen` never moves: both count as of their arrival.

Source: Sentry, "Integration Platform: Webhooks".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from core.domain.event import Event, readable_time
from core.domain.identity import message_key, unidentified_key
from core.errors import InvalidEvent
from core.formats.shared.alert_event import Status, alert
from core.formats.shared.delivery import Delivery, Malformed, source_of
from core.formats.shared.format import Format
from core.formats.shared.http_body import load_object
from core.formats.shared.json_path import at, text

_RESOURCE: Final = "sentry-hook-resource"
_PROJECT: Final = re.compile(r"/projects/[^/]+/([^/]+)/")
_STATUS_OF_ISSUE: Final[Mapping[str, Status]] = {
    "created": "firing",
    "unresolved": "firing",
    "resolved": "resolved",
}


def parse(delivery: Delivery) -> list[Event | Malformed]:
    """One event; none about the installation. Raises `InvalidEvent`."""
    value = load_object(delivery)
    resource = delivery.headers.get(_RESOURCE, "").strip().lower()
    action = text(value, "action")
    if not resource or not action:
        missing = (
            "the body has no action" if resource else "there is no Sentry-Hook-Resource header"
        )
        raise InvalidEvent(f"{missing}, so it is not a webhook of a Sentry integration")
    if resource == "installation":
        return []
    if resource == "issue" and action not in _STATUS_OF_ISSUE:
        return [_plain(value, resource, action, delivery)]
    make = _ALERTS.get(resource)
    return [make(value, action, delivery) if make else _plain(value, resource, action, delivery)]


def _rule_triggered(value: Mapping[str, Any], action: str, delivery: Delivery) -> Event:
    event = at(value, "data", "event")
    project = _PROJECT.search(text(event, "url") or "")
    rule = text(value, "data", "triggered_rule")
    return alert(
        delivery,
        0,
        kind="sentry",
        key=at(event, "issue_id"),
        status="firing",
        time=at(event, "datetime"),
        original=value,
        title=text(event, "title") or text(event, "message") or rule,
        severity=text(event, "level"),
        service=project[1] if project else None,
        summary=_joined(text(event, "culprit"), rule and f"Rule: {rule}"),
        starts_at=text(event, "datetime"),
        links={"source": text(event, "web_url")},
        labels=_labels(event) | ({"rule": rule} if rule else {}),
    )


def _issue_changed(value: Mapping[str, Any], action: str, delivery: Delivery) -> Event:
    issue = at(value, "data", "issue")
    return alert(
        delivery,
        0,
        kind="sentry",
        key=at(issue, "id"),
        status=_STATUS_OF_ISSUE[action],
        time=at(issue, "firstSeen" if action == "created" else "lastSeen"),
        original=value,
        title=text(issue, "title"),
        severity=text(issue, "level"),
        service=text(issue, "project", "slug"),
        summary=text(issue, "culprit"),
        starts_at=text(issue, "firstSeen") if action == "created" else None,
        links={"source": text(issue, "web_url") or text(issue, "permalink")},
        labels=_labels(issue),
    )


def _metric_changed(value: Mapping[str, Any], action: str, delivery: Delivery) -> Event:
    incident = at(value, "data", "metric_alert")
    id = text(incident, "id")
    resolved = action == "resolved"
    rule = at(incident, "alert_rule")
    return alert(
        delivery,
        0,
        kind="sentry",
        key=f"metric_alert:{id}" if id else None,  # incidents and issues are numbered separately
        status="resolved" if resolved else "firing",
        time=at(incident, "date_closed" if resolved else "date_detected"),
        original=value,
        title=text(value, "data", "description_title") or text(incident, "title"),
        severity=None if resolved else action,
        service=text(incident, "projects", 0) or text(rule, "projects", 0),
        summary=text(value, "data", "description_text"),
        starts_at=text(incident, "date_started"),
        ends_at=text(incident, "date_closed") if resolved else None,
        links={"source": text(value, "data", "web_url")},
        labels={
            name: label
            for name in ("environment", "dataset", "query", "aggregate")
            if (label := text(rule, name))
        },
    )


_ALERTS: Final[Mapping[str, Callable[[Mapping[str, Any], str, Delivery], Event]]] = {
    "event_alert": _rule_triggered,
    "issue": _issue_changed,
    "metric_alert": _metric_changed,
}


def _plain(value: Mapping[str, Any], resource: str, action: str, delivery: Delivery) -> Event:
    source, request = source_of(delivery), _request(delivery)
    event = Event(
        id=request or delivery.unique,
        source=source,
        type=f"io.sentry.{resource}.{action}",
        subject=text(value, "data", resource, "id") or text(value, "data", "issue_id"),
        datacontenttype="application/json",
        data=dict(value),
        key=message_key(source, request) if request else unidentified_key(source, delivery.unique),
        unidentified=not request,
    )
    return replace(event, time=readable_time(at(value, "data", "timestamp")))


def _request(delivery: Delivery) -> str | None:
    return delivery.headers.get("request-id") or delivery.headers.get("message-id")


def _labels(value: object) -> dict[str, str]:
    """The platform, and the tags, which only events have, as pairs."""
    labels = {name: label for name in ("platform", "shortId") if (label := text(value, name))}
    tags = at(value, "tags")
    for tag in tags if isinstance(tags, list) else []:
        if (name := text(tag, 0)) and (label := text(tag, 1)):
            labels[name] = label
    return labels


def _joined(*parts: str | None) -> str | None:
    return "; ".join(filter(None, parts)) or None


FORMAT: Final = Format(
    parse=parse,
    headers=("request-id", _RESOURCE),
    retries=False,
    answer_within=0.9,  # of the second that Sentry waits
)
