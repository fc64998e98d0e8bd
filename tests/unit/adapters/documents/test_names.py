"""A document whose name no store can take is refused for its name, not for its place."""

from __future__ import annotations

import pytest

from core.adapters.documents.azure_blob import AzureDocumentStore
from core.domain.event import DOCUMENT_CREATED, Event
from core.domain.validation import EventValidationService
from core.errors import DocumentRefused


@pytest.mark.parametrize("name", ["a\tb.md", "a\nb.md", "\x7f", "x" * 1025])
async def test_a_name_that_azure_does_not_take_is_said_to_be_at_fault(name: str) -> None:
    store = AzureDocumentStore()
    with pytest.raises(DocumentRefused) as refused:
        await store.stat(f"azure://account/uploads/{name}")
    assert str(refused.value).endswith(
        "(its name is at fault: let it be uploaded under one of 1 to "
        "1,024 characters without control characters such as a tab)"
    )


@pytest.mark.parametrize("uri", ["s3://docs/a/../b", "s3://docs/./b", "azure://docs/c/.."])
def test_so_is_a_name_that_would_lead_elsewhere(uri: str) -> None:
    event = Event(
        id="1", source="s", type=DOCUMENT_CREATED, key="k", data={"document": {"uri": uri}}
    )
    service = EventValidationService(documents=("s3://docs", "azure://docs/c"), max_bytes=9999)
    with pytest.raises(DocumentRefused) as refused:
        service.validate(event)
    assert "its name is at fault" in str(refused.value)
    assert "TIDEGATE_DOCUMENTS" not in str(refused.value)
