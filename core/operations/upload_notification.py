"""The notification that an upload would cause, as its store would write it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote, quote_plus

from core.errors import SettingsError
from core.formats.shared.times import format_time

FOLDER: Final = "incidents/"
"""Where the shipped routes take reports from."""
EXAMPLE_ROOT: Final = "s3://documents/"
"""Where an upload goes that nothing is configured for."""

_FORMATS: Final = {"s3": "s3", "azure": "event_grid"}
"""The format of each store's notifications, by the scheme of its URIs."""


def upload_uri(name: str, roots: tuple[str, ...]) -> str:
    """Where a document of this name would be uploaded: under incidents/ in the first of the roots
    that a cloud announces uploads of."""
    announced = (root for root in roots if root.partition(":")[0] in _FORMATS)
    root = next(announced, EXAMPLE_ROOT)
    root = root if root.endswith("/") else f"{root}/"
    return f"{root}{name}" if root.endswith(f"/{FOLDER}") else f"{root}{FOLDER}{name}"


def upload_notification(uri: str, size: int, *, change: str) -> tuple[str, bytes]:
    """The format and the body of the notification; `change` is what the store calls this version of
    the document. Raises `SettingsError` for a store that announces nothing."""
    scheme, _, path = uri.partition("://")
    now = format_time(datetime.now(UTC))
    value: Any
    match scheme:
        case "s3":
            value = _of_s3(path, size, change, now)
        case "azure":
            value = _of_event_grid(path, size, change, now)
        case _:
            raise SettingsError(f"{uri}: only S3 and Azure Blob Storage announce uploads")
    return _FORMATS[scheme], json.dumps(value).encode()


def _of_s3(path: str, size: int, change: str, now: str) -> dict[str, Any]:
    bucket, _, key = path.partition("/")
    record = {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "local",
        "eventTime": now,
        "eventName": "ObjectCreated:Put",
        "s3": {
            "bucket": {"name": bucket},
            "object": {"key": quote_plus(key, safe="/"), "size": size, "versionId": change},
        },
    }
    return {"Records": [record]}


def _of_event_grid(path: str, size: int, change: str, now: str) -> list[dict[str, Any]]:
    account, _, rest = path.partition("/")
    container, _, name = rest.partition("/")
    event = {
        "id": change,
        "topic": "/subscriptions/-/resourceGroups/-/providers/Microsoft.Storage/storageAccounts/"
        + account,
        "subject": f"/blobServices/default/containers/{container}/blobs/{name}",
        "eventType": "Microsoft.Storage.BlobCreated",
        "eventTime": now,
        "dataVersion": "",
        "metadataVersion": "1",
        "data": {
            "api": "PutBlob",
            "contentLength": size,
            "eTag": change,
            "url": f"https://{account}.blob.core.windows.net/{container}/{quote(name)}",
        },
    }
    return [event]
