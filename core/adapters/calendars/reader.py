"""Calendars over https or out of a document store, each kept until it is to be refreshed.

A page must not wait for somebody else's server, nor be lost with it: the last good copy counts
while a calendar cannot be read. It is in memory, and in the document store for the process that
has just begun.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from core.adapters.calendars.events import CalendarEvents, events_of
from core.adapters.calendars.fetch import MAX_BYTES, Fetched, Unreadable, fetch
from core.domain.event import DocumentRef
from core.domain.oncall.calendars import Calendars
from core.domain.oncall.file import OnCallFile
from core.domain.oncall.schedules import Calendar
from core.errors import DocumentNotFound, TidegateError
from core.ports.documents import DocumentStore

_LOG: Final = logging.getLogger(__name__)
_READ_SECONDS: Final = 3.0
_COPY_SECONDS: Final = 1.5
_PARSE_SECONDS: Final = 4.0
_REFRESH_SECONDS: Final = 8.0
"""For all that is tried of one calendar: a question who is on call takes ten seconds at most."""
_MAX_PARSING: Final = 2
"""Versions of one calendar that are read at the same time: the newest, and its copy."""
_THREADS: Final = 2
"""For all calendars of a process, apart from those that look names up."""
_RETRY: Final = timedelta(minutes=1)
"""How long after a failure a calendar is not asked for again: each page would wait for it."""


@dataclass(slots=True)
class _Kept:
    """What is known of one calendar: its events as they were at `read`, None if there are none;
    and why it could not be read at `tried`. `refused` is a text that is no calendar, and why: it is
    not read again until it changes."""

    events: CalendarEvents | None = None
    body: bytes | None = None
    etag: str | None = None
    read: datetime | None = None
    tried: datetime | None = None
    failure: str | None = None
    refused: tuple[bytes, str] | None = None
    parsing: dict[bytes, asyncio.Task[CalendarEvents]] = field(default_factory=dict)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class CachedCalendars:
    """The `CalendarReader` of one process.

    `store` makes the document store of a root. `copies` is the URI prefix under which last good
    copies are kept; without one they are in memory only. `variables` are those that may have a
    calendar's URL.
    """

    def __init__(
        self,
        store: Callable[[str], DocumentStore],
        *,
        copies: str | None,
        variables: Callable[[], Mapping[str, str]],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._copies = f"{copies.rstrip('/')}/calendars" if copies else None
        self._variables = variables
        self._clock = clock
        self._kept: dict[str, _Kept] = {}
        self._threads = ThreadPoolExecutor(_THREADS, "calendars")

    async def read(self, file: OnCallFile, schedules: Collection[str] | None = None) -> Calendars:
        layers = [
            (name, layer.name, calendar)
            for name, schedule in file.schedules.items()
            if schedules is None or name in schedules
            for layer in schedule.layers
            for calendar in layer.calendars
        ]
        wanted = {calendar.source: calendar for _, _, calendar in layers}
        await asyncio.gather(*map(self._refresh_in_time, wanted.values()))
        remarks: dict[str, list[str]] = {}
        refused: dict[str, set[str]] = {}
        for schedule, layer, calendar in layers:
            if what := _remark(known := self._kept[calendar.source]):
                remark = f"the calendar of layer {layer} of schedule {schedule} {what}"
                remarks.setdefault(schedule, []).append(remark)
                if known.refused and known.refused[1] == known.failure:
                    refused.setdefault(schedule, set()).add(remark)
        kept = {source: self._kept[source].events for source in wanted}
        return Calendars(
            events={source: events for source, events in kept.items() if events},
            names=file.names,
            remarks={name: tuple(dict.fromkeys(lines)) for name, lines in remarks.items()},
            refused={name: frozenset(lines) for name, lines in refused.items()},
        )

    async def _refresh_in_time(self, calendar: Calendar) -> None:
        """Refresh it; when time is up, what is known of it counts, and its failure says so."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_REFRESH_SECONDS):
                await self._refresh(calendar)

    async def _refresh(self, calendar: Calendar) -> None:
        kept = self._kept.setdefault(calendar.source, _Kept())
        async with kept.lock:
            now = self._clock()
            wait = min(_RETRY, calendar.refresh) if kept.failure else calendar.refresh
            if kept.tried and now - kept.tried < wait:
                return
            kept.tried = now
            # Until it is read: when its time is up, this is cancelled.
            kept.failure = kept.failure or "it was not read in time"
            url = calendar.url or self._variables().get(calendar.url_env or "", "").strip()
            try:
                await self._read(url, calendar, kept, now)
            except Unreadable as error:
                kept.failure = str(error)
                if kept.events is None and url:
                    await self._recall(url, kept, now)

    async def _read(self, url: str, calendar: Calendar, kept: _Kept, now: datetime) -> None:
        if not url:
            raise Unreadable(f"{calendar.url_env} is not set")
        if url.startswith("webcal://"):
            url = url.replace("webcal://", "https://", 1)
        if url.startswith("https://"):
            fetched = await fetch(url, etag=kept.etag, timeout=_READ_SECONDS)
        else:
            fetched = Fetched(await self._document(url), None)
        if fetched.body is not None and fetched.body != kept.body:
            kept.events = await self._parsed(kept, fetched.body, now, seconds=_PARSE_SECONDS)
            kept.body = fetched.body
            await self._keep(url, fetched.body)
        if kept.events is None:
            raise Unreadable("the server says that it has not changed, and it was never read")
        kept.etag, kept.read, kept.failure = fetched.etag, now, None

    async def _document(self, uri: str, *, seconds: float = _READ_SECONDS) -> bytes:
        """The bytes of a document. Raises `Unreadable`."""
        body = bytearray()
        try:
            async with asyncio.timeout(seconds):
                store = self._store(uri.rpartition("/")[0])
                async for chunk in store.read(DocumentRef(uri=uri), first=MAX_BYTES + 1):
                    body += chunk
        except TimeoutError:
            raise Unreadable(f"no answer within {seconds:g} s") from None
        except DocumentNotFound:
            raise Unreadable("the document does not exist") from None
        except (TidegateError, ValueError) as error:
            # Its text names the document, which may be a secret.
            raise Unreadable(f"the document cannot be read ({type(error).__name__})") from None
        if len(body) > MAX_BYTES:
            raise Unreadable(f"it has more than {MAX_BYTES:,} bytes")
        return bytes(body)

    async def _keep(self, url: str, body: bytes) -> None:
        """Write the last good copy. Without it nothing is lost now."""
        if (uri := self._copy(url)) is None:
            return
        try:
            async with asyncio.timeout(_COPY_SECONDS):
                store = self._store(uri.rpartition("/")[0])
                await store.write(uri, _once(body), content_type="text/calendar")
        except (TidegateError, TimeoutError) as error:
            _LOG.warning("the copy of a calendar is not kept: %r", error)

    async def _recall(self, url: str, kept: _Kept, now: datetime) -> None:
        """Take the copy that another process has kept."""
        if (uri := self._copy(url)) is None:
            return
        try:
            body = await self._document(uri, seconds=_COPY_SECONDS)
            async with asyncio.timeout(_COPY_SECONDS):
                async for listed in self._store(uri.rpartition("/")[0]).list(uri):
                    kept.read = listed.modified
            kept.events = await self._parsed(kept, body, now, seconds=_COPY_SECONDS)
            kept.body = body
        except (Unreadable, TidegateError, TimeoutError) as error:
            _LOG.info("there is no copy of a calendar: %r", error)

    async def _parsed(
        self, kept: _Kept, body: bytes, now: datetime, *, seconds: float
    ) -> CalendarEvents:
        """The events of a calendar's text. Raises `Unreadable` while its thread, which cannot be
        stopped, takes longer than a page may wait; what it finds is there for a later read."""
        if kept.refused and kept.refused[0] == body:
            raise Unreadable(kept.refused[1])
        if body not in kept.parsing:
            kept.parsing = {text: task for text, task in kept.parsing.items() if not task.done()}
            if len(kept.parsing) >= _MAX_PARSING:
                raise Unreadable("earlier versions are still being read")
            kept.parsing[body] = asyncio.create_task(self._read_in_thread(kept, body, now))
        task = kept.parsing[body]
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.shield(task)
        except TimeoutError:
            raise Unreadable(f"its events are not read within {seconds:g} s") from None
        finally:
            if task.done():
                kept.parsing.pop(body, None)

    async def _read_in_thread(self, kept: _Kept, body: bytes, now: datetime) -> CalendarEvents:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, events_of, body, now)
        except Unreadable as error:
            kept.refused = (body, str(error))
            raise

    def _copy(self, url: str) -> str | None:
        """Where the copy is: its name does not give the URL away."""
        digest = hashlib.sha256(url.encode()).hexdigest()[:32]
        return f"{self._copies}/{digest}.ics" if self._copies else None


def _remark(kept: _Kept) -> str | None:
    if kept.failure is None:
        return None
    if kept.events is None:
        return f"cannot be read, and counts for nothing: {kept.failure}"
    since = f" of {kept.read:%Y-%m-%d %H:%M %Z}" if kept.read else ""
    return f"cannot be read, its copy{since} counts: {kept.failure}"


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body
