"""Users' own messages, as CloudEvents or any JSON; and stored events."""

from __future__ import annotations

from typing import Any

import pytest

from core.domain.event import Event
from core.formats.registry import read
from core.formats.shared.delivery import REPLAY_KEY_HEADER, Malformed, way_headers
from tests.support.payloads import delivery, recorded, recorded_json

QUEUE = "sqs:eu-west-1:111122223333:orders"
BATCH = "application/cloudevents-batch+json"


def items(body: object, format: str = "message", **headers: str) -> list[Event | Malformed]:
    headers = way_headers("queue:orders") | headers
    return [arrival.item for arrival in read(delivery(format, body, **headers))]


def event(body: object, format: str = "message", **headers: str) -> Event:
    [item] = items(body, format, **headers)
    assert isinstance(item, Event), item
    return item


def refusal(body: object, format: str = "message", **headers: str) -> str:
    [item] = items(body, format, **headers)
    assert isinstance(item, Malformed), item
    return item.error.message


def test_a_cloudevent_keeps_its_attributes_and_extensions() -> None:
    result = event(recorded("cloudevent"), queue=QUEUE, message_id="5f2e")
    assert result.to_wire() == recorded_json("cloudevent") | {
        "tidegatekey": "queue:orders/ce:https://monitor.example.com/checks#8f3b9a52",
        "tidegateway": "queue:orders",
        "tidegatescope": "queue:orders",
    }
    assert result.extensions["traceparent"].startswith("00-0af7")  # type: ignore[union-attr]


def test_a_cloudevent_is_the_same_event_in_whichever_message_it_comes() -> None:
    one, other = (
        event(recorded("cloudevent"), queue=QUEUE, message_id=id) for id in ("5f2e", "77aa")
    )
    assert one == other
    assert not one.unidentified


def test_a_cloudevent_cannot_choose_its_identity() -> None:
    forged = recorded_json("cloudevent") | {
        "tidegatekey": "s3:docs/a@00",
        "tidegateunidentified": True,
        "tidegateway": "webhook:prod",
        "tidegatescope": "webhook:prod",
        "tidegatetable": "0" * 12,
    }
    assert event(forged) == event(recorded("cloudevent"))


def test_binary_data_of_a_cloudevent_is_kept_as_base64() -> None:
    assert event(recorded("cloudevent-binary-data")).data == {"base64": "iVBORw0KGgo="}


@pytest.mark.parametrize("type", [BATCH, BATCH.upper(), f"{BATCH}; charset=utf-8"])
def test_a_batch_of_cloudevents_gives_one_event_each(type: str) -> None:
    result = items(recorded("cloudevents-batch"), content_type=type)
    assert [item.subject for item in result if isinstance(item, Event)] == ["payments", "search"]


def test_a_malformed_cloudevent_in_a_batch_does_not_affect_the_others() -> None:
    good = recorded_json("cloudevent")
    result = items([good, 7, good | {"id": "2"}, {"id": "1"}], content_type=BATCH)
    assert [isinstance(item, Event) for item in result] == [True, False, True, False]
    assert [item.error.message for item in result if isinstance(item, Malformed)] == [
        "an item of the CloudEvents batch is not a JSON object",
        "not a CloudEvents 1.0 event: specversion is None, not '1.0'; source is missing; "
        "type is missing",
    ]


def test_an_empty_batch_has_no_events() -> None:
    assert items([], content_type=BATCH) == []


@pytest.mark.parametrize(
    ("body", "headers", "message"),
    [
        (b"hello", {}, "the body is not JSON: Expecting value: line 1 column 1 (char 0)"),
        (b"\xff", {}, "the body is not UTF-8: 'utf-8' codec can't decode byte 0xff in position 0"),
        (
            {"a": 1},
            {"content_type": BATCH},
            f"the content type says {BATCH}, but the body is not an array",
        ),
        (
            {"specversion": "1.0"},
            {},
            "not a CloudEvents 1.0 event: id is missing; source is missing; type is missing",
        ),
        (
            {"specversion": None, "id": "1", "source": "/a", "type": "t"},
            {},
            "not a CloudEvents 1.0 event: specversion is None, not '1.0'",
        ),
        (
            recorded_json("cloudevent") | {"data_base64": "AAAA"},
            {},
            "the CloudEvent has both data and data_base64",
        ),
        (
            recorded_json("cloudevent-binary-data") | {"data_base64": "not base64!"},
            {},
            "data_base64 is not base64: Only base64 data is allowed",
        ),
        (
            recorded_json("cloudevent-binary-data") | {"data_base64": 7},
            {},
            "data_base64 is not base64: argument should be a bytes-like object or ASCII string",
        ),
        (
            recorded_json("cloudevent-binary-data") | {"data_base64": "ü"},
            {},
            "data_base64 is not base64: string argument should contain only ASCII characters",
        ),
    ],
)
def test_what_is_not_an_event_is_refused_with_the_reason(
    body: object, headers: dict[str, str], message: str
) -> None:
    assert refusal(body, **headers).startswith(message)


@pytest.mark.parametrize("data", [{"order": 4711}, [1, 2], "text", 7, None, True])
def test_any_other_json_is_a_message_identified_by_its_message_id(data: object) -> None:
    result = event(data, queue=QUEUE, message_id="5f2e", sent_at="2025-03-04T09:15:27.950Z")
    assert result == Event(
        id="5f2e",
        source=QUEUE,
        type="tidegate.message",
        time="2025-03-04T09:15:27.950Z",
        datacontenttype="application/json",
        data=data,
        key=f"{QUEUE}#5f2e",
        way="queue:orders",
        scope="queue:orders",
    )


def test_two_messages_of_identical_json_are_two_events() -> None:
    one, other = (event({"a": 1}, queue=QUEUE, message_id=id) for id in ("5f2e", "77aa"))
    assert one.key != other.key


def test_a_message_without_an_id_is_unidentified() -> None:
    result = event(recorded("message-plain-json"), queue=QUEUE, unique="delivery-1")
    assert (result.key, result.id, result.unidentified) == (
        f"unidentified:{QUEUE}#delivery-1",
        "delivery-1",
        True,
    )


def test_a_message_without_a_queue_has_a_source() -> None:
    assert event({"a": 1}).source == "message"


WIRE = event(recorded("cloudevent")).to_wire()


def test_a_stored_event_is_read_back_unchanged() -> None:
    assert event(WIRE, format="stored_event") == event(recorded("cloudevent"))


def test_a_stored_event_keeps_the_way_and_scope_that_it_came_with() -> None:
    wire = event(recorded("cloudevent"), **way_headers("webhook:eu", scope="shared:x")).to_wire()
    result = event(wire, format="stored_event", **way_headers("queue:other"))
    assert (result.way, result.scope) == ("webhook:eu", "shared:x")


def test_a_replay_may_have_its_own_key() -> None:
    result = event(WIRE, format="stored_event", **{REPLAY_KEY_HEADER: "replay:ab#ce:1"})
    assert result.key == "replay:ab#ce:1"
    assert result.to_wire() | {"tidegatekey": WIRE["tidegatekey"]} == WIRE


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ([], "the event is not a JSON object"),
        (recorded_json("cloudevent"), "the event has no tidegatekey, so it has no identity"),
        (b"{", "the body is not JSON: Expecting property name enclosed in double quotes"),
    ],
)
def test_what_is_not_a_stored_event_is_refused(body: Any, message: str) -> None:
    assert refusal(body, format="stored_event").startswith(message)
