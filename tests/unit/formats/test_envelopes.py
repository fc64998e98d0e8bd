"""What SNS and EventBridge carry is read as if it had come without them, under their own IDs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from core.domain.event import ALERT, Event
from core.formats.registry import read
from core.formats.shared.delivery import Arrival, Malformed, way_headers
from tests.support.payloads import delivery, recorded, recorded_json, sns

CLOUDEVENT = recorded_json("cloudevent")
ORDER = recorded_json("eventbridge-order-placed")
SNS_ID = recorded_json("sns-s3-put")["MessageId"]
SNS_TIME = recorded_json("sns-s3-put")["Timestamp"]
EVENTBRIDGE_ID = f"com.example.shop#{ORDER['id']}"


def arrivals(body: object, format: str = "message", **headers: str) -> list[Arrival]:
    """The arrivals of one message of the queue `orders`."""
    queue = way_headers("queue:orders") | {"queue": "sqs:eu-west-1:1:orders", "message-id": "5f2e"}
    return read(delivery(format, body, **(queue | headers)))


def event(body: object, format: str = "message", **headers: str) -> Event:
    [arrival] = arrivals(body, format, **headers)
    assert isinstance(arrival.item, Event), arrival.item
    return arrival.item


def refusal(body: object, format: str = "message") -> str:
    [arrival] = arrivals(body, format)
    assert isinstance(arrival.item, Malformed), arrival.item
    return arrival.item.error.message


def invoked_by_sns(*envelopes: object) -> Any:
    """An invocation of a function by SNS."""
    return {"Records": [{"EventSource": "aws:sns", "Sns": each} for each in envelopes]}


# SNS


@pytest.mark.parametrize(
    "wrap", [sns, lambda body: sns(sns(body)), lambda b: invoked_by_sns(sns(b))]
)
def test_a_cloudevent_behind_sns_is_the_same_event_as_without(wrap: Any) -> None:
    assert event(wrap(CLOUDEVENT)) == event(CLOUDEVENT)


def test_a_third_envelope_is_a_message_of_its_sender() -> None:
    assert event(sns(sns(sns(CLOUDEVENT)))).data == sns(CLOUDEVENT)


def test_json_behind_sns_is_identified_by_the_id_of_sns_whichever_message_carries_it() -> None:
    first, again = (event(sns({"order": 4711}), message_id=id) for id in ("5f2e", "6a3f"))
    assert first == again
    assert first.key == f"sqs:eu-west-1:1:orders#{SNS_ID}"
    assert (first.data, first.time) == ({"order": 4711}, SNS_TIME)


def test_every_record_of_an_invocation_has_the_id_of_its_own_envelope() -> None:
    bodies = [sns({"order": n}) | {"MessageId": f"n-{n}"} for n in (1, 2)]
    found = arrivals(invoked_by_sns(*bodies))
    assert [(a.position, a.envelope_id) for a in found] == [(0, "n-1"), (1, "n-2")]
    assert [a.item.data for a in found if isinstance(a.item, Event)] == [{"order": 1}, {"order": 2}]


def test_a_record_without_a_message_does_not_affect_the_others() -> None:
    bad, good = arrivals(invoked_by_sns({"MessageId": "n-1"}, sns(CLOUDEVENT)))
    assert isinstance(bad.item, Malformed)
    assert bad.item.error.message == "record 0: the SNS envelope has no Message"
    assert isinstance(good.item, Event)


def test_the_original_is_kept_whole_in_its_envelope() -> None:
    body = json.dumps(sns("not JSON") | {"Message": "not JSON"}).encode()
    [arrival] = arrivals(body)
    assert isinstance(arrival.item, Malformed)
    assert (arrival.delivery.body, arrival.delivery.headers["message-id"]) == (body, "5f2e")


def test_an_alert_behind_sns_is_read_by_the_format_of_its_queue() -> None:
    body = recorded("webhooks/alertmanager/firing")
    alerts = arrivals(sns(json.loads(body)), "alertmanager")
    assert {a.item.type for a in alerts if isinstance(a.item, Event)} == {ALERT}
    assert {a.envelope_id for a in alerts} == {SNS_ID}


def test_attributes_of_sns_are_the_messages_as_those_of_sqs_are() -> None:
    attributes = {
        "ce-specversion": {"Type": "String", "Value": "1.0"},
        "ce-id": {"Type": "String", "Value": "7"},
        "ce-source": {"Type": "String", "Value": "/shop"},
        "ce-type": {"Type": "String", "Value": "com.example.order"},
        "ce-data": {"Type": "Binary", "Value": "AAAA"},
    }
    read_back = event(sns({"order": 4711}) | {"MessageAttributes": attributes})
    assert (read_back.type, read_back.key) == ("com.example.order", "queue:orders/ce:/shop#7")
    assert read_back.extensions == {}


@pytest.mark.parametrize(
    "name", ["queue", "message-id", "Sent-At", "tidegate-way", "Tidegate-Scope"]
)
def test_attributes_of_sns_say_nothing_that_is_ours_to_say(name: str) -> None:
    attributes = {name: {"Type": "String", "Value": "forged"}}
    assert event(sns({"a": 1}) | {"MessageAttributes": attributes}) == event(sns({"a": 1}))


def test_attributes_of_sns_neither_widen_a_scope_nor_earn_trust() -> None:
    attributes = {
        "Tidegate-Scope": {"Type": "String", "Value": "shared:other"},
        "tidegate-trusted-types": {"Type": "String", "Value": "tidegate.alert"},
    }
    assert event(sns(CLOUDEVENT) | {"MessageAttributes": attributes}) == event(CLOUDEVENT)
    alert = sns(CLOUDEVENT | {"type": "tidegate.alert"}) | {"MessageAttributes": attributes}
    assert "one of Tidegate's own" in refusal(alert)


def test_in_a_request_they_count_for_nothing_because_sns_does_not_sign_them() -> None:
    hook = way_headers("webhook:prod") | {"message-id": "proven"}
    attributes = {"ce-specversion": {"Type": "String", "Value": "1.0"}}
    body = sns({"order": 4711}) | {"MessageAttributes": attributes, "MessageId": "other"}
    [arrival] = read(delivery("message", body, **hook))
    assert isinstance(arrival.item, Event)
    assert (arrival.item.data, arrival.item.key) == ({"order": 4711}, "webhook:prod#proven")


@pytest.mark.parametrize("message", [None, 7, {"Records": []}])
def test_an_envelope_without_a_message_is_refused(message: object) -> None:
    assert refusal(sns({}) | {"Message": message}) == "the SNS envelope has no Message"


@pytest.mark.parametrize(
    "body",
    [
        {"Type": "Notification", "Message": "{}"},
        {"Type": "SubscriptionConfirmation", "TopicArn": "t", "SubscribeURL": "https://x"},
        {"TopicArn": "t"},
        {"Records": [{"EventSource": "aws:sns", "Sns": sns({})}, {"EventSource": "aws:s3"}]},
        {"Records": ["aws:sns"]},
        {"detail-type": "a", "source": "b", "detail": {}},
        {"detail-type": "a", "source": "b", "id": 7, "detail": {}},
        {"detail-type": "a", "source": "b", "id": "c"},
    ],
)
def test_what_only_resembles_an_envelope_is_a_message_of_its_sender(body: Any) -> None:
    read_back = event(body)
    assert (read_back.type, read_back.data) == ("tidegate.message", body)
    assert read_back.key == "sqs:eu-west-1:1:orders#5f2e"


# EventBridge


def test_an_event_of_eventbridge_keeps_what_eventbridge_says_of_it() -> None:
    assert event(ORDER).to_wire() == {
        "specversion": "1.0",
        "id": ORDER["id"],
        "source": "com.example.shop",
        "type": "Order Placed",
        "subject": ORDER["resources"][0],
        "time": "2026-03-04T09:15:27Z",
        "datacontenttype": "application/json",
        "account": "111122223333",
        "region": "eu-west-1",
        "resources": ",".join(ORDER["resources"]),
        "tidegatekey": f"queue:orders/eventbridge:{EVENTBRIDGE_ID}",
        "tidegateway": "queue:orders",
        "tidegatescope": "queue:orders",
        "data": {"order": 4711, "total": "12.50"},
    }


def test_its_identity_is_its_own_however_it_is_delivered() -> None:
    found = [event(body, message_id=id) for body, id in ((ORDER, "5f2e"), (sns(ORDER), "6a3f"))]
    assert found[0] == found[1]
    assert event(ORDER | {"id": "another"}).key != found[0].key
    assert event(ORDER | {"source": "another"}).key != found[0].key


def test_of_another_queue_it_is_another_event() -> None:
    by_other = event(ORDER, **way_headers("queue:other"))
    assert by_other.key == f"queue:other/eventbridge:{EVENTBRIDGE_ID}"


def test_a_cloudevent_cannot_pass_for_it() -> None:
    forged = CLOUDEVENT | {"source": ORDER["source"], "id": ORDER["id"]}
    assert event(forged).key != event(ORDER).key


@pytest.mark.parametrize(
    "changes", [{"resources": 7}, {"resources": []}, {"time": "noon"}, {"account": {}}]
)
def test_its_optional_fields_may_be_of_any_shape(changes: dict[str, Any]) -> None:
    assert event(ORDER | changes).data == ORDER["detail"]


def test_of_many_resources_as_many_are_kept_as_an_attribute_holds() -> None:
    many = [f"arn:aws:ec2:eu-west-1:111122223333:instance/i-{n:017}" for n in range(1000)]
    kept = str(event(ORDER | {"resources": many}).extensions["resources"])
    assert kept.split(",") == many[: len(kept.split(","))]
    assert 1950 < len(kept) <= 2048


def test_a_type_that_is_too_long_is_refused() -> None:
    assert refusal(ORDER | {"detail-type": "x" * 2049}) == (
        "its type has 2,049 characters, over 2,048"
    )


def test_what_is_no_resource_is_left_out() -> None:
    assert event(ORDER | {"resources": ["arn:x", 7, ""]}).extensions.get("resources") is None


def test_it_may_have_a_type_of_our_own_only_from_a_sender_that_is_trusted_with_it() -> None:
    alert = ORDER | {"detail-type": "tidegate.alert", "detail": {"key": "disk", "status": "firing"}}
    assert "one of Tidegate's own" in refusal(alert)
    trusting = way_headers("queue:orders", trusted=["tidegate.alert"])
    assert event(alert, **trusting).data == {"key": "disk", "status": "firing"}


def test_an_alarm_delivered_twice_has_one_identity() -> None:
    alarm = recorded("webhooks/cloudwatch/eventbridge-alarm")
    found = [arrivals(alarm, "cloudwatch", message_id=id) for id in ("5f2e", "6a3f")]
    assert found[0][0].item == found[1][0].item
    assert {a.envelope_id for [a] in found} == {f"aws.cloudwatch#{json.loads(alarm)['id']}"}
