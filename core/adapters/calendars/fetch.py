"""One GET of a calendar over https: bounded in time, size and redirects.

A calendar's URL is often all that protects it, so neither it nor what a library says about it is in
an error.
"""

from __future__ import annotations

import asyncio
import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urljoin, urlsplit

MAX_BYTES: Final = 5_000_000
"""The largest calendar that is read."""
_MAX_REDIRECTS: Final = 3
_CHUNK: Final = 65_536
_REDIRECTS: Final = (301, 302, 303, 307, 308)


class Unreadable(Exception):
    """A calendar cannot be read; the text says why, without its address."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A calendar's bytes, None if it is still what `etag` was for; and the server's ETag."""

    body: bytes | None
    etag: str | None


async def fetch(url: str, *, etag: str | None = None, timeout: float) -> Fetched:
    """The calendar at an https URL. Raises `Unreadable`."""
    try:
        async with asyncio.timeout(timeout):
            return await asyncio.to_thread(_fetch, url, etag, timeout)
    except TimeoutError:
        raise Unreadable(f"no answer within {timeout:g} s") from None


class _NotFollowed(urllib.request.HTTPRedirectHandler):
    """Redirects are followed here, and only to https: the library would look at the address, and
    leave the answer open where that is invalid."""

    def http_error_302(self, *_: object) -> None:
        return None

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302  # type: ignore[assignment]


def _fetch(url: str, etag: str | None, timeout: float) -> Fetched:
    # A thread cannot be stopped: it ends by itself.
    deadline = time.monotonic() + timeout
    opener = urllib.request.build_opener(_NotFollowed)
    headers = {"User-Agent": "tidegate", "Accept": "text/calendar"}
    location = ""
    for _ in range(_MAX_REDIRECTS + 1):
        try:
            url = urljoin(url, location)
            if urlsplit(url).scheme != "https":
                raise Unreadable("its address is not an https URL")
            request = urllib.request.Request(url, headers=headers)  # noqa: S310  # its scheme was checked
            if etag:
                request.add_header("If-None-Match", etag)
            with opener.open(request, timeout=max(0.1, deadline - time.monotonic())) as answer:
                return Fetched(_body(answer.read1, deadline), answer.headers.get("ETag"))
        except urllib.error.HTTPError as refused:
            with refused:
                if refused.code == http.HTTPStatus.NOT_MODIFIED:
                    return Fetched(None, etag)
                if refused.code not in _REDIRECTS:
                    raise Unreadable(f"the server answered {refused.code}") from None
                location = refused.headers.get("Location", "")
        except (OSError, ValueError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None)
            name = type(reason if isinstance(reason, Exception) else error).__name__
            raise Unreadable(f"the server cannot be reached ({name})") from None
    raise Unreadable(f"it redirects more than {_MAX_REDIRECTS} times")


def _body(read: Callable[[int], bytes], deadline: float) -> bytes:
    body = bytearray()
    while chunk := read(_CHUNK):
        body += chunk
        if len(body) > MAX_BYTES:
            raise Unreadable(f"it has more than {MAX_BYTES:,} bytes")
        if time.monotonic() > deadline:
            raise Unreadable("it was not read in time")
    return bytes(body)
