"""CloudEvents in binary mode and by content type; `test_message.py` has the other modes."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.domain.event import OWN_TYPES, Event
from core.errors import quoted
from core.formats.registry import read
from core.formats.shared.delivery import Delivery, Malformed, way_headers
from tests.support.payloads import recorded, recorded_json
from tests.unit.formats import reading

ATTRIBUTES = {
    "specversion": "1.0",
    "id": "8f3b9a52",
    "source": "https://monitor.example.com/checks",
    "type": "com.example.incident.reported",
    "subject": "payments",
    "time": "2025-03-04T09:15:27Z",
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
}
KEY = "webhook:prod/ce:https://monitor.example.com/checks#8f3b9a52"
OWN_LOOKING_TYPES = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1).map(
    "tidegate.{}".format
)
STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"


def items(
    body: bytes, prefix: str = "ce-", content_type: str | None = None, **attributes: str
) -> list[Event | Malformed]:
    """The event of a body with a CloudEvent's attributes in its headers."""
    headers = {f"{prefix}{name}": value for name, value in (ATTRIBUTES | attributes).items()}
    headers |= way_headers("webhook:prod")
    if content_type is not None:
        headers["content-type"] = content_type
    delivery = Delivery(format="message", body=body, headers=headers, unique="u")
    return [arrival.item for arrival in read(delivery)]


def event(body: bytes, prefix: str = "ce-", **more: str) -> Event:
    [item] = items(body, prefix, **more)
    assert isinstance(item, Event), item
    return item


def refusal(body: bytes, **more: str) -> str:
    [item] = items(body, **more)
    assert isinstance(item, Malformed), item
    return item.error.message


def hooked(body: object, **headers: str) -> Event:
    return reading.event("message", body, **headers)


def test_attributes_in_headers_make_the_event_that_structured_mode_makes() -> None:
    data = {"severity": "high", "n": [1, 2]}
    result = event(json.dumps(data).encode(), content_type="application/json")
    structured = hooked(
        ATTRIBUTES | {"datacontenttype": "application/json", "data": data}, content_type=STRUCTURED
    )
    assert result == structured
    assert (result.key, result.data, result.unidentified) == (KEY, data, False)
    assert result.extensions == {"traceparent": ATTRIBUTES["traceparent"]}


@pytest.mark.parametrize("prefix", ["ce-", "ce_", "cloudevents:", "cloudevents_"])
def test_brokers_mark_attributes_by_other_prefixes(prefix: str) -> None:
    assert event(b"{}", prefix, content_type="application/json") == event(
        b"{}", content_type="application/json"
    )


@pytest.mark.parametrize(
    ("body", "content_type", "data"),
    [
        (b"", "application/json", None),
        (b"", None, None),
        (b'{"a": 1}', "application/json; charset=utf-8", {"a": 1}),
        (b"[1]", "application/vnd.example+json", [1]),
        (b'"text"', "text/json", "text"),
        (b'{"a": 1}', None, {"a": 1}),
        (b"Grand Hotel", None, "Grand Hotel"),
        ("Grüße".encode(), "text/plain", "Grüße"),
        (b"<a/>", "application/xml", "<a/>"),
        (b"a=1&b=2", "application/x-www-form-urlencoded", "a=1&b=2"),
        ("Grüße".encode("latin-1"), "text/plain; charset=latin-1", {"base64": "R3L832U="}),
        (b"\x89PNG", "image/png", {"base64": "iVBORw=="}),
        (b"{}", "application/octet-stream", {"base64": "e30="}),
        (b"\xff\x00", None, {"base64": "/wA="}),
    ],
)
def test_any_body_is_data(body: bytes, content_type: str | None, data: object) -> None:
    [result] = items(body, content_type=content_type)
    assert isinstance(result, Event), result
    assert (result.data, result.datacontenttype, result.key) == (data, content_type, KEY)


@pytest.mark.parametrize(
    ("value", "subject"),
    [
        ("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"),
        ("100%2525", "100%25"),  # decoded once
        ("100%", "100%"),
        ('"a \\"b\\" \\\\ %22c%22"', 'a "b" \\ "c"'),
        ('"', '"'),
        ("a+b", "a+b"),
    ],
)
def test_the_value_of_a_header_is_unquoted_and_percent_decoded_once(
    value: str, subject: str
) -> None:
    assert event(b"", subject=value).subject == subject


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_every_encoded_value_is_read_back(text: str) -> None:
    encoded = "".join(f"%{byte:02X}" for byte in text.encode())
    assert event(b"", subject=encoded).subject == text


