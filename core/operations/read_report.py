"""Post-incident reports, from the document store."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Literal

from core import bootstrap
from core.adapters.temporal import incidents
from core.config.settings import Settings
from core.domain.event import DocumentRef
from core.domain.incident.ids import parse_id
from core.domain.incident.model import folder_name
from core.errors import DocumentNotFound, IncidentNotFound
from core.ports.documents import DocumentStore

if TYPE_CHECKING:
    from temporalio.client import Client


class Reports:
    """The reports of incidents, out of one store. `connect` gives the client of Temporal, by
    default a new one for each report."""

    def __init__(
        self, settings: Settings, connect: Callable[[], Awaitable[Client]] | None = None
    ) -> None:
        self._settings = settings
        self._connect = connect or partial(bootstrap.connect, settings)
        self._store = bootstrap.documents(settings)

    async def read(self, id: str, *, suffix: Literal["md", "json"]) -> bytes:
        """An incident's last report, as `md` or `json`.

        The incident says where it is. After Temporal's retention has ended, it is the first report
        of the incident's own ID. Raises `DocumentNotFound` without a report, `SettingsError`
        without a place for them, and what the store and Temporal raise.
        """
        root = self._settings.require("reports").rstrip("/")
        try:
            incident = await incidents.state(await self._connect(), id)
        except IncidentNotFound:
            if parse_id(id)[1] is None:
                raise
            return await _read(self._store, f"{root}/{folder_name(id)}/report.{suffix}")
        reports = [uri for uri in incident["reports"] if uri.endswith(f".{suffix}")]
        if not reports:
            raise DocumentNotFound(
                f"incident {id} is {incident['status']} and has no report yet",
                fix="it is written when the incident is resolved",
            )
        return await _read(self._store, reports[-1])


async def _read(store: DocumentStore, uri: str) -> bytes:
    body = bytearray()
    async for chunk in store.read(DocumentRef(uri=uri)):
        body += chunk
    return bytes(body)
