"""Calendars are kept, and their last good copy counts while they cannot be read."""

from __future__ import annotations

import asyncio
import logging
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import icalendar  # noqa: F401  # imported before any time is taken
import pytest
import recurring_ical_events  # type: ignore[import-untyped]  # noqa: F401

from core import bootstrap
from core.adapters.calendars import reader as module
from core.adapters.calendars.events import events_of
from core.adapters.calendars.fetch import Fetched, Unreadable
from core.adapters.calendars.reader import CachedCalendars
from core.adapters.documents.router import DocumentStores
from core.domain.oncall.calendars import Calendars
from core.domain.oncall.file import OnCallFile
from core.domain.oncall.rota import shift_at
from tests.unit.adapters.calendars.icalendars import ANA, BEN, calendar

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
URL = "https://calendars.example/private-token/basic.ics"
WEB_PAGE = b"<html>Log in</html>"


def file(ical: Any) -> OnCallFile:
    people = {id: {"name": id.title(), "time_zone": "UTC"} for id in ("ana", "ben")}
    layer = {"name": "cover", "ical": ical}
    schedules = {"checkout": {"time_zone": "Europe/Berlin", "layers": [layer]}}
    return OnCallFile.model_validate({"version": 1, "people": people, "schedules": schedules})


class Web:
    """Stands in for the web: answers with a body or a failure, and counts what it is asked."""

    def __init__(self) -> None:
        self.answer: bytes | Unreadable | None = calendar(ANA)
        self.asked: list[tuple[str, str | None]] = []

    async def fetch(self, url: str, *, etag: str | None = None, timeout: float) -> Fetched:
        self.asked.append((url, etag))
        if isinstance(self.answer, Unreadable):
            raise self.answer
        return Fetched(self.answer, '"1"')


class Desk:
    """A reader with a clock of its own."""

    def __init__(self, folder: Path, **variables: str) -> None:
        self.now = NOW
        self.reader = CachedCalendars(
            lambda root: DocumentStores(bootstrap.STORES, roots=(root,)),
            copies=folder.as_uri(),
            variables=lambda: variables,
            clock=lambda: self.now,
        )

    async def read(self, file: OnCallFile) -> Calendars:
        return await self.reader.read(file)

    async def on_call(self, file: OnCallFile) -> tuple[str, ...]:
        shift = shift_at(file.schedules["checkout"], NOW, (), await self.read(file))
        return shift.people if shift else ()


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Web:
    web = Web()
    monkeypatch.setattr(module, "fetch", web.fetch)
    return web


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


async def test_a_calendar_is_asked_for_again_when_it_is_to_be_refreshed(
    desk: Desk, web: Web
) -> None:
    hourly = file({"url": URL, "refresh": "1h"})
    assert await desk.on_call(hourly) == ("ana",)
    web.answer = calendar(BEN)
    desk.now += timedelta(minutes=59)
    assert await desk.on_call(hourly) == ("ana",)
    desk.now += timedelta(minutes=1)
    assert await desk.on_call(hourly) == ("ben",)
    assert web.asked == [(URL, None), (URL, '"1"')]


async def test_the_copy_in_memory_counts_while_a_calendar_cannot_be_read(
    desk: Desk, web: Web
) -> None:
    covered = file(URL)
    assert await desk.on_call(covered) == ("ana",)
    web.answer = WEB_PAGE
    desk.now += timedelta(minutes=15)
    assert await desk.on_call(covered) == ("ana",)
    assert (await desk.read(covered)).remarks == {
        "checkout": (
            "the calendar of layer cover of schedule checkout cannot be read, its copy of "
            "2026-03-02 12:00 UTC counts: it is a web page, not a calendar: the address may need "
            "a login",
        )
    }
    web.answer = calendar(BEN)
    desk.now += timedelta(minutes=1)
    assert await desk.on_call(covered) == ("ben",)
    assert (await desk.read(covered)).remarks == {}


async def test_the_copy_in_the_store_counts_in_the_next_process(tmp_path: Path, web: Web) -> None:
    covered = file(URL)
    assert await Desk(tmp_path).on_call(covered) == ("ana",)
    web.answer = Unreadable("the server answered 503")
    after = Desk(tmp_path)
    assert await after.on_call(covered) == ("ana",)
    (remark,) = (await after.read(covered)).remarks["checkout"]
    assert "its copy of 2" in remark
    assert remark.endswith(" UTC counts: the server answered 503")
    (copy,) = (tmp_path / "calendars").iterdir()
    assert "private-token" not in copy.name


async def test_without_any_copy_a_remark_says_that_the_layer_counts_for_nothing(
    desk: Desk, web: Web
) -> None:
    web.answer = b"garbage"
    assert await desk.on_call(file(URL)) == ()
    assert (await desk.read(file(URL))).remarks == {
        "checkout": (
            "the calendar of layer cover of schedule checkout cannot be read, and counts for "
            "nothing: it is not a calendar in the iCalendar format",
        )
    }


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", "it is not a calendar in the iCalendar format"),
        (None, "the server says that it has not changed, and it was never read"),
    ],
    ids=["an empty text", "unchanged"],
)
async def test_an_answer_without_a_calendar_is_no_calendar_without_events(
    answer: bytes | None, reason: str, desk: Desk, web: Web
) -> None:
    web.answer = answer
    calendars = await desk.read(file(URL))
    assert not calendars.events
    [remark] = calendars.remarks["checkout"]
    assert remark.endswith(f"cannot be read, and counts for nothing: {reason}")


