"""The certificates that SNS signs with: from AWS alone, fetched once, checked for their dates.

A message names the certificate that proves it, so a stranger chooses what is asked for. The
address must be one of SNS's own, and only that: not a bucket whose name looks like it, no query (an
API's answer can hold what a stranger wrote), no redirect. How much is fetched at once, and how much
is kept, is bounded; only certificates are kept, so that made-up addresses drive none of them out.
"""

from __future__ import annotations

import asyncio
import re
from asyncio import wrap_future
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from threading import Lock
from typing import TYPE_CHECKING, Final

from core.errors import TransientError
from core.webhooks.verifiers.base import NotVerified

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

Fetch = Callable[[str], bytes]
"""Gets what is at an address. Raises `NotVerified` where nothing is, `TransientError` where it
cannot be told. It may block for some seconds; it is called on a thread of its own."""

# Regions have names like `eu-west-1`; `s3-eu-west-1` would be anybody's bucket named `sns`.
_ADDRESS: Final = re.compile(
    r"https://sns\.[a-z]{2,4}(?:-[a-z]+){1,3}-[0-9]{1,2}\.amazonaws\.com(?:\.cn)?"
    r"/[A-Za-z0-9_-]{1,200}\.pem"
)
_LONGEST: Final = 300
_TIMEOUT: Final = 5.0
_PATIENCE: Final = 10.0
_MAX_BYTES: Final = 64 * 1024
_AT_ONCE: Final = 4
_KEPT: Final = 16


class Certificates:
    """Certificates by their addresses; the last few are kept, and none is fetched twice at once."""

    def __init__(self, fetch: Fetch | None = None) -> None:
        self._fetch = fetch or download
        self._kept: dict[str, Certificate] = {}
        self._underway: dict[str, Future[Certificate]] = {}
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="certificates")
        self._lock = Lock()

    async def get(self, url: str, now: datetime) -> Certificate:
        """The certificate at an address of SNS's. Raises `NotVerified` if the address is another,
        or what is there is no certificate in force; `TransientError` if AWS does not answer.
        """
        if len(url) > _LONGEST or not _ADDRESS.fullmatch(url):
            raise NotVerified("untrusted")
        found = await self._found(url)
        if not found.not_valid_before_utc <= now <= found.not_valid_after_utc:
            raise NotVerified("untrusted")
        return found

    async def _found(self, url: str) -> Certificate:
        with self._lock:
            if url in self._kept:
                return self._kept[url]
            underway = self._underway.get(url)
            if underway is None:
                underway = self._underway[url] = self._threads.submit(self._load, url)
        try:
            # Shielded: whoever is tired of waiting must not call it off for the others.
            return await asyncio.wait_for(asyncio.shield(wrap_future(underway)), _PATIENCE)
        except TimeoutError as error:
            raise _unanswered(url, "it took too long") from error

    def _load(self, url: str) -> Certificate:
        from cryptography.x509 import load_pem_x509_certificate

        try:
            found = load_pem_x509_certificate(self._fetch(url))
            with self._lock:
                self._kept[url] = found
                if len(self._kept) > _KEPT:
                    del self._kept[next(iter(self._kept))]
            return found
        except ValueError as error:
            raise NotVerified("untrusted") from error
        finally:
            with self._lock:
                del self._underway[url]


def download(url: str) -> bytes:
    """The default `Fetch`: over HTTPS, through whatever proxy the environment names."""
    from http.client import HTTPException
    from urllib.error import HTTPError
    from urllib.request import HTTPRedirectHandler, build_opener

    class _Stay(HTTPRedirectHandler):
        def redirect_request(self, *_: object) -> None:
            """No: a redirect is an answer like any other that is not 200."""

    try:
        with build_opener(_Stay).open(url, timeout=_TIMEOUT) as answer:
            content: bytes = answer.read(_MAX_BYTES + 1)
    except HTTPError as error:
        error.close()
        if error.code >= 500 or error.code == 429:
            raise _unanswered(url, f"it answered {error.code}") from error
        raise NotVerified("untrusted") from error
    except (OSError, HTTPException) as error:
        raise _unanswered(url, str(error) or type(error).__name__) from error
    if len(content) > _MAX_BYTES:
        raise NotVerified("untrusted")
    return content


def _unanswered(url: str, why: str) -> TransientError:
    return TransientError(
        f"the certificate of an SNS message could not be fetched from {url}: {why}",
        fix="the endpoint must reach AWS by HTTPS; SNS delivers the message again",
    )
