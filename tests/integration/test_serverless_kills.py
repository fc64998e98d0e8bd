"""Invocations that are killed in the middle of their work, as a host that fails kills them."""

from __future__ import annotations

import json
import os

import pytest

from core.adapters.temporal import incidents
from core.contracts import QUERY_INCIDENT
from core.domain.incident.model import folder_name
from tests.support.documents import place
from tests.support.sleepers import Sleepers, end, unique, until

pytestmark = pytest.mark.slow


async def test_a_page_is_sent_again_under_its_key_and_a_report_is_written_once(
    sleepers: Sleepers,
) -> None:
    client = await sleepers.client()
    reported, paged = unique("report"), unique("page")
    closing = await sleepers.alert(client, reported)
    await sleepers.paged(reported)
    id = (await closing.query(QUERY_INCIDENT))["id"]
    folder = sleepers.folder / "reports" / folder_name(id)
    folder.mkdir(parents=True)
    # The activity reads the file that exists already, and blocks for ever on a pipe.
    os.mkfifo(folder / "report.json")
    sleepers.site.answering.clear()
    try:
        paging = await sleepers.alert(client, paged)
        await sleepers.paged(paged)
        await end(closing)
        await until((folder / "report.md").exists, "half a report")
        half = (folder / "report.md").read_text()
        assert sleepers.up.kill()
    finally:
        sleepers.site.answering.set()
    (folder / "report.json").unlink()

    result = await closing.result()
    assert result["status"] == "closed"
    assert await place(f"file://{folder}/").names() == ["report.json", "report.md"]
    assert (folder / "report.md").read_text() == half
    assert json.loads((folder / "report.json").read_text())["incident_id"] == id
    assert len(sleepers.pages(reported)) == 1

    await sleepers.paged(paged, 2)
    await sleepers.asleep()
    texts = [entry["text"] for entry in (await incidents.show(client, paging.id))["timeline"]]
    assert [text for text in texts if "Page delivered" in text] == [
        "Page delivered to on-call (level 1)"
    ]
    await end(paging)
    first, again = sleepers.pages(paged)
    assert first == again