async def test_what_is_no_calendar_is_told_from_what_cannot_be_read_now(
    desk: Desk, web: Web
) -> None:
    web.answer = WEB_PAGE
    first = await desk.read(file(URL))
    assert first.refused == {"checkout": frozenset(first.remarks["checkout"])}
    web.answer = Unreadable("the server answered 503")
    desk.now += timedelta(minutes=1)
    then = await desk.read(file(URL))
    assert (len(then.remarks["checkout"]), then.refused) == (1, {})


async def test_a_server_that_fails_is_asked_once_a_minute(desk: Desk, web: Web) -> None:
    web.answer = Unreadable("no answer within 3 s")
    for _ in range(3):
        await desk.read(file(URL))
    assert len(web.asked) == 1
    desk.now += timedelta(minutes=1)
    await desk.read(file(URL))
    assert len(web.asked) == 2


async def test_only_the_calendars_of_the_schedules_asked_about_are_read(
    desk: Desk, web: Web
) -> None:
    assert (await desk.reader.read(file(URL), ["other"])).events == {}
    assert web.asked == []


async def test_a_calendar_may_be_a_document(desk: Desk, tmp_path: Path, web: Web) -> None:
    path = tmp_path / "cover.ics"
    covered = file(path.as_uri())
    assert await desk.on_call(covered) == ()
    (remark,) = (await desk.read(covered)).remarks["checkout"]
    assert remark.endswith("the document does not exist")
    path.write_bytes(calendar(ANA))
    desk.now += timedelta(minutes=1)
    assert await desk.on_call(covered) == ("ana",)
    assert web.asked == []


async def test_a_url_may_be_in_a_variable(tmp_path: Path, web: Web) -> None:
    by_variable = file({"url_env": "COVER"})
    assert await Desk(tmp_path, COVER="webcal://calendars.example/a").on_call(by_variable) == (
        "ana",
    )
    assert web.asked == [("https://calendars.example/a", None)]
    unset = Desk(tmp_path)
    assert await unset.on_call(by_variable) == ()
    (remark,) = (await unset.read(by_variable)).remarks["checkout"]
    assert remark.endswith("COVER is not set")


async def test_a_store_that_fails_costs_no_more_than_the_copy(
    web: Web, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    desk = Desk(Path("/proc/nowhere"))
    assert await desk.on_call(file(URL)) == ("ana",)
    assert "the copy of a calendar is not kept" in caplog.text


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1:1/private-token.ics",
        "https://[private-token/",
        "s3://bucket-that-nobody-has/private-token.ics",
        "file:///proc/private-token/a.ics",
        "ftp://private-token/",
        "private-token",
    ],
)
async def test_a_secret_url_is_in_no_remark_and_no_log(
    tmp_path: Path, url: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(module, "_READ_SECONDS", 0.5)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "none")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "none")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    read = await Desk(tmp_path, COVER=url).read(file({"url_env": "COVER"}))
    assert len(read.remarks["checkout"]) == 1
    assert "private-token" not in repr(read)
    ours = [each.getMessage() for each in caplog.records if each.name.startswith("core.")]
    assert "private-token" not in "".join(ours)


async def test_a_page_does_not_wait_for_a_calendar_that_takes_long_to_expand(
    desk: Desk, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    covered, finish, begun = file(URL), threading.Event(), list[bytes]()
    assert await desk.on_call(covered) == ("ana",)
    expand = events_of

    def slow(body: bytes, now: datetime) -> Any:
        begun.append(body)
        finish.wait(30)
        return expand(body, now)

    monkeypatch.setattr(module, "events_of", slow)
    monkeypatch.setattr(module, "_PARSE_SECONDS", 0.05)
    web.answer = calendar(BEN)
    try:
        for minutes in (15, 1):
            desk.now += timedelta(minutes=minutes)
            assert await desk.on_call(covered) == ("ana",)
    finally:
        finish.set()
    assert len(begun) == 1  # one thread, however often it is asked for
    assert "its events are not read within" in str((await desk.read(covered)).remarks)
    monkeypatch.setattr(module, "_PARSE_SECONDS", 30)
    desk.now += timedelta(minutes=1)
    assert await desk.on_call(covered) == ("ben",)


async def test_a_text_that_is_no_calendar_is_not_read_again_until_it_changes(
    desk: Desk, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    expand, read = events_of, list[bytes]()

    def counted(body: bytes, now: datetime) -> Any:
        read.append(body)
        return expand(body, now)

    monkeypatch.setattr(module, "events_of", counted)
    web.answer = b"<html>"
    for _ in range(3):
        assert "it is a web page" in str((await desk.read(file(URL))).remarks)
        desk.now += timedelta(minutes=15)
    web.answer = calendar(BEN)
    assert await desk.on_call(file(URL)) == ("ben",)
    assert read == [b"<html>", web.answer]


async def test_calendars_that_hang_are_waited_for_together_and_not_for_ever(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(url: str, **_: Any) -> Fetched:
        await asyncio.sleep(3_600)
        raise AssertionError

    monkeypatch.setattr(module, "fetch", hang)
    monkeypatch.setattr(module, "_REFRESH_SECONDS", 0.05)
    covered = file(URL)
    remarks = [str((await desk.read(each)).remarks) for each in (covered, covered)]
    assert all("it was not read in time" in each for each in remarks)