def test_brokers_do_not_encode_the_values_of_attributes() -> None:
    assert event(b"", "ce_", subject="100%25").subject == "100%25"


def test_a_header_without_a_value_is_a_missing_attribute() -> None:
    assert event(b"", subject="").subject is None


def test_the_content_type_is_the_type_of_the_data_whatever_else_is_said() -> None:
    result = event(b"a", content_type="text/plain", datacontenttype="image/png")
    assert result.datacontenttype == "text/plain"
    assert event(b"a", datacontenttype="image/png").datacontenttype is None


def test_a_header_chooses_neither_identity_nor_data() -> None:
    forged = event(b'{"a": 1}', tidegatekey="s3:docs/a@00", data="x", data_base64="AAAA")
    assert forged == event(b'{"a": 1}')


def test_structured_mode_wins_over_headers() -> None:
    result = hooked(
        recorded("cloudevent"), content_type=STRUCTURED, ce_specversion="1.0", ce_id="x"
    )
    assert result == hooked(recorded("cloudevent"))


def test_a_batch_is_not_mistaken_for_structured_mode() -> None:
    result = reading.items("message", recorded("cloudevents-batch"), content_type=BATCH)
    assert [item.subject for item in result if isinstance(item, Event)] == ["payments", "search"]


@given(OWN_LOOKING_TYPES)
@example("tidegate.alert")
@example("tidegate.document.created")
@example("tidegate.incident.successor")
@example("tidegate.nothing.we.know")
def test_a_type_of_our_own_is_refused_unless_the_sender_is_trusted_with_it(type: str) -> None:
    wire = ATTRIBUTES | {"type": type}
    by_header = refusal(b"", type=type)
    for message in (by_header, reading.refusal("message", wire)):
        assert message == f"its type {quoted(type)} " + (
            "is one of Tidegate's own, and its sender is not trusted with it"
            if type in OWN_TYPES
            else "begins with 'tidegate.', as Tidegate's own do, and is not one of them"
        )
    [first, second] = reading.items("message", [wire, ATTRIBUTES])  # the others go on
    assert isinstance(first, Malformed)
    assert isinstance(second, Event)
    trust = way_headers("webhook:prod", trusted=("tidegate.message", type))
    assert hooked(wire, **trust).type == type


def test_what_to_do_about_a_type_of_our_own_is_said() -> None:
    [item] = reading.items("message", ATTRIBUTES | {"type": "tidegate.alert"})
    assert isinstance(item, Malformed)
    assert "`trusted_types` of its webhook, or in TIDEGATE_TRUSTED_TYPES" in item.error.fix


def test_a_type_that_is_nearly_one_of_ours_is_not_to_be_trusted_but_corrected() -> None:
    [item] = reading.items("message", ATTRIBUTES | {"type": "tidegate.alerts"})
    assert isinstance(item, Malformed)
    assert "trusted" not in f"{item.error}"
    assert "let the sender send one of tidegate.document.created, " in item.error.fix


def test_a_trusted_alert_keeps_its_data_and_the_identity_of_its_cloudevent() -> None:
    data = {"key": "5f2e", "status": "firing", "title": "x"}
    wire = ATTRIBUTES | {"type": "tidegate.alert", "data": data}
    result = hooked(wire, **way_headers("webhook:prod", trusted=("tidegate.alert",)))
    assert (result.data, result.key, result.scope) == (data, KEY, "webhook:prod")


@pytest.mark.parametrize("header", ["tidegate-trusted-types", "tidegate-way", "tidegate-scope"])
def test_an_attribute_cannot_stand_for_what_the_listener_says(header: str) -> None:
    name = header.replace("-", "")
    for result in (event(b"", **{name: "x"}), hooked(ATTRIBUTES | {name: "x"})):
        assert (result.way, result.scope) == ("webhook:prod", "webhook:prod")


def test_the_same_source_and_id_are_other_events_within_another_scope() -> None:
    shared = [
        hooked(ATTRIBUTES, **way_headers(f"webhook:{name}", scope="shared:billing"))
        for name in ("eu", "us")
    ]
    alone = [hooked(ATTRIBUTES, **way_headers(f"webhook:{name}")) for name in ("eu", "us")]
    assert [one.key for one in shared] == [
        "shared:billing/ce:https://monitor.example.com/checks#8f3b9a52"
    ] * 2
    assert [one.way for one in shared] == ["webhook:eu", "webhook:us"]
    assert len({one.key for one in (*shared, *alone)}) == 3


