from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from core.domain.event import DocumentRef, Event
from core.formats.registry import read
from core.formats.shared.delivery import Malformed
from tests.support.payloads import delivery, recorded, recorded_json, sns

DOCUMENT = {
    "uri": "s3://example-documents/incidents/db-outage.json",
    "size": 1843,
    "etag": "9b2cf535f27731c974343645a3985328",
}


def items(body: object) -> list[Event | Malformed]:
    return [arrival.item for arrival in read(delivery("s3", body))]


def event(body: object) -> Event:
    [item] = items(body)
    assert isinstance(item, Event), item
    return item


def refusal(body: object) -> str:
    [item] = items(body)
    assert isinstance(item, Malformed), item
    assert item.error.code == "InvalidEvent"
    return item.error.message


def test_an_upload_becomes_a_document_created_event_with_the_attributes_of_cloudevents() -> None:
    assert event(recorded("s3-put")).to_wire() == {
        "specversion": "1.0",
        "id": "incidents/db-outage.json@0062E99A88DC407460",
        "source": "aws:s3.eu-west-1.example-documents",
        "type": "tidegate.document.created",
        "subject": "incidents/db-outage.json",
        "time": "2025-03-04T09:15:27.214Z",
        "datacontenttype": "application/json",
        "data": {"document": DOCUMENT, "change": "ObjectCreated"},
        "tidegatekey": "s3:example-documents/incidents/db-outage.json@0062E99A88DC407460",
        "tidegateway": "bucket:example-documents",
        "tidegatescope": "bucket:example-documents",
    }


@pytest.mark.parametrize(
    ("name", "type", "key", "document"),
    [
        (
            "s3-multipart-upload",
            "tidegate.document.created",
            "s3:example-documents/incidents/core-dump-analysis.md@0062E99B01A2C3D4E5",
            DocumentRef(
                uri="s3://example-documents/incidents/core-dump-analysis.md",
                size=16777216,
                etag="d41d8cd98f00b204e9800998ecf8427e-2",
            ),
        ),
        (
            "s3-put-versioned",
            "tidegate.document.created",
            "s3:example-documents/incidents/db-outage.json@0062E99C55AA10FF01",
            DocumentRef(
                uri=DOCUMENT["uri"],  # type: ignore[arg-type]
                size=1843,
                etag="9b2cf535f27731c974343645a3985328",
                version="096fKKXTRTtl3on89fVO.nfljtsv6qko",
            ),
        ),
        (
            "s3-put-awkward-key",
            "tidegate.document.created",
            "s3:example-documents/incidents/2025 März/C++ build (red) 100% 🔥.md"
            "@0062E99D0000000A1B",
            DocumentRef(
                uri="s3://example-documents/incidents/2025 März/C++ build (red) 100% 🔥.md",
                size=512,
                etag="0cc175b9c0f1b6a831c399e269772661",
            ),
        ),
        (
            "s3-put-without-sequencer",
            "tidegate.document.created",
            "s3:example-documents/incidents/db-outage.json"
            "@t.9b2cf535f27731c974343645a3985328.2025-03-04T09%3A15%3A27.214Z",
            DocumentRef.from_wire(DOCUMENT),
        ),
        (
            "s3-delete",
            "tidegate.document.removed",
            "s3:example-documents/incidents/db-outage.json@ObjectRemoved:Delete:0062E9A0D3B7C1E2F4",
            DocumentRef(uri="s3://example-documents/incidents/db-outage.json"),
        ),
        (
            "s3-delete-marker",
            "tidegate.document.removed",
            "s3:example-documents/incidents/db-outage.json"
            "@ObjectRemoved:DeleteMarkerCreated:0062E9A0D3B7C1E300",
            DocumentRef(
                uri="s3://example-documents/incidents/db-outage.json",
                etag="d41d8cd98f00b204e9800998ecf8427e",
                version="u7TqExampleMarkerVersion.0aZ9kLmN",
            ),
        ),
        (
            "s3-restore-completed",
            "tidegate.document.changed",
            "s3:example-documents/incidents/archive/2019-flood.json"
            "@ObjectRestore:Completed:0062E9AF00112233AA",
            DocumentRef(
                uri="s3://example-documents/incidents/archive/2019-flood.json",
                size=9041,
                etag="b1946ac92492d2347c6235b4d2611184",
            ),
        ),
        (
            "eventbridge-object-created",
            "tidegate.document.created",
            "s3:example-documents/incidents/db-outage.json@0062E99A88DC407460",
            DocumentRef.from_wire(DOCUMENT),
        ),
        (
            "eventbridge-lifecycle-expiration",
            "tidegate.document.removed",
            "s3:example-documents/incidents/2019.json@LifecycleExpiration:Delete:0062E9B1D3B7C1E2F4",
            DocumentRef(uri="s3://example-documents/incidents/2019.json"),
        ),
    ],
)
def test_each_recorded_change_is_read(
    name: str, type: str, key: str, document: DocumentRef
) -> None:
    result = event(recorded(name))
    assert (result.type, result.key, result.document) == (type, key, document)
    assert not result.unidentified


