from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.event import DOCUMENT_CREATED, DocumentRef, Event
from core.errors import InvalidEvent

WIRE: dict[str, Any] = {
    "specversion": "1.0",
    "id": "1",
    "source": "/checks",
    "type": "com.example.checked",
    "tidegatekey": "queue:q/ce:/checks#1",
}

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
JSON_DATA = st.recursive(
    st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
RESERVED = set(Event(id="1", source="/a", type="t", key="k").to_wire()) | {
    "subject",
    "time",
    "datacontenttype",
    "dataschema",
    "data",
    "tidegateunidentified",
    "tidegateway",
    "tidegatescope",
    "tidegatetable",
}
EXTENSIONS = st.dictionaries(
    st.from_regex(r"[a-z0-9]{1,20}", fullmatch=True).filter(lambda name: name not in RESERVED),
    TEXT | st.integers() | st.booleans(),
    max_size=3,
)
EVENTS = st.builds(
    Event,
    id=TEXT,
    source=TEXT,
    type=TEXT,
    key=TEXT,
    unidentified=st.booleans(),
    way=st.just("") | TEXT,
    scope=st.just("") | TEXT,
    subject=st.none() | TEXT,
    time=st.none() | st.just("2025-03-04T09:15:27.214Z"),
    datacontenttype=st.none() | TEXT,
    dataschema=st.none() | TEXT,
    data=st.none() | JSON_DATA,
    extensions=EXTENSIONS,
)


@given(EVENTS)
def test_an_event_survives_its_wire_form(event: Event) -> None:
    assert Event.from_wire(event.to_wire()) == event


def test_the_wire_form_is_a_cloudevent_with_the_key_as_an_extension() -> None:
    event = Event(
        id="1",
        source="/checks",
        type="com.example.checked",
        key="queue:q/ce:/checks#1",
        data={"a": 1},
    )
    assert event.to_wire() == {**WIRE, "data": {"a": 1}}


def test_the_wire_form_says_which_way_the_event_came() -> None:
    event = Event(id="1", source="/a", type="t", key="k", way="webhook:eu", scope="shared:x")
    wire = event.to_wire()
    assert (wire["tidegateway"], wire["tidegatescope"]) == ("webhook:eu", "shared:x")
    assert Event.from_wire(wire) == event


def test_the_wire_form_marks_an_unidentified_event() -> None:
    wire = Event(
        id="1", source="/a", type="t", key="unidentified:/a#u", unidentified=True
    ).to_wire()
    assert wire["tidegateunidentified"] is True
    assert Event.from_wire(wire).unidentified


def test_its_size_is_the_bytes_of_its_json() -> None:
    small = Event(id="1", source="/a", type="t", key="k")
    large = Event(id="1", source="/a", type="t", key="k", data="ü" * 1000)
    assert large.size == small.size + len(',"data":""') + 2000


def test_its_timestamp_has_a_time_zone() -> None:
    event = Event(id="1", source="/a", type="t", key="k", time="2025-03-04T10:15:27+01:00")
    assert event.timestamp == datetime(2025, 3, 4, 9, 15, 27, tzinfo=UTC)
    assert Event(id="1", source="/a", type="t", key="k").timestamp is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tidegatekey": None}, "the event has no tidegatekey, so it has no identity"),
        ({"tidegatekey": ""}, "the event has no tidegatekey, so it has no identity"),
        ({"tidegatekey": 7}, "the event has no tidegatekey, so it has no identity"),
        ({"specversion": None}, "specversion is None, not '1.0'"),
        ({"specversion": "0.3"}, "specversion is '0.3', not '1.0'"),
        ({"specversion": 1.0}, "specversion is 1.0, not '1.0'"),
        ({"id": None}, "id is missing"),
        ({"id": ""}, "id is not a non-empty string"),
        ({"id": 7}, "id is not a non-empty string"),
        ({"source": None}, "source is missing"),
        ({"type": ["t"]}, "type is not a non-empty string"),
        ({"subject": ""}, "subject is not a non-empty string"),
        ({"subject": {}}, "subject is not a non-empty string"),
        ({"dataschema": 1}, "dataschema is not a non-empty string"),
        ({"time": "yesterday"}, "time: Invalid isoformat string: 'yesterday'"),
        ({"time": "2025-03-04T09:15:27"}, "time: '2025-03-04T09:15:27' has no time zone"),
        ({"traceParent": "x"}, "extension name 'traceParent' is not lower-case letters and digits"),
        ({"ext": {"a": 1}}, "extension ext is not a string, an integer or a boolean"),
        ({"ext": 1.5}, "extension ext is not a string, an integer or a boolean"),
    ],
)
def test_an_invalid_attribute_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        Event.from_wire({**WIRE, **changes})
    assert message in caught.value.message


def test_all_invalid_attributes_are_named_together() -> None:
    with pytest.raises(InvalidEvent) as caught:
        Event.from_wire({"tidegatekey": "k", "specversion": "2.0", "source": 1})
    assert caught.value.message == (
        "not a CloudEvents 1.0 event: specversion is '2.0', not '1.0'; id is missing; "
        "source is not a non-empty string; type is missing"
    )


@pytest.mark.parametrize("wire", [None, 7, "text", ["a"], b"bytes"])
def test_anything_but_an_object_is_refused(wire: object) -> None:
    with pytest.raises(InvalidEvent, match="the event is not a JSON object"):
        Event.from_wire(wire)


@pytest.mark.parametrize("data", [math.nan, math.inf, "\ud800", {"\udfff": 1}])
def test_data_without_a_json_form_has_no_size(data: object) -> None:
    event = Event(id="1", source="/a", type="t", key="k", data=data)
    with pytest.raises(InvalidEvent, match="the event cannot be written as JSON"):
        _ = event.size


def document_event(data: object) -> Event:
    return Event(id="1", source="/a", type=DOCUMENT_CREATED, key="k", data=data)


def test_a_document_event_refers_to_its_document() -> None:
    reference = DocumentRef(uri="s3://docs/a", size=7, etag="e", version="v")
    assert document_event({"document": reference.to_wire()}).document == reference


def test_an_event_of_another_type_has_no_document() -> None:
    event = Event(
        id="1", source="/a", type="other", key="k", data={"document": {"uri": "s3://a/b"}}
    )
    assert event.document is None


def test_a_document_reference_leaves_out_what_is_unknown() -> None:
    assert DocumentRef(uri="s3://docs/a", size=0).to_wire() == {"uri": "s3://docs/a", "size": 0}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "data.document is not a JSON object"),
        ("text", "data.document is not a JSON object"),
        ({"document": "s3://docs/a"}, "data.document is not a JSON object"),
        ({"document": {}}, "data.document.uri is missing or is not a URI with a scheme"),
        ({"document": {"uri": "docs/a"}}, "data.document.uri is missing or is not a URI"),
        ({"document": {"uri": "s3://a/b", "size": -1}}, "data.document.size is not a number of"),
        ({"document": {"uri": "s3://a/b", "size": True}}, "data.document.size is not a number of"),
        ({"document": {"uri": "s3://a/b", "size": "7"}}, "data.document.size is not a number of"),
        ({"document": {"uri": "s3://a/b", "etag": 7}}, "data.document.etag is not a string"),
        ({"document": {"uri": "s3://a/b", "version": []}}, "data.document.version is not a string"),
    ],
)
def test_an_invalid_document_reference_is_refused(data: object, message: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        _ = document_event(data).document
    assert message in caught.value.message
