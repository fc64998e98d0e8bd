"""The certificates that SNS signs with: from AWS only, fetched once, checked for their dates.

A message names its own certificate, so an attacker chooses what is fetched. The URL must be exactly
one of SNS's: not a bucket whose name looks like it, no query (an API's answer may hold what an
attacker wrote), no redirect. Concurrent fetches and cache size are bounded, and failures are
remembered apart from certificates, so that invented URLs evict none of them. A URL that failed is
not fetched again for a while, so that unproven requests do not become ours.
"""

from __future__ import annotations

import asyncio
import re
from asyncio import wrap_future
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING, Final

from core.errors import TransientError
from core.webhooks.verifiers.base import NotVerified

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

Fetch = Callable[[str], bytes]
"""Gets the content of a URL. Raises `NotVerified` if there is none, `TransientError` if that cannot
be decided now. It may block for some seconds, and runs in a thread of its own."""

# Regions have names like `eu-west-1`; `s3-eu-west-1` would be anybody's bucket named `sns`.
_URL: Final = re.compile(
    r"https://sns\.[a-z]{2,4}(?:-[a-z]+){1,3}-[0-9]{1,2}\.amazonaws\.com(?:\.cn)?"
    r"/[A-Za-z0-9_-]{1,200}\.pem"
)
_MAX_URL_CHARS: Final = 300
_FETCH_TIMEOUT: Final = 5.0
_WAIT_TIMEOUT: Final = 10.0
_MAX_BYTES: Final = 64 * 1024
_MAX_FETCHES: Final = 4
_MAX_CACHED: Final = 16
_MAX_FAILURES: Final = 256
_PAUSE: Final = timedelta(minutes=1)
"""Time between a failed fetch of a URL and the next one."""


class Certificates:
    """Certificates by URL. The last few are cached, and concurrent callers share one fetch."""

    def __init__(self, fetch: Fetch | None = None) -> None:
        self._fetch = fetch or download
        self._cached: dict[str, Certificate] = {}
        self._failed: dict[str, tuple[datetime, NotVerified | TransientError]] = {}
        self._fetching: dict[str, Future[Certificate]] = {}
        self._threads = ThreadPoolExecutor(_MAX_FETCHES, thread_name_prefix="certificates")
        self._lock = Lock()

    async def get(self, url: str, now: datetime) -> Certificate:
        """The certificate at one of SNS's URLs. Raises `NotVerified` for any other URL and for
        anything but a certificate in force, `TransientError` if AWS does not answer.
        """
        if len(url) > _MAX_URL_CHARS or not _URL.fullmatch(url):
            raise NotVerified("untrusted")
        certificate = await self._cached_or_fetched(url, now)
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            raise NotVerified("untrusted")
        return certificate

    async def _cached_or_fetched(self, url: str, now: datetime) -> Certificate:
        with self._lock:
            if url in self._cached:
                return self._cached[url]
            since, failure = self._failed.get(url, (None, None))
            if since and failure and timedelta() <= now - since < _PAUSE:
                raise failure.with_traceback(None)
            fetching = self._fetching.get(url)
            if fetching is None:
                fetching = self._fetching[url] = self._threads.submit(self._load, url, now)
        try:
            # Shielded: a caller that times out must not cancel the fetch for the others.
            return await asyncio.wait_for(asyncio.shield(wrap_future(fetching)), _WAIT_TIMEOUT)
        except TimeoutError as error:
            raise _unavailable(url, "it took too long") from error

    def _load(self, url: str, now: datetime) -> Certificate:
        try:
            return self._fetched(url)
        except (NotVerified, TransientError) as failure:
            with self._lock:
                self._failed[url] = (now, failure)
                if len(self._failed) > _MAX_FAILURES:
                    del self._failed[next(iter(self._failed))]
            raise
        finally:
            with self._lock:
                del self._fetching[url]

    def _fetched(self, url: str) -> Certificate:
        from cryptography.x509 import load_pem_x509_certificate

        try:
            certificate = load_pem_x509_certificate(self._fetch(url))
            with self._lock:
                self._cached[url] = certificate
                if len(self._cached) > _MAX_CACHED:
                    del self._cached[next(iter(self._cached))]
            return certificate
        except ValueError as error:
            raise NotVerified("untrusted") from error


def download(url: str) -> bytes:
    """The default `Fetch`: over HTTPS, through the environment's proxy, if any."""
    from http.client import HTTPException
    from urllib.error import HTTPError
    from urllib.request import HTTPRedirectHandler, build_opener

    class _NoRedirects(HTTPRedirectHandler):
        def redirect_request(self, *_: object) -> None:
            """None: a redirect is an error, like any other answer that is not 200."""

    try:
        with build_opener(_NoRedirects).open(url, timeout=_FETCH_TIMEOUT) as answer:
            content: bytes = answer.read(_MAX_BYTES + 1)
    except HTTPError as error:
        error.close()
        if error.code >= 500 or error.code == 429:
            raise _unavailable(url, f"it answered {error.code}") from error
        raise NotVerified("untrusted") from error
    except (OSError, HTTPException) as error:
        raise _unavailable(url, str(error) or type(error).__name__) from error
    if len(content) > _MAX_BYTES:
        raise NotVerified("untrusted")
    return content


def _unavailable(url: str, why: str) -> TransientError:
    return TransientError(
        f"the certificate of an SNS message could not be fetched from {url}: {why}",
        fix="allow HTTPS to AWS; SNS redelivers the message",
    )
