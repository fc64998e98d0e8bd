"""The public keys of an OpenID Connect issuer: fetched when the first token needs one, then cached.

A token that names a key which is not known makes them be fetched again, at most once a minute, so
that invented tokens do not become our requests. While the issuer is unavailable, the keys that are
cached are used for another day.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, RSAKey
from pydantic_core import from_json

from core.domain.web_address import is_private
from core.errors import TransientError, third_party

Fetch = Callable[[str], bytes]
"""Gets the content of a URL. It may block for some seconds, and runs in a thread. Raises `OSError`
or `ValueError`."""

FRESH_SECONDS: Final = 3600.0
"""Age from which the keys are fetched again: one that the issuer has withdrawn is used no longer
than this."""
GRACE_SECONDS: Final = 86_400.0
"""How long older ones are used while the issuer is unavailable."""
PAUSE_SECONDS: Final = 60.0
"""Time between two fetches."""

_FETCH_TIMEOUT: Final = 5.0
_WAIT_TIMEOUT: Final = 8.0
_MAX_BYTES: Final = 256 * 1024
_MAX_KEYS: Final = 100
_SHORTEST_RSA: Final = 2048
"""In bits. Source: RFC 7518, section 3.3."""
_DISCOVERY: Final = "/.well-known/openid-configuration"

log = logging.getLogger("tidegate.app")


class IssuerKeys:
    """The keys of one issuer, by their IDs.

    The clock is the wall clock: a monotonic one may stand still while a function's process is
    frozen between invocations.
    """

    def __init__(
        self, issuer: str, *, fetch: Fetch | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self._issuer = issuer
        self._fetch = fetch or download
        self._clock = clock
        self._keys: Mapping[str, RSAKey | ECKey] = {}
        self._fetched = -math.inf
        self._asked = -math.inf
        self._failed = False
        self._fetching: asyncio.Task[None] | None = None

    async def get(self, kid: str) -> RSAKey | ECKey | None:
        """The key of that ID; None where the issuer has none. Raises `TransientError` where that
        cannot be known, because the issuer is unavailable."""
        if kid not in self._usable() or self._age(self._fetched) >= FRESH_SECONDS:
            await self._renew()
        key = self._usable().get(kid)
        if key is None and self._failed:
            raise TransientError(f"the keys of {self._issuer} are unavailable")
        return key

    def _usable(self) -> Mapping[str, RSAKey | ECKey]:
        within = self._age(self._fetched) < FRESH_SECONDS + GRACE_SECONDS
        return self._keys if within else {}

    def _age(self, then: float) -> float:
        """Seconds since then; infinite if the clock was set back meanwhile."""
        passed = self._clock() - then
        return passed if passed >= 0 else math.inf

    async def _renew(self) -> None:
        """Concurrent callers share one fetch; each may be cancelled on its own."""
        if self._fetching is None or self._fetching.done():
            if self._age(self._asked) < PAUSE_SECONDS:
                return
            self._asked = self._clock()
            self._fetching = asyncio.create_task(self._load())
        await asyncio.shield(self._fetching)

    async def _load(self) -> None:
        try:
            async with asyncio.timeout(_WAIT_TIMEOUT):
                self._keys = await asyncio.to_thread(self._download)
        except (OSError, ValueError, TimeoutError) as error:
            self._failed = True
            known = "; the last ones are used" if self._usable() else ""
            log.error(
                "the keys of %s cannot be fetched: %s%s", self._issuer, third_party(error), known
            )
        else:
            self._failed, self._fetched = False, self._asked

    def _download(self) -> dict[str, RSAKey | ECKey]:
        place = about(self._issuer, self._fetch).get("jwks_uri")
        if not isinstance(place, str) or not is_private(place):
            raise ValueError("its jwks_uri is no https address")
        return _keys_of(_object(self._fetch(place)))


def about(issuer: str, fetch: Fetch) -> dict[str, Any]:
    """What an issuer says of itself. Raises as `Fetch`. Source: OpenID Connect Discovery 1.0,
    section 4."""
    found = _object(fetch(issuer.rstrip("/") + _DISCOVERY))
    if found.get("issuer") != issuer:
        raise ValueError("it says that it is another issuer")
    return found


def _object(content: bytes) -> dict[str, Any]:
    value = from_json(content)
    if not isinstance(value, dict):
        raise ValueError("it did not answer with a JSON object")
    return value


def _keys_of(document: Mapping[str, Any]) -> dict[str, RSAKey | ECKey]:
    """Those that can verify what we take: public ones, with an ID, strong enough. A shared secret
    among them is ignored, as is whatever else is of no use here."""
    listed = document.get("keys")
    if not isinstance(listed, list):
        raise ValueError("it lists no keys")
    found: dict[str, RSAKey | ECKey] = {}
    for described in listed[:_MAX_KEYS]:
        if not isinstance(described, dict) or described.get("kty") not in ("RSA", "EC"):
            continue
        kid = described.get("kid")
        try:
            key = JWKRegistry.import_key(described)
        except (JoseError, ValueError, TypeError, KeyError):
            continue
        if isinstance(kid, str) and _is_strong(key):
            found[kid] = key  # type: ignore[assignment]  # by its kty
    return found


def _is_strong(key: object) -> bool:
    if isinstance(key, RSAKey):
        return key.public_key.key_size >= _SHORTEST_RSA
    return isinstance(key, ECKey)


def download(url: str) -> bytes:
    """The default `Fetch`: without following redirects, through the environment's proxy, if any."""
    from http.client import HTTPException
    from urllib.request import HTTPRedirectHandler, build_opener

    class _NoRedirects(HTTPRedirectHandler):
        def redirect_request(self, *_: object) -> None:
            """None: a redirect is an error, like any other answer that is not 200."""

    try:
        with build_opener(_NoRedirects).open(url, timeout=_FETCH_TIMEOUT) as answer:
            content: bytes = answer.read(_MAX_BYTES + 1)
    except HTTPException as error:
        raise OSError(str(error) or type(error).__name__) from error
    if len(content) > _MAX_BYTES:
        raise ValueError("it answered with too much")
    return content