def test_a_delivery_with_two_records_gives_two_events_in_order() -> None:
    arrivals = read(delivery("s3", recorded("s3-two-records")))
    assert [arrival.item.subject for arrival in arrivals if isinstance(arrival.item, Event)] == [
        "incidents/first.json",
        "incidents/second.txt",
    ]
    assert [arrival.position for arrival in arrivals] == [0, 1]


def test_the_test_event_gives_no_event_by_any_path() -> None:
    assert items(recorded("s3-test-event")) == []
    assert items(sns(recorded_json("s3-test-event"))) == []


def test_a_notification_without_records_has_no_events() -> None:
    assert items({"Records": []}) == []


def test_unknown_fields_and_newer_minor_versions_are_tolerated() -> None:
    newer = recorded_json("s3-put")
    newer["Records"][0] |= {"eventVersion": "2.9", "novelty": {"a": [1]}}
    assert event(newer) == event(recorded("s3-put"))


def test_an_event_name_may_keep_its_prefix() -> None:
    prefixed = recorded_json("s3-put")
    prefixed["Records"][0]["eventName"] = "s3:ObjectCreated:Put"
    assert event(prefixed).key == event(recorded("s3-put")).key


def test_a_record_that_nothing_identifies_is_unidentified() -> None:
    bare = recorded_json("s3-put-without-sequencer")
    del bare["Records"][0]["s3"]["object"]["eTag"]
    one, other = (
        read(delivery("s3", bare, unique=unique))[0].item for unique in ("delivery-1", "delivery-2")
    )
    assert isinstance(one, Event)
    assert isinstance(other, Event)
    assert one.key == "unidentified:aws:s3.eu-west-1.example-documents#delivery-1.0"
    assert one.key != other.key
    assert one.unidentified


def test_the_time_is_in_utc_with_milliseconds_whatever_its_zone() -> None:
    zoned = recorded_json("s3-put")
    zoned["Records"][0]["eventTime"] = "2025-03-04T10:15:27.2149999+01:00"
    assert event(zoned).time == "2025-03-04T09:15:27.214Z"


def test_a_malformed_record_does_not_affect_the_others() -> None:
    three = recorded_json("s3-two-records")
    three["Records"].insert(1, {"eventSource": "aws:s3"})
    first, bad, last = items(three)
    assert isinstance(first, Event)
    assert isinstance(last, Event)
    assert isinstance(bad, Malformed)
    assert bad.error.message == "record 1: eventVersion is missing"


def test_the_key_may_be_any_utf8_in_form_encoding() -> None:
    encoded = recorded_json("s3-put")
    encoded["Records"][0]["s3"]["object"]["key"] = "a%2Fb+c%2Bd%25%E2%82%AC%00"
    assert event(encoded).subject == "a/b c+d%€\x00"


Change = Callable[[Any], object]


def set_in_record(*path: str, value: object) -> Change:
    def change(body: Any) -> None:
        at = body["Records"][0]
        for name in path[:-1]:
            at = at[name]
        at[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda body: body["Records"].__setitem__(0, 7), "record 0: it is not a JSON object"),
        (
            set_in_record("eventSource", value="aws:dynamodb"),
            "record 0: its eventSource is 'aws:dynamodb', not 'aws:s3'",
        ),
        (set_in_record("eventVersion", value=None), "record 0: eventVersion is missing"),
        (
            set_in_record("eventVersion", value="3.0"),
            "record 0: its eventVersion is 3.0; only 2.x is supported",
        ),
        (set_in_record("eventVersion", value=2.1), "record 0: eventVersion is not a string"),
        (set_in_record("eventName", value=""), "record 0: eventName is missing"),
        (
            set_in_record("eventName", value="ObjectDreamt:Of"),
            "record 0: the event name 'ObjectDreamt:Of' is not one of S3's",
        ),
        (set_in_record("awsRegion", value=None), "record 0: awsRegion is missing"),
        (
            set_in_record("eventTime", value="yesterday"),
            "record 0: its time 'yesterday' is not RFC 3339",
        ),
        (
            set_in_record("eventTime", value="0001-01-01T00:00:00+14:00"),
            "record 0: its time '0001-01-01T00:00:00+14:00' is not RFC 3339",
        ),
        (set_in_record("s3", value=None), "record 0: s3.bucket.name is missing"),
        (
            set_in_record("s3", "bucket", "name", value=1),
            "record 0: s3.bucket.name is not a string",
        ),
        (
            set_in_record("s3", "bucket", "name", value="docs/other"),
            "record 0: bucket 'docs/other' and key 'incidents/db-outage.json' "
            "do not name an object",
        ),
        (set_in_record("s3", "object", value=[]), "record 0: s3.object.key is missing"),
        (set_in_record("s3", "object", "key", value=""), "record 0: s3.object.key is missing"),
        (
            set_in_record("s3", "object", "key", value="%ff%fe"),
            "record 0: its key '%ff%fe' does not decode to UTF-8",
        ),
        (
            set_in_record("s3", "object", "size", value="big"),
            "record 0: s3.object.size is not a number of bytes",
        ),
        (
            set_in_record("s3", "object", "size", value=-1),
            "record 0: s3.object.size is not a number of bytes",
        ),
        (
            set_in_record("s3", "object", "size", value=True),
            "record 0: s3.object.size is not a number of bytes",
        ),
        (
            set_in_record("s3", "object", "sequencer", value=98),
            "record 0: s3.object.sequencer is not a string",
        ),
        (
            set_in_record("responseElements", value={"x-amz-request-id": {}}),
            "record 0: responseElements.x-amz-request-id is not a string",
        ),
    ],
)
def test_a_record_out_of_shape_is_refused_by_name(change: Change, message: str) -> None:
    body = recorded_json("s3-put")
    change(body)
    assert refusal(body) == message


