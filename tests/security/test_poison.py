"""An event that can only work after the operator has done something is bounded by its queue."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from core import bootstrap
from core.config.settings import Settings
from core.formats.registry import read
from core.formats.shared.delivery import Delivery, way_headers
from core.intake.receipts import Verdict
from core.operations.doctor import examine
from core.operations.doctor.checks import Code
from core.operations.doctor.needs import Needs
from tests.support.workflows_port import MemoryWorkflows

CREATED = "tidegate.document.created"
HOOK: dict[str, Any] = {"format": "message", "verify": {"scheme": "none"}}


async def test_a_trusted_document_without_tidegate_documents_is_retried_not_lost(
    tmp_path: Path,
) -> None:
    settings = Settings(quarantine=f"file://{tmp_path}", trusted_types=(CREATED,))
    body = (
        b'{"specversion": "1.0", "id": "1", "source": "/a", "type": "tidegate.document.created",'
        b' "data": {"document": {"uri": "s3://bucket/a.json"}}}'
    )
    headers = way_headers("queue:a", trusted=settings.trusted_types)
    headers["content-type"] = "application/cloudevents+json"
    delivery = Delivery(format="message", body=body, headers=headers, unique="u")
    intake = bootstrap.intake(settings, workflows=MemoryWorkflows())
    [receipt] = await intake.accept(read(delivery))
    assert (receipt.verdict, receipt.code) == (Verdict.RETRY, "SettingsError")
    assert "TIDEGATE_DOCUMENTS is not set" in str(receipt.reason)


@pytest.mark.parametrize(
    ("queues", "hooks", "documents", "warned"),
    [
        ((CREATED,), {}, (), "queues (TIDEGATE_TRUSTED_TYPES)"),
        ((), {"in": HOOK | {"trusted_types": [CREATED]}}, (), "webhook in"),
        (("tidegate.alert",), {"in": HOOK}, (), None),
        ((CREATED,), {"in": HOOK | {"trusted_types": [CREATED]}}, ("documents",), None),
    ],
    ids=["queues", "a webhook", "nobody", "documents are set"],
)
async def test_doctor_warns_of_documents_that_can_only_be_redelivered(
    queues: tuple[str, ...],
    hooks: dict[str, Any],
    documents: tuple[str, ...],
    warned: str | None,
    tmp_path: Path,
) -> None:
    file = tmp_path / "webhooks.yaml"
    file.write_text(yaml.safe_dump({"version": 1, "hooks": hooks or {"in": HOOK}}))
    settings = Settings(
        quarantine=f"file://{tmp_path}",
        documents=tuple(f"file://{tmp_path}/{name}" for name in documents),
        trusted_types=queues,
        webhooks=file,
    )
    checks = [each async for each in examine._stores(settings, Needs.of(None))]
    found = [each for each in checks if each.code is Code.ANNOUNCED_DOCUMENTS]
    assert [each.outcome for each in found] == (["warning"] if warned else [])
    assert all(warned and warned in each.detail for each in found)
