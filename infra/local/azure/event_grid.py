r"""Event Grid on this machine: announces every new blob in Azurite to a Service Bus queue.

Azurite has no notifications, so the container is polled. Of a blob that is written twice between
two polls only the last version is announced. An announcement that fails is repeated, and may arrive
twice, always with the same sequencer: it is the same event.

    python -m infra.local.azure.event_grid --container documents --prefix incidents/ \
        --queue URL [--twice]

Source: Microsoft Learn, "Azure Blob Storage as an Event Grid source".
"""

from __future__ import annotations

import argparse
import itertools
import json
import logging
import os
import signal
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

import requests
from azure.core.exceptions import AzureError
from azure.storage.blob import BlobProperties, BlobServiceClient, ContainerClient

_LOOK: Final = 0.2
_TOPIC: Final = (
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/local"
    "/providers/Microsoft.Storage/storageAccounts/{account}"
)
_TYPE: Final = "Microsoft.Storage.BlobCreated"
log = logging.getLogger("event-grid")


class Watcher:
    """Announces new blobs of a container with `send`: in Event Grid's own schema, or `twice`, also
    as a CloudEvent, as two subscriptions would."""

    def __init__(
        self,
        container: ContainerClient,
        prefix: str,
        send: Callable[[dict[str, Any]], None],
        *,
        twice: bool,
    ) -> None:
        self._container = container
        self._prefix = prefix
        self._send = send
        self._schemas = (grid_event, cloud_event) if twice else (grid_event,)
        self._announced: dict[str, str] = {}
        self._sequencers: dict[tuple[str, str], str] = {}
        # Not from 1, because Temporal may remember the events of an earlier run.
        self._numbers = itertools.count(time.time_ns())

    def look(self) -> None:
        """Announce each blob that is new or changed."""
        for blob in self._container.list_blobs(name_starts_with=self._prefix):
            if self._announced.get(blob.name) == blob.etag:
                continue
            upload = self._upload(blob)
            for schema in self._schemas:
                self._send(schema(upload))
            self._announced[blob.name] = blob.etag
            log.info("announced %s", blob.name)

    def _upload(self, blob: BlobProperties) -> Upload:
        change = (blob.name, blob.etag)
        if change not in self._sequencers:
            self._sequencers[change] = f"{next(self._numbers):032X}{0:016X}"
        account, container = self._container.account_name, self._container.container_name
        return Upload(str(account), str(container), blob, self._sequencers[change], _now())


@dataclass(frozen=True, slots=True)
class Upload:
    """One upload, from which either schema is made."""

    account: str
    container: str
    blob: BlobProperties
    sequencer: str
    time: str
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def topic(self) -> str:
        return _TOPIC.format(account=self.account)

    @property
    def subject(self) -> str:
        return f"/blobServices/default/containers/{self.container}/blobs/{self.blob.name}"

    @property
    def data(self) -> dict[str, Any]:
        address = quote(f"/{self.container}/{self.blob.name}")
        return {
            "api": "PutBlob",
            "requestId": str(uuid.uuid4()),
            "eTag": str(self.blob.etag).strip('"'),
            "contentType": self.blob.content_settings.content_type,
            "contentLength": self.blob.size,
            "blobType": "BlockBlob",
            "url": f"https://{self.account}.blob.core.windows.net{address}",
            "sequencer": self.sequencer,
            "storageDiagnostics": {"batchId": str(uuid.uuid4())},
        }


def grid_event(upload: Upload) -> dict[str, Any]:
    """BlobCreated in Event Grid's own schema."""
    return {
        "topic": upload.topic,
        "subject": upload.subject,
        "eventType": _TYPE,
        "id": upload.id,
        "eventTime": upload.time,
        "dataVersion": "",
        "metadataVersion": "1",
        "data": upload.data,
    }


def cloud_event(upload: Upload) -> dict[str, Any]:
    """BlobCreated as a CloudEvent."""
    return {
        "specversion": "1.0",
        "source": upload.topic,
        "subject": upload.subject,
        "type": _TYPE,
        "id": upload.id,
        "time": upload.time,
        "data": upload.data,
    }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "0Z")


def main() -> None:
    """Watch until SIGTERM; the store's address comes from AZURE_STORAGE_CONNECTION_STRING."""
    parser = argparse.ArgumentParser(prog="python -m infra.local.azure.event_grid")
    parser.add_argument("--container", required=True)
    parser.add_argument("--prefix", default="", help="the prefix of the names to announce")
    parser.add_argument("--queue", required=True, help="the URL of the queue to send to")
    parser.add_argument("--twice", action="store_true", help="in both schemas")
    options = parser.parse_args()
    logging.basicConfig(format="%(asctime)s %(name)s %(levelname)s %(message)s", level="INFO")
    logging.getLogger("azure").setLevel(logging.WARNING)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    session = requests.Session()

    def send(event: dict[str, Any]) -> None:
        answer = session.post(
            f"{options.queue}/messages",
            data=json.dumps([event] if "eventType" in event else event).encode(),
            headers={"Content-Type": "application/json", "aeg-event-type": '"Notification"'},
            timeout=10,
        )
        answer.raise_for_status()

    store = BlobServiceClient.from_connection_string(os.environ["AZURE_STORAGE_CONNECTION_STRING"])
    container = store.get_container_client(options.container)
    watcher = Watcher(container, options.prefix, send, twice=options.twice)
    log.info("watches %s", options.container)
    while True:
        try:
            watcher.look()
        except (AzureError, requests.RequestException) as error:
            log.warning("%s", error)
        time.sleep(_LOOK)


if __name__ == "__main__":
    main()
