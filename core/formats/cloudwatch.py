"""CloudWatch alarms, in every envelope they come in.

    {"Type": "Notification", "Message": "..."}               through SNS, by HTTP or in a queue
    {"AlarmArn": "...", "NewStateValue": "ALARM", ...}       through SNS with raw delivery
    {"detail-type": "CloudWatch Alarm State Change", ...}    through EventBridge; the same with
                                                             "Alarm Contributor" for "Alarm"
    {"Type": "SubscriptionConfirmation", ...}                SNS's control messages: no event

An alarm over many time series changes its state for each of them, its contributors, by itself: each
is an alert of its own, and its attributes are labels. An alarm without data neither fires nor is
resolved: it becomes an event of its own type, for a route to interpret. Its key is the same by
every path: SNS's StateChangeTime and EventBridge's state.timestamp are both the moment when the
alarm's state was updated.
Sources: Amazon CloudWatch User Guide, "Notifying users on alarm changes" and "Alarm events and
EventBridge"; Amazon SNS Developer Guide, "HTTP/HTTPS notification JSON format".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import quote

from core.domain.event import Event
from core.domain.identity import change_key, scoped_key
from core.errors import InvalidEvent, quoted
from core.formats.shared.alert_event import Status, alert
from core.formats.shared.delivery import Delivery, Malformed, scope_of
from core.formats.shared.format import Format
from core.formats.shared.http_body import load_object
from core.formats.shared.json_body import load_json
from core.formats.shared.json_path import at, text
from core.formats.shared.times import utc

_DETAIL_TYPES: Final = (
    "CloudWatch Alarm State Change",
    "CloudWatch Alarm Contributor State Change",
)
INSUFFICIENT_DATA: Final = "com.amazonaws.cloudwatch.alarm.insufficient_data"
"""The type of events about an alarm without data."""

_STATUS: Final[Mapping[str, Status]] = {
    "ALARM": "firing",
    "OK": "resolved",
    "INSUFFICIENT_DATA": "firing",  # until `_event` replaces the type
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


def parse(delivery: Delivery) -> list[Event | Malformed]:
    """One event; none for SNS's control messages. Raises `InvalidEvent`."""
    value = load_object(delivery)
    if "TopicArn" in value and isinstance(value.get("Type"), str):
        if value["Type"] != "Notification":
            return []
        value = _message(value)
    if "detail-type" in value:
        return [_event(_from_eventbridge(value), delivery)]
    if "AlarmArn" not in value and "NewStateValue" not in value:
        raise InvalidEvent(
            "neither a CloudWatch alarm's notification (no AlarmArn, no NewStateValue), "
            "nor an SNS or EventBridge envelope of one"
        )
    return [_event(_from_sns(value), delivery)]


def _message(envelope: Mapping[str, Any]) -> dict[str, Any]:
    message = envelope.get("Message")
    if not isinstance(message, str):
        raise InvalidEvent("the SNS envelope has no Message")
    try:
        value = load_json(message.encode(errors="surrogatepass"))
    except InvalidEvent as error:
        raise InvalidEvent(f"in the Message of SNS, {error.message}") from error
    if not isinstance(value, dict):
        raise InvalidEvent(
            "the Message of SNS is not a JSON object, so not an alarm's notification"
        )
    return value


def _from_sns(value: Mapping[str, Any]) -> _Change:
    trigger = at(value, "Trigger")
    metrics = [trigger, *(at(item, "MetricStat", "Metric") for item in _list(trigger, "Metrics"))]
    return _Change(
        arn=value.get("AlarmArn"),
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


def _from_eventbridge(value: Mapping[str, Any]) -> _Change:
    if value.get("source") != "aws.cloudwatch":
        raise InvalidEvent(
            f"its EventBridge source is {quoted(value.get('source'))}, not aws.cloudwatch"
        )
    if value.get("detail-type") not in _DETAIL_TYPES:
        raise InvalidEvent(
            f"its detail-type is {quoted(value.get('detail-type'))}, not one of "
            f"{', '.join(map(repr, _DETAIL_TYPES))}"
        )
    fired = at(value, "detail", "previousState", "value") == "ALARM"
    metrics = [
        at(item, "metricStat", "metric")
        for item in _list(at(value, "detail", "configuration"), "metrics")
    ]
    return _Change(
        arn=at(value, "resources", 0),
        name=text(value, "detail", "alarmName"),
        state=at(value, "detail", "state", "value"),
        time=at(value, "detail", "state", "timestamp"),
        reason=text(value, "detail", "state", "reason"),
        description=text(value, "detail", "configuration", "description"),
        metrics=[
            (text(metric, "namespace"), text(metric, "name"), _object(metric, "dimensions"))
            for metric in metrics
        ],
        original=value,
        contributor=text(value, "detail", "alarmContributor", "id"),
        attributes=_object(at(value, "detail", "alarmContributor"), "attributes"),
        fired_at=utc(at(value, "detail", "previousState", "timestamp")) if fired else None,
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
    if state != "INSUFFICIENT_DATA":
        return event
    data = {field: value for field, value in event.data.items() if field != "status"}
    plain = replace(event, type=INSUFFICIENT_DATA, data=data)
    if time is None:
        return plain
    key = change_key("cloudwatch", str(event.subject), f"{time}:{state}")
    return replace(plain, key=scoped_key(scope_of(delivery), key), unidentified=False)


def _key(arn: str, contributor: str | None) -> str:
    """The alarm's ARN, or that of one of its contributors. The names of alarms may contain what
    separates the two, so there it is escaped."""
    if not arn:
        return ""
    arn = arn.replace("%", "%25").replace(_CONTRIBUTOR, f"%2F{_CONTRIBUTOR[1:]}")
    return arn if contributor is None else f"{arn}{_CONTRIBUTOR}{contributor}"


def _labels(arn: str, change: _Change) -> dict[str, Any]:
    """The contributor's attributes, the dimensions of all the alarm's metrics, its region and its
    account."""
    labels: dict[str, Any] = {**change.attributes}
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
