"""Calendar feeds: the shifts of a schedule or of a person for whoever holds the signed address.

A calendar program asks again and again, and is no person: what it cannot have, it tries again. It
gets no answer while the overrides cannot be read, and keeps what it has.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from core.app.pages import Refused
from core.app.services import ANSWER_WITHIN, Services
from core.errors import InvalidLink, SettingsError, TidegateError, UnknownName
from core.feeds import Feed, read

log = logging.getLogger("tidegate.app")

DAYS: Final = (90, 14, 1)
"""How far ahead a feed goes, from today on; less where it would have too many shifts."""
MOST_SHIFTS: Final = 5_000
RETRY_AFTER: Final = 60
"""Seconds that a program is asked to wait while something is unavailable."""

_HEADERS: Final = {
    # Whoever has the address may read it: nobody in between is to keep the answer.
    "Cache-Control": "private, max-age=300",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_MEDIA: Final = "text/calendar; charset=utf-8"


class Feeds:
    """The answer to a feed's address."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def answer(self, request: Request) -> Response:
        """The feed as iCalendar, or 304 for a program that has it. Raises `Refused`."""
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                tag, text = await self._read(request.path_params["token"])
        except (TidegateError, TimeoutError) as error:
            raise _refused(error) from error
        headers = {**_HEADERS, "ETag": tag}
        # Compared weakly, as RFC 9110, section 13.1.2, has it.
        known = [each.strip() for each in request.headers.get("if-none-match", "").split(",")]
        if tag in known or "*" in known:
            return Response(status_code=304, headers=headers)
        return Response(text, headers=headers, media_type=_MEDIA)

    async def _read(self, token: str) -> tuple[str, bytes]:
        """The feed and its tag, which is the same for the same shifts."""
        from core.operations.oncall_calendar import digest

        now = datetime.now(UTC)
        feed = await read(token, self._services.link_keys)
        if feed.has_expired(now):
            raise Refused(
                410,
                "ExpiredFeed",
                "This address has expired",
                "A new one is made by `tidegate oncall feed`, or by the API.",
            )
        text = await self._written(feed, now)
        return f'W/"{digest(text)}"', text

    async def _written(self, feed: Feed, now: datetime) -> bytes:
        from core.operations.oncall_calendar import TooManyShifts, written
        from core.operations.oncall_rota import known

        rotas = self._services.rotas
        if feed.person:
            known("person", feed.person, (await rotas.file()).people)
        rota = await rotas.read([feed.schedule] if feed.schedule else ())
        for days in DAYS:
            try:
                text, _ = await asyncio.to_thread(
                    written,
                    rota,
                    schedule=feed.schedule,
                    person=feed.person,
                    days=days,
                    most=MOST_SHIFTS,
                    now=now,
                )
            except TooManyShifts:
                continue
            return text
        raise SettingsError(
            f"a day of the feed of {feed.schedule or feed.person} has more than {MOST_SHIFTS:,} "
            "shifts",
            fix="give its schedules longer turns",
        )


def _refused(error: TidegateError | TimeoutError) -> Refused:
    match error:
        case InvalidLink():
            return Refused(
                404, error.code, "There is no such feed", "Use the address to its last character."
            )
        case UnknownName():
            return Refused(
                410,
                error.code,
                "This feed is gone",
                "Its schedule or its person is no longer in the on-call file.",
            )
        case _:
            log.error("a feed cannot be answered: %r", error)
            return Refused(
                503,
                error.code if isinstance(error, TidegateError) else "TemporalUnavailable",
                "That does not work at the moment",
                "Something that this feed needs does not answer. It does no harm to try again.",
                headers={"Retry-After": str(RETRY_AFTER)},
            )
