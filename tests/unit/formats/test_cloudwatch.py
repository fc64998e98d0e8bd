from __future__ import annotations

import json
from typing import Any

import pytest

from core.domain.alert import read_alert
from core.domain.event import Event
from core.domain.severity import severity_of
from core.formats.registry import read
from core.formats.shared.delivery import Delivery, way_headers
from tests.support.payloads import sns
from tests.unit.formats import reading
from tests.unit.formats.reading import payload, payload_json

ARN = "arn:aws:cloudwatch:eu-west-1:111122223333:alarm:checkout-cpu-high"


def event(body: object, **headers: str) -> Event:
    return reading.event("cloudwatch", body, **headers)


def recorded(name: str) -> bytes:
    return payload("cloudwatch", name)


def raw(**changes: Any) -> Any:
    return payload_json("cloudwatch", "sns-raw-alarm") | changes


def refusal(body: object) -> str:
    return reading.refusal("cloudwatch", body)


def test_an_alarm_from_sns_is_read_whole() -> None:
    result = event(recorded("sns-alarm"), content_type="text/plain; charset=UTF-8")
    alert = read_alert(result)
    assert (alert.key, alert.status, alert.source) == (ARN, "firing", "cloudwatch")
    assert alert.title == "checkout-cpu-high"
    assert alert.service == "AWS/EC2"
    assert alert.summary is not None
    assert alert.summary.startswith("The checkout instances are busy. Runbook: https://runbooks")
    assert "was greater than the threshold (80.0)" in alert.summary
    assert str(alert.starts_at) == "2026-03-04 09:17:40.337000+00:00"
    assert alert.ends_at is None
    assert alert.links == {
        "source": "https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1"
        "#alarmsV2:alarm/checkout-cpu-high"
    }
    assert alert.labels == {
        "InstanceId": "i-0a1b2c3d4e5f67890",
        "namespace": "AWS/EC2",
        "metric": "CPUUtilization",
        "region": "eu-west-1",
        "account": "111122223333",
    }
    assert alert.severity is None  # set by a rule or the default
    assert severity_of(alert.severity, alert.source) is None
    assert alert.remarks == ()


def test_the_same_alarm_from_eventbridge_is_read_the_same() -> None:
    by_sns, by_eventbridge = (
        read_alert(event(recorded(name))) for name in ("sns-alarm", "eventbridge-alarm")
    )
    assert by_sns == by_eventbridge


def test_ok_resolves_the_alarm_that_fired() -> None:
    for name in ("sns-ok", "eventbridge-ok"):
        alert = read_alert(event(recorded(name)))
        assert (alert.key, alert.status) == (ARN, "resolved")
        assert str(alert.ends_at) == "2026-03-04 09:47:40.335000+00:00"


def test_from_eventbridge_a_resolved_alarm_has_a_start() -> None:
    alert = read_alert(event(recorded("eventbridge-ok")))
    assert str(alert.starts_at) == "2026-03-04 09:17:40.337000+00:00"


def test_an_alarm_is_one_alert_by_every_path() -> None:
    names = ("sns-alarm", "sns-raw-alarm", "eventbridge-alarm", "sns-ok", "eventbridge-ok")
    bodies: list[object] = [recorded(name) for name in names]
    bodies.append(sns(payload_json("cloudwatch", "eventbridge-alarm")))
    assert {event(body).data["key"] for body in bodies} == {ARN}


def test_an_alert_has_the_identity_of_its_delivery() -> None:
    result = event(recorded("sns-alarm"), message_id="95df01b4")
    assert (result.key, result.unidentified) == ("cloudwatch:webhook:prod#95df01b4.0", False)
    queued = Delivery(
        format="cloudwatch",
        body=recorded("sns-raw-alarm"),
        headers={"queue": "sqs:eu-west-1:1:alarms", "message-id": "95df01b4"},
        unique="u",
    )
    [arrival] = read(queued)
    assert isinstance(arrival.item, Event)
    assert arrival.item.key == "cloudwatch:sqs:eu-west-1:1:alarms#95df01b4.0"


def test_an_alarm_without_data_has_one_key_by_every_path_within_its_scope() -> None:
    names = ("sns-insufficient-data", "eventbridge-insufficient-data")
    one, same = (event(recorded(name)) for name in names)
    time = one.time
    assert one.key == same.key == f"webhook:prod/cloudwatch#{ARN}@{time}:INSUFFICIENT_DATA"
    other = event(recorded(names[0]), **way_headers("webhook:other"))
    shared = [
        event(recorded(name), **way_headers(f"webhook:{hook}", scope="shared:alarms"))
        for name, hook in zip(names, ("one", "two"), strict=True)
    ]
    assert len({one.key, other.key, *(result.key for result in shared)}) == 3


