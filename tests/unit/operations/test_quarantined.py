"""Which quarantine records somebody sees: page by page, and by why they are there."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core import bootstrap
from core.config.settings import Settings
from core.errors import InvalidEvent, NoRoute
from core.formats.registry import read
from core.formats.shared.delivery import Delivery, way_headers
from core.intake.quarantine import Quarantine
from core.operations.quarantined import RecordFilter, causes, select

BEGAN = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def quarantine(tmp_path: Path) -> Quarantine:
    return bootstrap.quarantine(Settings(quarantine=f"file://{tmp_path}/quarantine/"))


async def kept(
    quarantine: Quarantine,
    number: int,
    error: type[NoRoute | InvalidEvent] = NoRoute,
    way: str = "",
) -> str:
    """The ID of a record that was kept so many minutes later than the first."""
    headers = way_headers(way) if way else {}
    body = b'{"specversion": "1.0", "type": "t", "source": "s", "id": "%d"}' % number
    [arrival] = read(Delivery(format="message", body=body, headers=headers, unique=str(number)))
    uri = await quarantine.keep(arrival, error("refused"))
    at = (BEGAN + timedelta(minutes=number)).timestamp()
    os.utime(uri.removeprefix("file://"), (at, at))
    return uri.removeprefix(quarantine.root).removesuffix(".json")


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("reads", [1, 3, 100])
async def test_pages_have_every_record_once_in_order(
    limit: int, reads: int, quarantine: Quarantine
) -> None:
    ids = [await kept(quarantine, number) for number in range(7)]
    found, place = [], None
    while True:
        page = await select(
            quarantine, RecordFilter(), limit=limit, after=place, reads=max(reads, limit)
        )
        assert len(page.records) <= limit
        found += [record.id for record in page.records]
        if (place := page.next) is None:
            break
    assert found == ids[::-1]


async def test_a_page_that_reads_no_more_says_where_to_go_on(quarantine: Quarantine) -> None:
    wanted = await kept(quarantine, 0, InvalidEvent)
    for number in range(1, 5):
        await kept(quarantine, number)
    filter = RecordFilter(codes=["InvalidEvent"])
    first = await select(quarantine, filter, limit=10, reads=3)
    assert (first.records, first.in_all) == ([], 5)
    second = await select(quarantine, filter, limit=10, reads=3, after=first.next)
    assert [record.id for record in second.records] == [wanted]
    assert second.next is None


async def test_records_of_one_moment_are_told_apart(quarantine: Quarantine) -> None:
    ids = {await kept(quarantine, 0, way=f"webhook:{name}") for name in "abc"}
    first = await select(quarantine, RecordFilter(), limit=2)
    rest = await select(quarantine, RecordFilter(), limit=2, after=first.next)
    assert {record.id for record in (*first.records, *rest.records)} == ids


@pytest.mark.parametrize("text", ["", "x", "bnVsbA", "WzEsIDJd", "é", "WyIyMDI2LTAxLTAyIiwgImEiXQ"])
async def test_what_was_no_place_is_refused(text: str, quarantine: Quarantine) -> None:
    with pytest.raises(ValueError, match="is not the next of a page"):
        await select(quarantine, RecordFilter(), after=text)


async def test_causes_are_counted_by_code_and_place(quarantine: Quarantine) -> None:
    first, *_, last = [await kept(quarantine, number, way="webhook:prod") for number in range(3)]
    await kept(quarantine, 3, InvalidEvent, way="webhook:prod")
    await kept(quarantine, 4)
    found = await causes(quarantine, RecordFilter(), reads=100)
    assert not found.more
    assert [(each.code, each.source, each.format, each.count) for each in found.causes] == [
        ("NoRoute", "webhook:prod", "message", 3),
        ("NoRoute", "", "message", 1),
        ("InvalidEvent", "webhook:prod", "message", 1),
    ]
    assert (found.causes[0].newest.id, found.causes[0].oldest.id) == (last, first)
    assert (await causes(quarantine, RecordFilter(), reads=2)).more
