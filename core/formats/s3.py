"""S3's notifications of object changes, directly or through EventBridge.

    {"Records": [...]}                          sent to the function, to a queue or to SNS
    {"detail-type": "Object Created", ...}      through EventBridge
    {"Event": "s3:TestEvent", ...}              sent once when notifications are set up: no event

The same change of an object gives the same event with the same key by every path. Markers of
folders and what file managers leave behind are no events.
Sources: Amazon S3 User Guide, "Event message structure" and "EventBridge event message structure".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from core.domain.event import (
    DOCUMENT_CHANGED,
    DOCUMENT_CREATED,
    DOCUMENT_REMOVED,
    DocumentRef,
    Event,
)
from core.domain.identity import s3_change, s3_key, unidentified_key
from core.errors import InvalidEvent, quoted
from core.formats.shared.bounds import require_few
from core.formats.shared.clutter import is_clutter
from core.formats.shared.delivery import Delivery, Malformed
from core.formats.shared.format import Format
from core.formats.shared.json_body import load_json
from core.formats.shared.json_path import at
from core.formats.shared.times import utc

_TYPES: Final = {
    "ObjectCreated": DOCUMENT_CREATED,
    "ObjectRemoved": DOCUMENT_REMOVED,
    "LifecycleExpiration": DOCUMENT_REMOVED,
    "ObjectRestore": DOCUMENT_CHANGED,
    "ObjectTagging": DOCUMENT_CHANGED,
    "ObjectAcl": DOCUMENT_CHANGED,
    "LifecycleTransition": DOCUMENT_CHANGED,
    "IntelligentTiering": DOCUMENT_CHANGED,
    "Replication": DOCUMENT_CHANGED,
    "ReducedRedundancyLostObject": DOCUMENT_CHANGED,
}
"""What each event name (its part before the colon) means for the document."""

_DETAIL_TYPES: Final = {
    "Object Created": "ObjectCreated",
    "Object Deleted": "ObjectRemoved",
    "Object Restore Initiated": "ObjectRestore:Post",
    "Object Restore Completed": "ObjectRestore:Completed",
    "Object Restore Expired": "ObjectRestore:Delete",
    "Object Tags Added": "ObjectTagging:Put",
    "Object Tags Deleted": "ObjectTagging:Delete",
    "Object ACL Updated": "ObjectAcl:Put",
    "Object Storage Class Changed": "LifecycleTransition",
    "Object Access Tier Changed": "IntelligentTiering",
}
"""Each EventBridge detail type as a notification's event name."""

_DELETIONS: Final = {
    "Permanently Deleted": "Delete",
    "Delete Marker Created": "DeleteMarkerCreated",
}


def parse(delivery: Delivery) -> list[Event | Malformed]:
    """All events of one delivery; none for S3's test event. Raises `InvalidEvent`."""
    value = load_json(delivery.body)
    if not isinstance(value, dict):
        raise InvalidEvent("the body is not a JSON object, so not an S3 notification")
    if value.get("Event") == "s3:TestEvent":
        return []
    if "detail-type" in value:
        return _from_eventbridge(value, delivery)
    records = value.get("Records")
    if not isinstance(records, list):
        raise InvalidEvent(
            "neither an S3 notification (no Records), nor an EventBridge event of one"
        )
    require_few(records)
    items: list[Event | Malformed] = []
    for position, record in enumerate(records):
        try:
            items += _record(record, delivery, position)
        except InvalidEvent as error:
            message = f"record {position}: {error.message}"
            items.append(Malformed(InvalidEvent(message, fix=error.fix)))
    return items


def _record(record: object, delivery: Delivery, position: int) -> list[Event | Malformed]:
    if not isinstance(record, dict):
        raise InvalidEvent("it is not a JSON object")
    if record.get("eventSource") != "aws:s3":
        raise InvalidEvent(f"its eventSource is {quoted(record.get('eventSource'))}, not 'aws:s3'")
    if (version := _text(record, "eventVersion")).partition(".")[0] != "2":
        raise InvalidEvent(f"its eventVersion is {version}; only 2.x is supported")
    return _event(
        name=_text(record, "eventName").removeprefix("s3:"),
        region=_text(record, "awsRegion"),
        time=_optional(record, "eventTime"),
        bucket=_text(record, "s3", "bucket", "name"),
        key=_decoded(_text(record, "s3", "object", "key")),
        size=_size(record, "s3", "object", "size"),
        etag=_optional(record, "s3", "object", "eTag"),
        version=_optional(record, "s3", "object", "versionId"),
        sequencer=_optional(record, "s3", "object", "sequencer"),
        request_id=_optional(record, "responseElements", "x-amz-request-id"),
        unique=f"{delivery.unique}.{position}",
    )


