"""Azure as a local stack's cloud: Azurite, stand-ins for Service Bus and Event Grid, and a host
that runs the real function app.

    container --(BlobCreated, incidents/)--> event-grid --> blob events queue --+
                                                            messages queue -----+--> function app
                                                            webhooks, by HTTP --+
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from azure.core.exceptions import AzureError, ResourceNotFoundError
from azure.storage.blob import BlobServiceClient

from infra.local.azure.azurite import ACCOUNT, AZURITE, Azurite, start_azurite
from infra.local.cloud import INCIDENTS, CloudName
from infra.local.loopback import SERVICE_BUS_PORT, WEBHOOKS_PORT, answers, local_session
from infra.local.processes import Child, LocalStackError, Processes, python
from infra.local.servers import start_server

CONTAINER: Final = "documents"
EVENTS_QUEUE, MESSAGES_QUEUE = "blob-events", "messages"
NAMESPACE: Final = "local"

_FUNCTION_APP, _SERVICE_BUS, _EVENT_GRID = "function-app", "service-bus", "event-grid"
_TIMEOUT: Final = 30.0


class AzureCloud:
    """`bus` is the URL of Service Bus."""

    name: CloudName = "azure"
    store = f"azure://{ACCOUNT}/{CONTAINER}"
    servers = (AZURITE, _SERVICE_BUS, _EVENT_GRID)
    upload_listener = message_listener = webhook_listener = _FUNCTION_APP
    announcing = "by Event Grid to Service Bus, in its own schema and as a CloudEvent"

    def __init__(self, azurite: Azurite, bus: str, gateway: str) -> None:
        self.azurite = azurite
        self.bus = bus
        self.gateway = gateway
        self._blobs = BlobServiceClient.from_connection_string(
            azurite.connection, use_env_settings=False
        )
        self._http = local_session()

    @property
    def endpoint(self) -> str:
        return self.azurite.endpoint

    @property
    def address(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "store": self.azurite.port,
            "key": self.azurite.key,
            "bus": self.bus,
            "gateway": self.gateway,
        }

    @property
    def env(self) -> dict[str, str]:
        return {
            **self.azurite.environment,
            "ServiceBusConnection__fullyQualifiedNamespace": f"{NAMESPACE}.servicebus.windows.net",
            "BLOB_EVENTS_QUEUE": EVENTS_QUEUE,
            "MESSAGES_QUEUE": MESSAGES_QUEUE,
        }

    @property
    def message_queue(self) -> str:
        return f"{self.bus}/{MESSAGES_QUEUE}"

    def create_container(self) -> None:
        self._blobs.create_container(CONTAINER, retry_total=0)

    def upload(self, name: str, body: bytes) -> str:
        blob = self._blobs.get_blob_client(CONTAINER, INCIDENTS + name)
        return str(blob.upload_blob(body, overwrite=True)["etag"]).strip('"')

    def upload_key(self, name: str) -> str:
        return f"blob:{ACCOUNT}/{CONTAINER}/{INCIDENTS}{name}@"

    def send(self, body: str) -> tuple[str, str]:
        answer = self._http.post(
            f"{self.message_queue}/messages",
            data=body.encode(),
            headers={"Content-Type": "application/json"},
            timeout=_TIMEOUT,
        )
        answer.raise_for_status()
        return f"servicebus:{NAMESPACE}/{MESSAGES_QUEUE}", str(answer.json()["MessageId"])

    def keys(self, folder: str) -> list[str]:
        blobs = self._blobs.get_container_client(CONTAINER).list_blobs(name_starts_with=folder)
        return [blob.name for blob in blobs]

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
        counts: dict[str, int] = self._http.get(f"{self.bus}/{queue}", timeout=_TIMEOUT).json()
        return counts


class AzureServers:
    """Azurite, Service Bus and Event Grid, and the host of the function app."""

    def __init__(self, processes: Processes, env: Mapping[str, str], *, bridge: bool) -> None:
        self._processes = processes
        self._bridge = bridge
        self._azurite = start_azurite(processes, env)
        module = "infra.local.azure.service_bus"
        queues = (EVENTS_QUEUE, MESSAGES_QUEUE)
        self._bus = start_server(
            processes, _SERVICE_BUS, module, env, *queues, port=SERVICE_BUS_PORT
        )
        self._gateway = processes.ports.listen(WEBHOOKS_PORT)

    def prepare(self) -> AzureCloud:
        azurite = self._azurite.wait()
        self._bus.wait(f"/{EVENTS_QUEUE}")
        cloud = AzureCloud(azurite, self._bus.url, self._gateway.url)
        try:
            cloud.create_container()
        except AzureError as error:
            cloud.close()
            child = self._azurite.program.child
            child.check()
            why = error.message.partition("\n")[0]
            raise LocalStackError(
                f"cannot create the container: {why}", fix=child.see_log
            ) from error
        return cloud

    def start_listeners(self, env: Mapping[str, str]) -> None:
        grid = python(
            "infra.local.azure.event_grid",
            *("--container", CONTAINER),
            *("--prefix", INCIDENTS),
            *("--queue", f"{self._bus.url}/{EVENTS_QUEUE}"),
            *(["--twice"] if self._bridge else []),
        )
        self._processes.start(_EVENT_GRID, grid, env)
        host = python(
            "infra.local.azure.functions_host",
            *self._gateway.option,
            *("--service-bus", self._bus.url),
        )
        self._processes.start(_FUNCTION_APP, host, env, self._gateway)

    def is_listening(self, child: Child) -> bool:
        if child.name == _EVENT_GRID:
            return "watches" in child.output()
        return child.name != _FUNCTION_APP or answers(f"{self._gateway.url}/healthz")
