"""Event Grid on this machine: tells a Service Bus queue of every blob that appears in Azurite.

Azurite announces nothing, so the container is looked at over and over. Of a blob that is written
twice between two looks the last version alone is announced.

    python -m infra.local.event_grid --container documents --prefix incidents/ --queue URL [--twice]

Source: Microsoft Learn, "Azure Blob Storage as an Event Grid source".
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import requests
from azure.core.exceptions import AzureError
from azure.storage.blob import BlobProperties, BlobServiceClient, ContainerClient

_LOOK: Final = 0.2
_TOPIC: Final = (
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/local"
    "/providers/Microsoft.Storage/storageAccounts/{account}"
)
log = logging.getLogger("event-grid")


class Watcher:
    """Announces what is new in a container, by `send`, in every one of the `schemas`."""

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
        self._known: dict[str, str] = {}
        self._sequence = 0

    def look(self) -> None:
        """Announce each blob that was not there before, or not as it is now."""
        for blob in self._container.list_blobs(name_starts_with=self._prefix):
            if self._known.get(blob.name) == blob.etag:
                continue
            self._sequence += 1
            sequencer = f"{self._sequence:032X}{0:016X}"
            account = str(self._container.account_name)
            for schema in self._schemas:
                self._send(schema(account, str(self._container.container_name), blob, sequencer))
            self._known[blob.name] = blob.etag
            log.info("announced %s", blob.name)


def grid_event(account: str, container: str, blob: BlobProperties, sequencer: str) -> Any:
    """BlobCreated in Event Grid's own schema."""
    return {
        "topic": _TOPIC.format(account=account),
        "subject": f"/blobServices/default/containers/{container}/blobs/{blob.name}",
        "eventType": "Microsoft.Storage.BlobCreated",
        "id": str(uuid.uuid4()),
        "eventTime": _now(),
        "dataVersion": "",
        "metadataVersion": "1",
        "data": _data(account, container, blob, sequencer),
    }


def cloud_event(account: str, container: str, blob: BlobProperties, sequencer: str) -> Any:
    """The same as a CloudEvent."""
    return {
        "specversion": "1.0",
        "source": _TOPIC.format(account=account),
        "subject": f"/blobServices/default/containers/{container}/blobs/{blob.name}",
        "type": "Microsoft.Storage.BlobCreated",
        "id": str(uuid.uuid4()),
        "time": _now(),
        "data": _data(account, container, blob, sequencer),
    }


def _data(account: str, container: str, blob: BlobProperties, sequencer: str) -> Any:
    return {
        "api": "PutBlob",
        "requestId": str(uuid.uuid4()),
        "eTag": str(blob.etag).strip('"'),
        "contentType": blob.content_settings.content_type,
        "contentLength": blob.size,
        "blobType": "BlockBlob",
        "url": f"https://{account}.blob.core.windows.net/{container}/{blob.name}",
        "sequencer": sequencer,
        "storageDiagnostics": {"batchId": str(uuid.uuid4())},
    }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "0Z")


def main() -> None:
    """Watch until SIGTERM; the store's address comes from AZURE_STORAGE_CONNECTION_STRING."""
    parser = argparse.ArgumentParser(prog="python -m infra.local.event_grid")
    parser.add_argument("--container", required=True)
    parser.add_argument("--prefix", default="", help="announce blobs whose names begin so")
    parser.add_argument("--queue", required=True, help="the URL of the queue to tell")
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