def test_other_headers_do_not_make_a_cloudevent() -> None:
    result = hooked({"a": 1}, ce_type="not enough", message_id="5f2e")
    assert (result.type, result.key) == ("tidegate.message", "webhook:prod#5f2e")


@pytest.mark.parametrize(
    ("body", "more", "message"),
    [
        (
            b"hello",
            {"content_type": "application/json"},
            "the body is not JSON: Expecting value: line 1 column 1 (char 0)",
        ),
        (b"", {"id": ""}, "not a CloudEvents 1.0 event: id is missing"),
        (
            b"",
            {"specversion": "0.3"},
            "not a CloudEvents 1.0 event: specversion is '0.3', not '1.0'",
        ),
        (
            b"",
            {"my-extension": "x"},
            "not a CloudEvents 1.0 event: "
            "extension name 'my-extension' is not lower-case letters and digits",
        ),
        (b"", {"subject": "%ff"}, "the header value '%ff' is not percent-encoded UTF-8"),
    ],
)
def test_binary_mode_out_of_shape_is_refused_with_the_reason(
    body: bytes, more: dict[str, str], message: str
) -> None:
    assert refusal(body, **more) == message


@pytest.mark.parametrize(
    ("body", "content_type", "message"),
    [
        ([], STRUCTURED, f"the content type says {STRUCTURED}, but the body is not an object"),
        (
            {"id": "1", "source": "/a", "type": "t"},
            STRUCTURED,
            "not a CloudEvents 1.0 event: specversion is None, not '1.0'",
        ),
        (
            b"<event/>",
            "application/cloudevents+xml",
            "the content type is application/cloudevents+xml; CloudEvents are read in JSON only",
        ),
        (
            b"a=1",
            "application/x-www-form-urlencoded",
            "the body is a form, and this sender's events are not sent as forms",
        ),
        (
            json.dumps(json.dumps(recorded_json("cloudevent"))).encode(),
            "application/json",
            "the body is JSON within a JSON string: it was encoded twice",
        ),
    ],
)
def test_a_body_that_is_not_what_its_content_type_says_is_refused(
    body: object, content_type: str, message: str
) -> None:
    assert reading.refusal("message", body, content_type=content_type) == message


def test_an_invalid_time_of_sending_is_left_out() -> None:
    assert hooked({"a": 1}, sent_at="yesterday").time is None


def test_a_queue_may_hold_a_text_that_looks_like_json() -> None:
    body = json.dumps('{"a": 1}').encode()
    delivery = Delivery(format="message", body=body, headers={"queue": "q"}, unique="u")
    [result] = [arrival.item for arrival in read(delivery)]
    assert isinstance(result, Event)
    assert result.data == '{"a": 1}'


# ----------------------------------------------------------------- RFC 3339 and the version


@pytest.mark.parametrize(
    "time", ["2025-03-04t09:15:27z", "2025-03-04T09:15:27z", "2025-03-04t09:15:27+01:00"]
)
def test_a_time_may_be_written_in_lower_case(time: str) -> None:
    assert event(b"{}", time=time).time == time
    assert hooked(ATTRIBUTES | {"time": time}).timestamp is not None


@pytest.mark.parametrize("prefix", ["ce-", "ce_", "cloudevents:", "cloudevents_"])
def test_a_cloudevent_in_headers_without_its_version_is_refused(prefix: str) -> None:
    headers = {f"{prefix}{name}": ATTRIBUTES[name] for name in ("id", "source", "type")}
    delivery = Delivery(format="message", body=b"{}", headers=headers, unique="u")
    [item] = (arrival.item for arrival in read(delivery))
    assert isinstance(item, Malformed)
    assert item.error.message == "not a CloudEvents 1.0 event: specversion is None, not '1.0'"


@pytest.mark.parametrize("name", ["id", "source", "type"])
def test_some_of_a_cloudevent_s_headers_do_not_make_one(name: str) -> None:
    headers = {f"ce-{other}": "x" for other in ("id", "source", "type") if other != name}
    delivery = Delivery(format="message", body=b"{}", headers=headers, unique="u")
    [item] = (arrival.item for arrival in read(delivery))
    assert isinstance(item, Event)
    assert item.type == "tidegate.message"
