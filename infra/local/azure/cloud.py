"""Azure as a local stack's cloud: Azurite, Service Bus and Event Grid's part, and a Functions host
that feeds the real function app.

    container --(BlobCreated, incidents/)--> event-grid --> blob events queue --+
                                                            messages queue -----+--> function app
                                                            webhooks, by HTTP --+
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import requests
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import BlobServiceClient

from infra.local.answers import answers
from infra.local.azure.azurite import ACCOUNT, Azurite, start_azurite, wait_for_azurite
from infra.local.cloud import INCIDENTS
from infra.local.processes import Child, Processes, python, wait_until

CONTAINER: Final = "documents"
EVENTS_QUEUE, MESSAGES_QUEUE = "blob-events", "messages"
NAMESPACE: Final = "local"

_FUNCTION_APP: Final = "function-app"
_AZURITE, _SERVICE_BUS, _EVENT_GRID = "azurite", "service-bus", "event-grid"
_START_TIMEOUT: Final = 60.0


class AzureCloud:
    """With `bridge` each upload is announced twice, in both of Event Grid's schemas."""

    name = "azure"
    title = "Azure (Azurite)"
    store = f"azure://{ACCOUNT}/{CONTAINER}"
    servers = (_AZURITE, _SERVICE_BUS, _EVENT_GRID)
    upload_listener = message_listener = webhook_listener = _FUNCTION_APP
    announcing = "by Event Grid to Service Bus, in its own schema and as a CloudEvent"

    def __init__(
        self, azurite: Azurite, bus_port: int, gateway_port: int, *, bridge: bool = False
    ) -> None:
        self.azurite = azurite
        self.gateway = f"http://127.0.0.1:{gateway_port}"
        self.bus = f"http://127.0.0.1:{bus_port}"
        self._bus_port = bus_port
        self._gateway_port = gateway_port
        self._bridge = bridge
        self._blobs = BlobServiceClient.from_connection_string(azurite.connection)
        self._http = requests.Session()
        self._http.trust_env = False  # no proxy between this machine and itself
        self._children: list[Child] = []

    @property
    def endpoint(self) -> str:
        return self.azurite.endpoint

    @property
    def address(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "store": self.azurite.port,
            "key": self.azurite.key,
            "bus": self._bus_port,
            "gateway": self._gateway_port,
        }

    @property
    def env(self) -> dict[str, str]:
        return {
            **self.azurite.environment,
            "ServiceBusConnection__fullyQualifiedNamespace": f"{NAMESPACE}.servicebus.windows.net",
            "BLOB_EVENTS_QUEUE": EVENTS_QUEUE,
            "MESSAGES_QUEUE": MESSAGES_QUEUE,
        }

    def start(self, processes: Processes, env: Mapping[str, str]) -> None:
        bus = python("infra.local.azure.service_bus", "--port", str(self._bus_port))
        self._children = [
            start_azurite(processes, env, self.azurite, name=_AZURITE),
            processes.start(_SERVICE_BUS, [*bus, EVENTS_QUEUE, MESSAGES_QUEUE], env),
        ]

    def prepare(self) -> None:
        azurite, bus = self._children
        wait_for_azurite(azurite, self.azurite)
        self._blobs.create_container(CONTAINER)
        wait_until(
            lambda: answers(f"{self.bus}/{EVENTS_QUEUE}"),
            _START_TIMEOUT,
            f"Service Bus to answer on {self.bus}",
            check=bus.check,
        )

    def start_listeners(self, processes: Processes, env: Mapping[str, str]) -> None:
        grid = python(
            "infra.local.azure.event_grid",
            *("--container", CONTAINER),
            *("--prefix", INCIDENTS),
            *("--queue", f"{self.bus}/{EVENTS_QUEUE}"),
            *(["--twice"] if self._bridge else []),
        )
        processes.start(_EVENT_GRID, grid, env)
        host = python(
            "infra.local.azure.functions_host",
            *("--port", str(self._gateway_port)),
            *("--service-bus", self.bus),
        )
        processes.start(_FUNCTION_APP, host, env)

    def is_listening(self, child: Child) -> bool:
        if child.name == _EVENT_GRID:
            return "watches" in child.output()
        return child.name != _FUNCTION_APP or answers(f"{self.gateway}/healthz")

    def upload(self, name: str, body: bytes) -> str:
        blob = self._blobs.get_blob_client(CONTAINER, INCIDENTS + name)
        return str(blob.upload_blob(body, overwrite=True)["etag"]).strip('"')

    def upload_key(self, name: str) -> str:
        return f"blob:{ACCOUNT}/{CONTAINER}/{INCIDENTS}{name}@"

    def send(self, body: str) -> tuple[str, str]:
        answer = self._http.post(
            f"{self.bus}/{MESSAGES_QUEUE}/messages",
            data=body.encode(),
            headers={"Content-Type": "application/json"},
            timeout=30,
        )
        answer.raise_for_status()
        return f"servicebus:{NAMESPACE}/{MESSAGES_QUEUE}", str(answer.json()["MessageId"])

    def keys(self, folder: str) -> list[str]:
        found = self._blobs.get_container_client(CONTAINER).list_blobs(name_starts_with=folder)
        return [blob.name for blob in found]

    def read(self, key: str) -> bytes | None:
        try:
            return self._blobs.get_blob_client(CONTAINER, key).download_blob().readall()
        except ResourceNotFoundError:
            return None

    def waiting(self) -> int:
        return self._counts(EVENTS_QUEUE)["active"]

    def dead_lettered(self) -> int:
        return sum(self._counts(name)["dead_letters"] for name in (EVENTS_QUEUE, MESSAGES_QUEUE))

    def close(self) -> None:
        self._blobs.close()
        self._http.close()

    def _counts(self, queue: str) -> dict[str, int]:
        found: dict[str, int] = json.loads(self._http.get(f"{self.bus}/{queue}", timeout=30).text)
        return found
