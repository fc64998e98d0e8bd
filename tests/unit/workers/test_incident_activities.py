"""What the incident's activities read of documents is closed, also when they stop in the middle."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from core.adapters.documents.files import FileDocumentStore
from core.domain.event import DOCUMENT_CREATED, DocumentRef, Event
from core.domain.incident.policies.file import Policies
from core.errors import DocumentExists
from core.intake.quarantine import Quarantine
from tests.support.incidents import Pager, nobody
from tests.unit.incident.examples import resolved
from workers.incident.activities import IncidentActivities
from workers.incident.payloads import ReportInput


class Store(FileDocumentStore):
    """Has a long document under every address, and counts those that are open."""

    open = 0

    async def read(self, document: DocumentRef, **part: Any) -> AsyncGenerator[bytes]:
        self.open += 1
        try:
            while True:
                yield b"x" * 100_000
        finally:
            self.open -= 1

    async def write(self, uri: str, chunks: AsyncIterable[bytes], **options: Any) -> DocumentRef:
        raise DocumentExists(uri)


def activities(store: Store) -> IncidentActivities:
    return IncidentActivities(
        documents=store,
        notifier=Pager(),
        quarantine=Quarantine(store, "file:///quarantine/"),
        policies=Policies.model_validate(
            {
                "version": 1,
                "targets": {"on-call": {"url_env": "TIDEGATE_PAGE_URLS"}},
                "policies": [
                    {"name": "default", "levels": [{"after": "0s", "targets": ["on-call"]}]}
                ],
            }
        ),
        targets={},
        addresses={},
        find_on_call=nobody,
        ack_timeout=300,
        reports="file:///reports/",
        max_report_bytes=10_000,
        table="",
    )


async def test_a_report_that_is_there_with_more_in_it_is_closed() -> None:
    store = Store()
    report = ReportInput(incident=resolved().incident, timeline=())
    with pytest.raises(ApplicationError, match="holds other reports"):
        await ActivityEnvironment().run(activities(store).write_report, report)
    assert store.open == 0


async def test_a_document_that_is_too_large_is_closed() -> None:
    store = Store()
    document = DocumentRef(uri="file:///incidents/a.json")
    event = Event(
        id="1", source="s3", type=DOCUMENT_CREATED, key="k", data={"document": document.to_wire()}
    )
    with pytest.raises(ApplicationError, match="over the limit"):
        await ActivityEnvironment().run(activities(store).load_report, event.to_wire())
    assert store.open == 0