def test_the_time_of_a_change_is_the_same_in_every_zone() -> None:
    state = {"NewStateValue": "INSUFFICIENT_DATA"}
    zoned, plain = (
        event(raw(StateChangeTime=time, **state))
        for time in ("2026-03-04T10:17:40.337+01:00", "2026-03-04T09:17:40.337+0000")
    )
    later = event(raw(StateChangeTime="2026-03-04T09:17:40.338+0000", **state))
    assert zoned.key == plain.key != later.key


# -------------------------------------------------------------------------- contributors


CONTRIBUTORS = ("sns-contributor-alarm", "eventbridge-contributor-alarm")
CONTRIBUTOR = "arn:aws:cloudwatch:eu-west-1:111122223333:alarm:endpoint-latency/contributor/9c1d"


@pytest.mark.parametrize("name", CONTRIBUTORS)
def test_a_contributor_of_an_alarm_is_an_alert_of_its_own(name: str) -> None:
    alert = read_alert(event(recorded(name)))
    assert (alert.key, alert.status, alert.title) == (CONTRIBUTOR, "firing", "endpoint-latency")
    assert alert.labels == {
        "endpoint": "/api/orders",
        "region": "eu-west-1",
        "account": "111122223333",
    }
    assert str(alert.starts_at) == "2026-06-10 12:20:15+00:00"
    assert alert.links["source"].endswith("#alarmsV2:alarm/endpoint-latency")


def test_a_contributor_recovers_alone() -> None:
    fired, other, recovered = (
        read_alert(event(recorded(f"sns-contributor-{name}")))
        for name in ("alarm", "other-alarm", "ok")
    )
    assert fired.key == recovered.key != other.key
    assert (recovered.status, other.status) == ("resolved", "firing")
    assert str(recovered.ends_at) == "2026-06-10 12:30:15+00:00"


def test_the_alarm_of_all_contributors_is_an_alert_beside_them() -> None:
    body = payload_json("cloudwatch", "sns-contributor-alarm")
    del body["AlarmContributorId"], body["AlarmContributorAttributes"]
    assert read_alert(event(body)).key == CONTRIBUTOR.removesuffix("/contributor/9c1d")


def test_the_name_of_an_alarm_cannot_be_mistaken_for_a_contributor() -> None:
    named = read_alert(event(raw(AlarmArn=CONTRIBUTOR)))
    escaped = read_alert(event(raw(AlarmArn=CONTRIBUTOR.replace("/contributor", "%2Fcontributor"))))
    real = read_alert(event(recorded("sns-contributor-alarm")))
    assert len({named.key, escaped.key, real.key}) == 3


@pytest.mark.parametrize("attributes", [None, 7, "x", ["x"], {"endpoint": ["x"]}])
def test_attributes_of_another_shape_do_not_refuse_a_contributor(attributes: object) -> None:
    body = payload_json("cloudwatch", "sns-contributor-alarm")
    alert = read_alert(event(body | {"AlarmContributorAttributes": attributes}))
    assert alert.key == CONTRIBUTOR


def test_a_contributor_of_no_alarm_is_refused() -> None:
    body = payload_json("cloudwatch", "sns-contributor-alarm")
    body |= {"AlarmArn": None, "AWSAccountId": None}
    assert "has no key" in refusal(body)


def test_an_alarm_without_data_is_an_event_of_its_own_type() -> None:
    for name in ("sns-insufficient-data", "eventbridge-insufficient-data"):
        result = event(recorded(name))
        assert result.type == "com.amazonaws.cloudwatch.alarm.insufficient_data"
        assert result.subject == ARN
        assert result.data["title"] == "checkout-cpu-high"
        assert result.data["labels"]["account"] == "111122223333"
        assert "status" not in result.data
        assert not result.unidentified


def test_metric_math_gives_the_labels_of_all_its_metrics_and_the_name_is_encoded_in_the_link() -> (
    None
):
    alert = read_alert(event(recorded("sns-metric-math-alarm")))
    assert alert.service == "AWS/ApplicationELB"
    assert alert.labels["LoadBalancer"] == "app/checkout/50dc6c495c0c9188"
    assert alert.links["source"].endswith("#alarmsV2:alarm/checkout%205xx%20rate")


def test_a_composite_alarm_without_a_metric_is_an_alert() -> None:
    alert = read_alert(event(recorded("sns-composite-alarm")))
    assert (alert.title, alert.service) == ("checkout-degraded", None)
    assert alert.labels == {"region": "eu-west-1", "account": "111122223333"}