def _from_eventbridge(envelope: Mapping[str, Any], delivery: Delivery) -> list[Event | Malformed]:
    if envelope.get("source") != "aws.s3":
        raise InvalidEvent(
            f"the EventBridge source is {quoted(envelope.get('source'))}, not 'aws.s3'"
        )
    detail_type = _text(envelope, "detail-type")
    name = _DETAIL_TYPES.get(detail_type)
    if name is None:
        raise InvalidEvent(f"the EventBridge detail-type {quoted(detail_type)} is not one of S3's")
    if name == "ObjectRemoved":
        deletion = _optional(envelope, "detail", "deletion-type") or ""
        name = f"{name}:{_DELETIONS.get(deletion, 'Delete')}"
        if _optional(envelope, "detail", "reason") == "Lifecycle Expiration":
            name = name.replace("ObjectRemoved", "LifecycleExpiration")
    return _event(
        name=name,
        region=_text(envelope, "region"),
        time=_optional(envelope, "time"),
        bucket=_text(envelope, "detail", "bucket", "name"),
        key=_text(envelope, "detail", "object", "key"),
        size=_size(envelope, "detail", "object", "size"),
        etag=_optional(envelope, "detail", "object", "etag"),
        version=_optional(envelope, "detail", "object", "version-id"),
        sequencer=_optional(envelope, "detail", "object", "sequencer"),
        request_id=_optional(envelope, "detail", "request-id"),
        unique=delivery.unique,
    )


def _event(
    *,
    name: str,
    region: str,
    time: str | None,
    bucket: str,
    key: str,
    size: int | None,
    etag: str | None,
    version: str | None,
    sequencer: str | None,
    request_id: str | None,
    unique: str,
) -> list[Event | Malformed]:
    """The event, if the object is a document."""
    family = name.partition(":")[0]
    if family not in _TYPES:
        raise InvalidEvent(f"the event name {quoted(name)} is not one of S3's")
    if not bucket or "/" in bucket or not key:
        raise InvalidEvent(f"bucket {quoted(bucket)} and key {quoted(key)} do not name an object")
    if is_clutter(key, size=size):
        return []
    time = _utc(time)
    etag = etag.strip('"') if etag else None
    change = s3_change(
        sequencer=sequencer, version=version, request_id=request_id, etag=etag, time=time
    )
    created = family == "ObjectCreated"
    source = f"aws:s3.{region}.{bucket}"
    return [
        Event(
            id=f"{key}@{change or unique}",
            source=source,
            type=_TYPES[family],
            subject=key,
            time=time,
            datacontenttype="application/json",
            data={
                "document": DocumentRef(
                    uri=f"s3://{bucket}/{key}", size=size, etag=etag, version=version
                ).to_wire(),
                "change": family if created else name,
            },
            key=(
                s3_key(bucket, key, change, created=created, kind=name)
                if change
                else unidentified_key(source, unique)
            ),
            unidentified=change is None,
            way=f"bucket:{bucket}",
        )
    ]


def _decoded(key: str) -> str:
    """The key of a notification's form-encoded one: plus for space, percent-encoded UTF-8."""
    try:
        return unquote_to_bytes(key.replace("+", " ")).decode()
    except UnicodeError as error:
        raise InvalidEvent(f"its key {quoted(key)} does not decode to UTF-8") from error


def _utc(time: str | None) -> str | None:
    """The time in one form, the same by every path."""
    if time is not None and utc(time) is None:
        raise InvalidEvent(f"its time {quoted(time)} is not RFC 3339")
    return utc(time)


def _optional(value: object, *path: str) -> str | None:
    field = at(value, *path)
    if field is not None and not isinstance(field, str):
        raise InvalidEvent(f"{'.'.join(path)} is not a string")
    return field or None


def _text(value: object, *path: str) -> str:
    field = _optional(value, *path)
    if field is None:
        raise InvalidEvent(f"{'.'.join(path)} is missing")
    return field


def _size(value: object, *path: str) -> int | None:
    size = at(value, *path)
    if size is not None and (not isinstance(size, int) or isinstance(size, bool) or size < 0):
        raise InvalidEvent(f"{'.'.join(path)} is not a number of bytes")
    return size


FORMAT: Final = Format(parse=parse, media_types=("text/plain",))  # as SNS posts its JSON
