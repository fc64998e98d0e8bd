"""Post-incident reports, from the document store."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
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


async def read_report(
    settings: Settings,
    id: str,
    *,
    suffix: Literal["md", "json"],
    connect: Callable[[], Awaitable[Client]] | None = None,
) -> bytes:
    """An incident's last report, as `md` or `json`. `connect` gives the client, by default a new
    one.

    The incident says where it is. After Temporal's retention has ended, it is the first report of
    the incident's own ID. Raises `DocumentNotFound` without a report, and what the store and
    Temporal raise.
    """
    settings.require("reports")
    store = bootstrap.documents(settings)
    try:
        client = await (connect() if connect else bootstrap.connect(settings))
        incident = await incidents.state(client, id)
    except IncidentNotFound:
        if parse_id(id)[1] is None:
            raise
        uri = f"{(settings.reports or '').rstrip('/')}/{folder_name(id)}/report.{suffix}"
        return await _read(store, uri)
    reports = [uri for uri in incident["reports"] if uri.endswith(f".{suffix}")]
    if not reports:
        raise DocumentNotFound(
            f"incident {id} is {incident['status']} and has no report yet",
            fix="it is written when the incident is resolved",
        )
    return await _read(store, reports[-1])


async def _read(store: DocumentStore, uri: str) -> bytes:
    body = bytearray()
    async for chunk in store.read(DocumentRef(uri=uri)):
        body += chunk
    return bytes(body)