def test_china_has_its_own_console() -> None:
    arn = "arn:aws-cn:cloudwatch:cn-north-1:111122223333:alarm:a:b"
    alert = read_alert(event(raw(AlarmArn=arn)))
    assert alert.links["source"] == (
        "https://cn-north-1.console.amazonaws.cn/cloudwatch/home?region=cn-north-1"
        "#alarmsV2:alarm/a%3Ab"
    )


def test_what_is_not_read_is_kept() -> None:
    novel = raw(Novelty={"a": [1]})
    assert event(novel).data["original"] == novel


def test_an_alarm_needs_only_its_arn_and_state() -> None:
    result = event({"AlarmArn": ARN, "NewStateValue": "ALARM"})
    alert = read_alert(result)
    assert (alert.key, alert.title, alert.status) == (ARN, "checkout-cpu-high", "firing")
    assert result.unidentified
    assert result.key == f"unidentified:cloudwatch:webhook:prod#{reading.UNIQUE}.0"


@pytest.mark.parametrize("type", ["SubscriptionConfirmation", "UnsubscribeConfirmation"])
def test_a_control_message_of_sns_is_not_an_event(type: str) -> None:
    body = payload_json("cloudwatch", "sns-subscription-confirmation") | {"Type": type}
    assert reading.items("cloudwatch", body) == []


SHAPE = (
    "neither a CloudWatch alarm's notification (no AlarmArn, no NewStateValue), "
    "nor an EventBridge event of one, nor an alarm's Lambda action"
)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, SHAPE),
        (sns({"Records": []}), SHAPE),
        (b"[]", "the body is an array, not a JSON object"),
        (sns("hello") | {"Message": 7}, "the SNS envelope has no Message"),
        (
            sns({}) | {"Message": "Disk is full"},
            "the body is not JSON: Expecting value: line 1 column 1 (char 0)",
        ),
        (sns([1]), "the body is an array, not a JSON object"),
        (
            raw(AlarmArn=None, AWSAccountId=None),
            "the cloudwatch alert has no key, so nobody can say which alert it is",
        ),
        (
            raw(NewStateValue="BROKEN"),
            "the alarm's new state is 'BROKEN', not one of ALARM, OK, INSUFFICIENT_DATA",
        ),
        (
            raw(NewStateValue=["ALARM"]),
            "the alarm's new state is ['ALARM'], not one of ALARM, OK, INSUFFICIENT_DATA",
        ),
        (
            payload_json("cloudwatch", "eventbridge-alarm") | {"source": "aws.ec2"},
            "its EventBridge source is 'aws.ec2', not aws.cloudwatch",
        ),
        (
            payload_json("cloudwatch", "eventbridge-alarm")
            | {"detail-type": "CloudWatch Dashboard Change"},
            "its detail-type is 'CloudWatch Dashboard Change', not one of "
            "'CloudWatch Alarm State Change', 'CloudWatch Alarm Contributor State Change', "
            "'CloudWatch Alarm Configuration Change'",
        ),
    ],
)
def test_what_is_not_an_alarm_is_refused_with_the_reason(body: object, message: str) -> None:
    assert refusal(body) == message


def test_dimensions_out_of_shape_do_not_refuse_an_alarm() -> None:
    for trigger in ("high", {"Dimensions": {"a": 1}}, {"Metrics": [7, {"MetricStat": []}]}):
        assert read_alert(event(raw(Trigger=trigger))).key == ARN


def test_message_attributes_do_not_change_how_an_sns_body_is_read() -> None:
    twice = json.dumps(json.dumps(raw())).encode()
    assert refusal(twice) == "the body is JSON within a JSON string: it was encoded twice"


# ------------------------------------------------------------------------ without an ARN


def test_a_notification_without_an_arn_is_known_by_account_region_and_name() -> None:
    fired, ok = (
        read_alert(event(raw(AlarmArn=arn, NewStateValue=state)))
        for arn, state in ((None, "ALARM"), ("", "OK"))
    )
    assert fired.key == ok.key == "111122223333/EU (Ireland)/checkout-cpu-high"
    assert (fired.title, fired.status, ok.status) == ("checkout-cpu-high", "firing", "resolved")
    assert (fired.labels["InstanceId"], dict(fired.links)) == ("i-0a1b2c3d4e5f67890", {})


@pytest.mark.parametrize("missing", ["AWSAccountId", "Region", "AlarmName"])
def test_less_than_that_does_not_name_an_alarm(missing: str) -> None:
    assert "has no key" in refusal(raw(AlarmArn=None, **{missing: None}))


# --------------------------------------------------------------------------- Lambda actions


