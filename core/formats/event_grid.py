"""Azure Event Grid's events, in its own schema or as CloudEvents, one of them or an array.

    {"topic", "subject", "eventType", "eventTime", "id", "data", ...}     Event Grid schema
    {"source", "subject", "type", "time", "id", "data", "specversion"}    CloudEvents schema

Changes of blobs become events about documents, as those of S3 objects do, with the same key in both
schemas and by every trigger; markers of folders and what file managers leave behind are no events.
All other events keep their own type. Event Grid's control messages about the subscription are not
events.
Sources: Azure Event Grid, "Event Grid event schema", "Azure Blob Storage as an Event Grid source"
and "Endpoint validation with the Event Grid event schema".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote_to_bytes, urlsplit

from core.domain.event import (
    DOCUMENT_CHANGED,
    DOCUMENT_CREATED,
    DOCUMENT_REMOVED,
    DocumentRef,
    Event,
)
from core.domain.identity import blob_change, blob_key, unidentified_key
from core.errors import InvalidEvent, quoted
from core.formats.shared import cloudevents
from core.formats.shared.bounds import require_few
from core.formats.shared.clutter import is_clutter
from core.formats.shared.delivery import Delivery, Malformed
from core.formats.shared.format import Format
from core.formats.shared.http_body import load
from core.formats.shared.json_path import at
from core.formats.shared.times import assumed_utc, utc

_VALIDATION: Final = "Microsoft.EventGrid.SubscriptionValidationEvent"
_OF_THE_SUBSCRIPTION: Final = (_VALIDATION, "Microsoft.EventGrid.SubscriptionDeletedEvent")
_STORAGE: Final = "Microsoft.Storage."
_TYPES: Final = {
    "BlobCreated": DOCUMENT_CREATED,
    "BlobRenamed": DOCUMENT_CREATED,  # under its new name
    "BlobDeleted": DOCUMENT_REMOVED,
    "BlobTierChanged": DOCUMENT_CHANGED,
    "BlobPropertiesUpdated": DOCUMENT_CHANGED,
}
"""What each storage event means for the document."""
_UNFINISHED: Final = ("CreateFile", "SftpCreate", "SftpWrite")
"""Calls that create a blob before its content is written; another event announces the whole blob:
`FlushWithClose` in a hierarchical namespace, `SftpCommit` by SFTP."""

_SUBJECT: Final = re.compile(
    r"/blobServices/default/containers/(?P<container>[^/]+)/blobs/(?P<path>.+)", re.DOTALL
)
_ACCOUNT: Final = re.compile(r"/providers/Microsoft\.Storage/storageAccounts/([^/]+)", re.I)
_UNREPRESENTABLE: Final = "\ufffd"  # Event Grid's substitute for characters in a subject


def handshake(delivery: Delivery) -> dict[str, Any] | None:
    """The answer to `SubscriptionValidation`. Raises `InvalidEvent` for one without a code."""
    value = load(delivery)
    items = value if isinstance(value, list) else [value]
    if len(items) != 1 or _type(items[0]) != _VALIDATION:
        return None
    if not isinstance(code := at(items[0], "data", "validationCode"), str):
        raise InvalidEvent("Event Grid's validation event has no data.validationCode")
    return {"validationResponse": code}


def parse(delivery: Delivery) -> list[Event | Malformed]:
    """All events of one delivery. Raises `InvalidEvent`."""
    value = load(delivery)
    batch = value if isinstance(value, list) else [value]
    require_few(batch)
    items: list[Event | Malformed] = []
    for position, item in enumerate(batch):
        try:
            event = _event(item, delivery, f"{delivery.unique}.{position}")
        except InvalidEvent as error:
            message = f"event {position}: {error.message}"
            items.append(Malformed(InvalidEvent(message, fix=error.fix)))
        else:
            items += [event] if event else []
    return items


def _event(item: object, delivery: Delivery, unique: str) -> Event | None:
    if not isinstance(item, dict):
        raise InvalidEvent("it is not a JSON object")
    if _type(item) in _OF_THE_SUBSCRIPTION:
        return None
    wire = item if "specversion" in item else _as_cloudevent(item)
    event = cloudevents.event(wire, delivery)
    name = event.type.removeprefix(_STORAGE)
    if name == event.type or name not in _TYPES:
        return event
    if not isinstance(event.data, dict):
        raise InvalidEvent("its data is not a JSON object")
    if name == "BlobCreated" and event.data.get("api") in _UNFINISHED:
        return None
    document = _document(event, name, event.data, unique)
    size = event.data.get("contentLength")
    return None if is_clutter(str(document.subject), size=size) else document


def _type(item: object) -> object:
    return at(item, "eventType") or at(item, "type")


def _as_cloudevent(item: Mapping[str, Any]) -> dict[str, Any]:
    """An event in Event Grid's schema as a CloudEvent, by Event Grid's own mapping."""
    for name in ("id", "topic", "eventType"):
        if not isinstance(item.get(name), str) or not item[name]:
            raise InvalidEvent(
                f"{name} is missing: it is neither in the Event Grid schema nor a CloudEvent"
            )
    return {
        "specversion": "1.0",
        "id": item["id"],
        "source": item["topic"],
        "type": item["eventType"],
        "subject": item.get("subject") or None,
        "time": assumed_utc(item.get("eventTime")),
        "data": item.get("data"),
        "dataversion": item.get("dataVersion") or None,
        "metadataversion": item.get("metadataVersion") or None,
    }


def _document(event: Event, name: str, data: Mapping[str, Any], unique: str) -> Event:
    url = _text(data, "url") or _text(data, "destinationUrl")
    account, container, path = _place(event, url)
    created = name == "BlobCreated"
    etag = (_text(data, "eTag") or "").strip('"') or None
    change = blob_change(
        sequencer=_text(data, "sequencer"),
        etag=etag if created else None,  # only a write changes the etag
        request_id=_text(data, "requestId"),
        event_id=event.id,
    )
    fields: dict[str, Any] = {
        "document": DocumentRef(
            uri=f"azure://{account}/{container}/{path}",
            size=_size(data.get("contentLength")),
            etag=etag,
        ).to_wire(),
        "change": name,
    }
    if was := _text(data, "sourceUrl"):
        fields["renamed_from"] = "azure://{}/{}/{}".format(*_place_of_url(was))
    source = f"azure:blob.{account}.{container}"
    return Event(
        id=f"{path}@{change or unique}",
        source=source,
        type=_TYPES[name],
        subject=path,
        time=utc(event.time),
        datacontenttype="application/json",
        data=fields,
        key=(
            blob_key(account, container, path, change, created=created, kind=name)
            if change
            else unidentified_key(source, unique)
        ),
        unidentified=change is None,
        way=f"account:{account}",
    )


def _place(event: Event, url: str | None) -> tuple[str, str, str]:
    """Account, container and unencoded path of the blob.

    The subject has the name as it is; `data.url` has it encoded, by rules that have changed. So the
    subject wins, unless it lacks characters that the URL still has.
    """
    subject = _SUBJECT.fullmatch(event.subject or "")
    resource = _ACCOUNT.search(event.source)
    whole = subject and not (_UNREPRESENTABLE in subject["path"] and url)
    if subject and whole and resource:
        return resource[1].lower(), subject["container"], subject["path"]
    if url is None:
        raise InvalidEvent("neither its subject and topic nor data.url name a blob")
    account, container, path = _place_of_url(url)
    if resource:
        account = resource[1].lower()
    if subject and whole:
        return account, subject["container"], subject["path"]
    if subject and container != subject["container"]:
        raise InvalidEvent(
            f"its subject is about the container {quoted(subject['container'])}, data.url about "
            "another"
        )
    return account, container, path


def _shown(url: str) -> str:
    """The URL without its query, which may be a signature that gives access to the blob."""
    return quoted(url.partition("?")[0])


def _place_of_url(url: str) -> tuple[str, str, str]:
    """Account, container and path in a blob's URL. The account is in its host; in an emulator's, it
    comes before the container."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        path = unquote_to_bytes(parts.path.removeprefix("/")).decode()
    except ValueError as error:
        raise InvalidEvent(f"{_shown(url)} is not the URL of a blob: {error}") from error
    account, _, domain = host.partition(".")
    if not any(label in domain.split(".") for label in ("blob", "dfs")):
        account, _, path = path.partition("/")
    container, _, path = path.partition("/")
    if not account or not container or not path:
        raise InvalidEvent(f"{_shown(url)} is not the URL of a blob")
    return account.lower(), container, path


def _text(data: Mapping[str, Any], name: str) -> str | None:
    value = data.get(name)
    if value is not None and not isinstance(value, str):
        raise InvalidEvent(f"data.{name} is not a string")
    return value or None


def _size(value: object) -> int | None:
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 0):
        raise InvalidEvent("data.contentLength is not a number of bytes")
    return value


FORMAT: Final = Format(parse=parse, handshake=handshake)
