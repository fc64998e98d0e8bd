"""What the console has signed for itself, to get it back from a browser: sessions, and sign-ins
that have begun. Each purpose has keys of its own, made of those of the links in pages.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from core.links import LinkKeys

LONGEST: Final = 2048
"""In characters: whatever is longer is not looked at."""

_ALGORITHM: Final = "HS256"
_HEADER: Final = {"alg": _ALGORITHM}
_BEGINNING: Final = "eyJhbGciOiJIUzI1NiJ9."
"""The header as it is encoded: a token's own chooses nothing."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """What was signed, and the key that did it."""

    claims: Mapping[str, Any]
    key: bytes


class Seals:
    """What one of our keys has signed, and when that ends."""

    def __init__(self, keys: LinkKeys, clock: Callable[[], float] = time.time) -> None:
        self._keys = keys
        self._clock = clock

    async def seal(self, purpose: str, claims: Mapping[str, Any], lifetime: timedelta) -> str:
        """A token that states these claims for a while. Raises `SettingsError` or
        `SecretUnavailable` without a key, `ValueError` for what is too long to be read again."""
        key = (await self._keys.derived(purpose))[0]
        expires = int(self._clock() + lifetime.total_seconds())
        payload = json.dumps({"exp": expires, "claims": claims})
        token = jws.serialize_compact(
            _HEADER, payload, OctKey.import_key(key), algorithms=[_ALGORITHM]
        )
        if len(token) > LONGEST:
            raise ValueError(f"a token has {len(token):,} characters, at most {LONGEST:,}")
        return token

    async def unseal(self, purpose: str, token: str) -> Sealed | None:
        """What a token states; None where it is none of ours, for another purpose, or over. Raises
        `SettingsError` or `SecretUnavailable` without a key."""
        if len(token) > LONGEST or not token.startswith(_BEGINNING) or not token.isascii():
            return None
        for key in await self._keys.derived(purpose):
            try:
                signed = jws.deserialize_compact(
                    token, OctKey.import_key(key), algorithms=[_ALGORITHM]
                )
            except (JoseError, ValueError, TypeError):
                continue
            content = json.loads(signed.payload)
            if content["exp"] <= self._clock():
                return None
            return Sealed(content["claims"], key)
        return None
