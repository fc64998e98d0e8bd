"""One POST with bounded time, as channels need it: an answer, or an error without a secret in it.

Through requests, which takes proxies and certificates from the environment. Redirects are not
followed: what is signed for one address, or carries a key for it, goes nowhere else. The exceptions
of the library quote whole URLs, so they are told by their kind only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

from core.errors import NotificationFailed

_THREADS: Final = 16
_READ_BYTES: Final = 2048
_SAID_CHARS: Final = 200


class Poster:
    """Posts on threads of its own, so that a channel that hangs starves nothing else.

    A call takes at most `timeout` seconds; a server that answers byte by byte may keep its thread
    for longer.
    """

    def __init__(self, *, timeout: float = 20.0) -> None:
        self._timeout = timeout
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="post")

    async def post(
        self, url: str, body: bytes, headers: Mapping[str, str], *, secrets: Sequence[str] = ()
    ) -> None:
        """Deliver a JSON body; any answer of 200 to 299 is a delivery.

        Raises `NotificationFailed` with the host and the reason, without `secrets` and without the
        rest of the URL.
        """
        where = host(url)
        loop = asyncio.get_running_loop()
        sending = loop.run_in_executor(self._threads, _post, url, body, headers, self._timeout)
        try:
            failure = await asyncio.wait_for(sending, self._timeout)
        except TimeoutError:
            failure = f"did not answer within {self._timeout:g} s"
        if failure:
            raise NotificationFailed(f"{where} {_without(failure, [url, *secrets])}")


def host(url: str) -> str:
    """The part of a URL that may be told. Raises `NotificationFailed` where nobody can post to."""
    with suppress(ValueError):
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
        if parts.scheme in ("http", "https") and parts.hostname:
            return f"{parts.scheme}://{parts.hostname}{port}"
    raise NotificationFailed("its address is not an http or https URL")


def _post(url: str, body: bytes, headers: Mapping[str, str], timeout: float) -> str | None:
    """None when it was taken, else why not."""
    import requests

    try:
        with requests.post(
            url,
            data=body,
            headers={"Content-Type": "application/json", "User-Agent": "tidegate", **headers},
            timeout=timeout,
            allow_redirects=False,
            stream=True,
        ) as answer:
            if 200 <= answer.status_code < 300:
                return None
            retry_after = answer.headers.get("Retry-After")
            later = f", to be tried again after {retry_after}" if retry_after else ""
            said = answer.raw.read(_READ_BYTES, decode_content=True).decode(errors="replace")
            return f"answered {answer.status_code}{later}: {said}"
    except requests.Timeout:
        return f"did not answer within {timeout:g} s"
    except (requests.RequestException, OSError, ValueError) as error:
        return f"could not be reached ({type(error).__name__})"


def _without(said: str, secrets: Sequence[str]) -> str:
    """One short line, printable, in which nothing secret is quoted."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        said = said.replace(secret, "***")
    plain = "".join(c if c.isprintable() else " " for c in said)
    return " ".join(plain.split())[:_SAID_CHARS].rstrip(": ")
