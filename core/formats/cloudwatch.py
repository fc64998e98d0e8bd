"""CloudWatch alarms, by every path.

    {"AlarmArn": "...", "NewStateValue": "ALARM", ...}       through SNS, by HTTP or in a queue
    {"detail-type": "CloudWatch Alarm State Change", ...}    through EventBridge; the same with
                                                             "Alarm Contributor" for "Alarm"
    {"alarmArn": "...", "alarmData": {...}}                  an alarm's Lambda action
    {"Type": "SubscriptionConfirmation", ...}                SNS's control messages: no event

An alarm over many time series changes its state for each of them, its contributors, by itself: each
is an alert of its own, and its attributes are labels. An alarm that is deleted is resolved.

An alarm without data neither fires nor is resolved, and one that goes off while AWS mutes it or
suppresses its actions is not meant to wake anybody: each becomes an event of its own type, for a
route to interpret. Its key is the same by every path: SNS's StateChangeTime and EventBridge's
state.timestamp are both the moment when the alarm's state was updated.
Sources: Amazon CloudWatch User Guide, "Notifying users on alarm changes", "Alarm events and
EventBridge" and "Invoke a Lambda function from an alarm"; Amazon SNS Developer Guide, "HTTP/HTTPS
subscription confirmation JSON format".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import quote

from core.domain.event import Event
from core.domain.identity import change_key, key_part, scoped_key
from core.errors import InvalidEvent, quoted
from core.formats.shared.alert_event import Status, alert
from core.formats.shared.delivery import Delivery, Malformed, scope_of
from core.formats.shared.format import Format
from core.formats.shared.http_body import load_object
from core.formats.shared.json_path import at, text
from core.formats.shared.times import utc

_STATE_CHANGES: Final = (
    "CloudWatch Alarm State Change",
    "CloudWatch Alarm Contributor State Change",
)
_CONFIGURATION_CHANGE: Final = "CloudWatch Alarm Configuration Change"
_DETAIL_TYPES: Final = (*_STATE_CHANGES, _CONFIGURATION_CHANGE)
INSUFFICIENT_DATA: Final = "com.amazonaws.cloudwatch.alarm.insufficient_data"
"""The type of events about an alarm without data."""
MUTED: Final = "com.amazonaws.cloudwatch.alarm.muted"
"""The type of events about an alarm that goes off while a mute rule or a suppressor silences it."""

_STATUS: Final[Mapping[str, Status]] = {
    "ALARM": "firing",
    "OK": "resolved",
    "INSUFFICIENT_DATA": "firing",  # until `_silent` replaces the type
}
_CONTRIBUTOR: Final = "/contributor/"
_ARN: Final = re.compile(r"arn:([a-z-]+):cloudwatch:([a-z0-9-]+):(\d+):alarm:(.+)", re.DOTALL)
_CONSOLES: Final = {
    "aws": "{0}.console.aws.amazon.com",
    "aws-cn": "{0}.console.amazonaws.cn",
    "aws-us-gov": "{0}.console.amazonaws-us-gov.com",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    """One change of an alarm's state, by whichever path."""

    arn: Any
    name: str | None
    state: object
    time: object
    reason: str | None
    description: str | None
    metrics: list[tuple[str | None, str | None, dict[str, Any]]]
    original: Mapping[str, Any]
    contributor: str | None = None
    attributes: Mapping[str, Any]
    fired_at: str | None = None
    silenced: Mapping[str, str] = field(default_factory=dict)
    """By what AWS silences the alarm's actions, as labels."""


def parse(delivery: Delivery) -> list[Event | Malformed]:
    """One event; none for SNS's control messages, and for changes of an alarm's configuration other
    than its deletion. Raises `InvalidEvent`."""
    value = load_object(delivery)
    if "TopicArn" in value and isinstance(value.get("Type"), str):
        return []
    if "detail-type" in value:
        change = _from_eventbridge(value)
    elif "alarmData" in value:
        change = _from_state(value.get("alarmArn"), value["alarmData"], value)
    elif "AlarmArn" in value or "NewStateValue" in value:
        change = _from_sns(value)
    else:
        raise InvalidEvent(
            "neither a CloudWatch alarm's notification (no AlarmArn, no NewStateValue), "
            "nor an EventBridge event of one, nor an alarm's Lambda action"
        )
    return [_event(change, delivery)] if change else []


def _from_sns(value: Mapping[str, Any]) -> _Change:
    trigger = at(value, "Trigger")
    metrics = [trigger, *(at(item, "MetricStat", "Metric") for item in _list(trigger, "Metrics"))]
    return _Change(
        arn=value.get("AlarmArn") or _place(value),
        name=text(value, "AlarmName"),
        state=value.get("NewStateValue"),
        time=value.get("StateChangeTime"),
        reason=text(value, "NewStateReason"),
        description=text(value, "AlarmDescription"),
        metrics=[
            (
                text(metric, "Namespace"),
                text(metric, "MetricName"),
                {
                    name: text(dimension, "value")
                    for dimension in _list(metric, "Dimensions")
                    if (name := text(dimension, "name"))
                },
            )
            for metric in metrics
        ],
        original=value,
        contributor=text(value, "AlarmContributorId"),
        attributes=_object(value, "AlarmContributorAttributes"),
    )


def _place(value: Mapping[str, Any]) -> str | None:
    """What names the alarm in a notification without its ARN, as they were before 2020."""
    parts = [text(value, name) for name in ("AWSAccountId", "Region", "AlarmName")]
    return "/".join(map(str, parts)) if all(parts) else None