def lambda_action(name: str, **data: Any) -> Any:
    """What an alarm that invokes a function sends it, made of what EventBridge would send."""
    envelope = payload_json("cloudwatch", name)
    return {
        "source": "aws.cloudwatch",
        "alarmArn": envelope["resources"][0],
        "accountId": envelope["account"],
        "time": envelope["detail"]["state"]["timestamp"],
        "region": envelope["region"],
        "alarmData": envelope["detail"] | data,
    }


@pytest.mark.parametrize("name", ["alarm", "ok", "insufficient-data", "contributor-alarm"])
def test_a_lambda_action_is_read_like_the_event_of_eventbridge(name: str) -> None:
    by_action = event(lambda_action(f"eventbridge-{name}"))
    by_event = event(recorded(f"eventbridge-{name}"))
    assert (by_action.type, by_action.subject) == (by_event.type, by_event.subject)
    different = ("original",)
    assert {n: v for n, v in by_action.data.items() if n not in different} == {
        n: v for n, v in by_event.data.items() if n not in different
    }


@pytest.mark.parametrize("data", [None, [], "x", {"state": []}])
def test_a_lambda_action_without_a_state_is_refused(data: Any) -> None:
    body = lambda_action("eventbridge-alarm") | {"alarmData": data}
    assert "the alarm's new state is None" in refusal(body)


# ------------------------------------------------------------------------ muted, deleted


def silenced(name: str, **changes: Any) -> Any:
    envelope = payload_json("cloudwatch", name)
    rule = "arn:aws:cloudwatch:eu-west-1:111122223333:alarm-mute-rule:deployment"
    if changes.pop("muted", False):
        envelope["detail"]["muteDetail"] = {"mutedByArn": rule}
    envelope["detail"]["state"] |= changes
    return envelope


@pytest.mark.parametrize(
    ("changes", "labels"),
    [
        (
            {"muted": True},
            {"muted_by": "arn:aws:cloudwatch:eu-west-1:111122223333:alarm-mute-rule:deployment"},
        ),
        ({"actionsSuppressedBy": "WaitPeriod"}, {"actions_suppressed_by": "WaitPeriod"}),
        ({"actionsSuppressedBy": "Alarm"}, {"actions_suppressed_by": "Alarm"}),
    ],
)
def test_an_alarm_that_aws_silences_opens_no_incident_and_its_labels_say_by_what(
    changes: dict[str, Any], labels: dict[str, str]
) -> None:
    for body in (
        silenced("eventbridge-alarm", **changes),
        sns(silenced("eventbridge-alarm", **changes)),
    ):
        result = event(body)
        assert result.type == "com.amazonaws.cloudwatch.alarm.muted"
        assert result.subject == ARN
        assert "status" not in result.data
        assert {name: result.data["labels"].get(name) for name in labels} == labels
        assert not result.unidentified


def test_an_alarm_that_goes_off_after_its_silence_is_an_alert() -> None:
    assert event(silenced("eventbridge-alarm")).type == "tidegate.alert"


def test_a_silenced_alarm_resolves_all_the_same() -> None:
    alert = read_alert(event(silenced("eventbridge-ok", muted=True)))
    assert (alert.key, alert.status) == (ARN, "resolved")
    assert "muted_by" in alert.labels


def test_each_change_of_a_silence_is_an_event_of_its_own() -> None:
    bodies = [
        silenced("eventbridge-alarm", actionsSuppressedBy=by) for by in ("WaitPeriod", "Alarm")
    ]
    first, again, other = (event(body) for body in (bodies[0], bodies[0], bodies[1]))
    assert first.key == again.key != other.key


def configuration_change(operation: str, state: str = "ALARM") -> Any:
    envelope = payload_json("cloudwatch", "eventbridge-alarm")
    envelope |= {
        "detail-type": "CloudWatch Alarm Configuration Change",
        "time": "2026-03-04T11:00:00Z",
    }
    envelope["detail"] |= {"operation": operation}
    envelope["detail"]["state"]["value"] = state
    return envelope


@pytest.mark.parametrize("state", ["ALARM", "INSUFFICIENT_DATA"])
def test_an_alarm_that_is_deleted_is_resolved(state: str) -> None:
    alert = read_alert(event(configuration_change("delete", state)))
    assert (alert.key, alert.status) == (ARN, "resolved")
    assert str(alert.ends_at) == "2026-03-04 11:00:00+00:00"
    assert alert.summary is not None
    assert alert.summary.endswith("The alarm was deleted.")


@pytest.mark.parametrize("operation", ["create", "update", "novel"])
def test_any_other_change_of_its_configuration_is_not_an_event(operation: str) -> None:
    assert reading.items("cloudwatch", configuration_change(operation)) == []