NEITHER = "neither an S3 notification (no Records), nor an EventBridge event of one"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "the body is not JSON: Expecting value: line 1 column 1 (char 0)"),
        (b"[]", "the body is not a JSON object, so not an S3 notification"),
        (b'"text"', "the body is not a JSON object, so not an S3 notification"),
        (b"{}", NEITHER),
        (b'{"Records": {}}', NEITHER),
        ({"Type": "Notification", "TopicArn": "t"}, "the SNS envelope has no Message"),
        (
            {"Type": "Notification", "TopicArn": "t", "Message": "hello"},
            "the body is not JSON: Expecting value: line 1 column 1 (char 0)",
        ),
        (sns([]), "the body is not a JSON object, so not an S3 notification"),
        (
            {"Type": "Notification", "TopicArn": "t", "Message": {"Records": []}},
            "the SNS envelope has no Message",
        ),
        ({"Records": [{"EventSource": "aws:sns"}]}, "record 0: the SNS envelope has no Message"),
        (
            {"Records": [{"EventSource": "aws:sns", "Sns": {"Message": "hello"}}]},
            "the body is not JSON: Expecting value: line 1 column 1 (char 0)",
        ),
    ],
)
def test_what_is_not_a_notification_is_refused_with_the_reason(body: object, message: str) -> None:
    assert refusal(body) == message


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"source": "aws.ec2"}, "the EventBridge source is 'aws.ec2', not 'aws.s3'"),
        (
            {"detail-type": "Object Dreamt Of"},
            "the EventBridge detail-type 'Object Dreamt Of' is not one of S3's",
        ),
        ({"detail-type": ["Object Created"]}, "detail-type is not a string"),
        ({"detail-type": None}, "detail-type is missing"),
        ({"region": None}, "region is missing"),
        ({"time": "noon"}, "its time 'noon' is not RFC 3339"),
        ({"detail": None}, "detail.bucket.name is missing"),
        ({"detail": {"bucket": {"name": "docs"}, "object": {}}}, "detail.object.key is missing"),
        (
            {"detail": {"bucket": {"name": "docs"}, "object": {"key": "a", "size": 1.5}}},
            "detail.object.size is not a number of bytes",
        ),
    ],
)
def test_an_eventbridge_event_out_of_shape_is_refused_by_name(
    changes: dict[str, Any], message: str
) -> None:
    assert refusal(recorded_json("eventbridge-object-created") | changes) == message


def test_sns_may_carry_an_eventbridge_event_too() -> None:
    by_eventbridge = recorded("eventbridge-object-created")
    assert event(sns(json.loads(by_eventbridge))) == event(by_eventbridge)


# --------------------------------------------------------------------------- no documents


@pytest.mark.parametrize(
    ("key", "size", "document"),
    [
        ("incidents/sub/", 0, False),
        ("incidents/sub/", 7, True),
        ("incidents/empty.md", 0, True),
        ("incidents/.DS_Store", 6148, False),
        (".DS_Store", 6148, False),
        ("incidents/Thumbs.db", 4096, False),
        ("incidents/THUMBS.DB", 4096, False),
        ("incidents/desktop.ini", 100, False),
        ("incidents/not-Thumbs.db", 4096, True),
        (".DS_Store/report.md", 100, True),
    ],
)
def test_markers_of_folders_and_leftovers_of_file_managers_are_no_events(
    key: str, size: int, document: bool
) -> None:
    notification = recorded_json("s3-put")
    notification["Records"][0]["s3"]["object"] |= {"key": key, "size": size}
    envelope = recorded_json("eventbridge-object-created")
    envelope["detail"]["object"] |= {"key": key, "size": size}
    for body in (notification, sns(notification), envelope):
        assert bool(items(body)) is document


@pytest.mark.parametrize(("key", "document"), [("a/", False), ("a/.DS_Store", False), ("a", True)])
def test_their_removal_is_none_either(key: str, document: bool) -> None:
    notification = recorded_json("s3-delete")
    notification["Records"][0]["s3"]["object"] |= {"key": key}
    assert bool(items(notification)) is document


def test_they_do_not_affect_the_others_of_their_delivery() -> None:
    body = recorded_json("s3-two-records")
    body["Records"][0]["s3"]["object"] |= {"key": "sub/", "size": 0}
    [left] = items(body)
    assert isinstance(left, Event)