def _from_eventbridge(value: Mapping[str, Any]) -> _Change | None:
    if value.get("source") != "aws.cloudwatch":
        raise InvalidEvent(
            f"its EventBridge source is {quoted(value.get('source'))}, not aws.cloudwatch"
        )
    if value.get("detail-type") not in _DETAIL_TYPES:
        raise InvalidEvent(
            f"its detail-type is {quoted(value.get('detail-type'))}, not one of "
            f"{', '.join(map(repr, _DETAIL_TYPES))}"
        )
    change = _from_state(at(value, "resources", 0), value.get("detail"), value)
    if value["detail-type"] in _STATE_CHANGES:
        return change
    if at(value, "detail", "operation") != "delete":
        return None
    return replace(
        change,
        state="OK",
        time=value.get("time"),
        reason="The alarm was deleted.",
        fired_at=utc(change.time) if change.state == "ALARM" else None,
    )


def _from_state(arn: object, detail: object, original: Mapping[str, Any]) -> _Change:
    """A change as EventBridge and Lambda actions describe it."""
    fired = at(detail, "previousState", "value") == "ALARM"
    metrics = [
        at(item, "metricStat", "metric") for item in _list(at(detail, "configuration"), "metrics")
    ]
    silenced = {
        "muted_by": text(detail, "muteDetail", "mutedByArn"),
        "actions_suppressed_by": text(detail, "state", "actionsSuppressedBy"),
    }
    return _Change(
        arn=arn,
        name=text(detail, "alarmName"),
        state=at(detail, "state", "value"),
        time=at(detail, "state", "timestamp"),
        reason=text(detail, "state", "reason"),
        description=text(detail, "configuration", "description"),
        metrics=[
            (text(metric, "namespace"), text(metric, "name"), _object(metric, "dimensions"))
            for metric in metrics
        ],
        original=original,
        contributor=text(detail, "alarmContributor", "id"),
        attributes=_object(at(detail, "alarmContributor"), "attributes"),
        fired_at=utc(at(detail, "previousState", "timestamp")) if fired else None,
        silenced={label: name for label, name in silenced.items() if name},
    )


def _event(change: _Change, delivery: Delivery) -> Event:
    state = change.state
    if not isinstance(state, str) or state not in _STATUS:
        raise InvalidEvent(
            f"the alarm's new state is {quoted(state)}, not one of ALARM, OK, INSUFFICIENT_DATA"
        )
    time = utc(change.time)
    arn = change.arn if isinstance(change.arn, str) else ""
    resolved = state == "OK"
    event = alert(
        delivery,
        0,
        kind="cloudwatch",
        key=_key(arn, change.contributor),
        status=_STATUS[state],
        time=time,
        original=change.original,
        title=change.name or arn.rpartition(":")[2] or None,
        service=next((namespace for namespace, _, _ in change.metrics if namespace), None),
        summary=" ".join(filter(None, (change.description, change.reason))) or None,
        starts_at=change.fired_at if resolved else time,
        ends_at=time if resolved else None,
        links={"source": _console(arn)},
        labels=_labels(arn, change),
    )
    if state == "INSUFFICIENT_DATA":
        return _silent(event, INSUFFICIENT_DATA, change, delivery)
    if state == "ALARM" and change.silenced:
        return _silent(event, MUTED, change, delivery)
    return event


def _silent(event: Event, type: str, change: _Change, delivery: Delivery) -> Event:
    """The event as one that is no alert. The alarm's state and its time identify it."""
    data = {field: value for field, value in event.data.items() if field != "status"}
    plain = replace(event, type=type, data=data)
    if event.time is None:
        return plain
    by = "".join(f":{name}" for name in change.silenced.values())
    key = change_key("cloudwatch", str(event.subject), f"{event.time}:{change.state}{by}")
    return replace(plain, key=scoped_key(scope_of(delivery), key), unidentified=False)


def _key(arn: str, contributor: str | None) -> str:
    """The alarm's ARN, or that of one of its contributors. The names of alarms may contain what
    separates the two, so there it is escaped."""
    if not arn:
        return ""
    arn = key_part(arn, _CONTRIBUTOR)
    return arn if contributor is None else f"{arn}{_CONTRIBUTOR}{contributor}"


def _labels(arn: str, change: _Change) -> dict[str, Any]:
    """By what the alarm is silenced, the contributor's attributes, the dimensions of all its
    metrics, its region and its account."""
    labels: dict[str, Any] = {**change.attributes, **change.silenced}
    for namespace, metric, dimensions in change.metrics:
        for name, value in (*dimensions.items(), ("namespace", namespace), ("metric", metric)):
            if value is not None:
                labels.setdefault(name, value)
    if parts := _ARN.fullmatch(arn):
        labels |= {"region": parts[2], "account": parts[3]}
    return labels


def _console(arn: str) -> str | None:
    """The alarm in the console of its partition of AWS."""
    parts = _ARN.fullmatch(arn)
    if not parts or parts[1] not in _CONSOLES:
        return None
    host, region, name = _CONSOLES[parts[1]].format(parts[2]), parts[2], quote(parts[4], safe="")
    return f"https://{host}/cloudwatch/home?region={region}#alarmsV2:alarm/{name}"


def _list(value: object, name: str) -> list[Any]:
    items = at(value, name)
    return items if isinstance(items, list) else []


def _object(value: object, name: str) -> dict[str, Any]:
    fields = at(value, name)
    return fields if isinstance(fields, dict) else {}


FORMAT: Final = Format(parse=parse, media_types=("text/plain",))  # as SNS posts its JSON
