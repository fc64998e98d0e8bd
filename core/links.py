"""Signed links in pages: who holds one may do one thing to one incident, until it expires.

A link's token is a compact JWS, by HS256 alone: a worker signs it for whoever a page goes to, and
the application acts on it. Whoever has the token has the right that it states, so it is in no
history, log or record: only in the message, and in the address that a browser asks for.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final, Self, TypeVar

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OctKey
from pydantic import ConfigDict, Field, StringConstraints, ValidationError, model_validator

from core.domain.matching import Name
from core.domain.value import Value
from core.errors import ExpiredLink, InvalidLink, SettingsError, TidegateError

if TYPE_CHECKING:
    from core.config.secrets import Secrets

log = logging.getLogger("tidegate.links")

T = TypeVar("T")

PATH: Final = "/i/"
"""Where the application answers a token, below its address."""

LIFETIME: Final = timedelta(days=7)
"""How long a link may be used after its page was sent."""

LONGEST_TOKEN: Final = 2048
"""In characters: whatever is longer is not looked at."""

SHORTEST_KEY: Final = 32
"""In bytes: as long as what HS256 makes with it."""

MAKE_A_KEY: Final = "make one with `openssl rand -base64 32`"

_ALGORITHM: Final = "HS256"
_LONGEST_ID: Final = 300
"""In characters: an incident's own ID is its workflow ID and a moment."""
_SHAPE: Final = re.compile(r"[\w-]+\.[\w-]+\.[\w-]{43}", re.ASCII)
"""Three parts in base64url, the last of 32 bytes."""


class Claims(Value):
    """What a token states, until a moment: the base of what our keys sign."""

    model_config = ConfigDict(extra="forbid", strict=True, populate_by_name=True)

    expires: int = Field(alias="exp", ge=0)

    @property
    def ends(self) -> datetime:
        return datetime.fromtimestamp(self.expires, UTC)

    def has_expired(self, now: datetime) -> bool:
        return self.expires <= now.timestamp()

    def to_json(self) -> str:
        return self.model_dump_json(by_alias=True, exclude_none=True)


class LinkCommand(StrEnum):
    """What a link is for."""

    ACKNOWLEDGE = "acknowledge"
    SHOW = "show"


class Link(Claims):
    """What a link's token states: a command to an incident, for the person or the shared target
    that it was sent to."""

    incident_id: Annotated[str, StringConstraints(min_length=1, max_length=_LONGEST_ID)] = Field(
        alias="sub"
    )
    person: Name | None = None
    target: Name | None = None
    command: LinkCommand = Field(alias="cmd")

    @model_validator(mode="after")
    def _for_one_of_two(self) -> Self:
        if (self.person is None) == (self.target is None):
            raise ValueError("it is for either a person or a target")
        return self


class LinkKeys:
    """The keys of links, and of whatever else has a kind of token of its own, by their references:
    the first signs, each verifies."""

    def __init__(self, references: Sequence[str], secrets: Secrets) -> None:
        self._references = references
        self._secrets = secrets

    async def sign(self, link: Link) -> str:
        """The token that states this. Raises `SettingsError` or `SecretUnavailable` without a key,
        and `ValueError` for one that would be too long to be read."""
        return await self.seal(link.to_json())

    async def read(self, token: str, now: datetime) -> Link:
        """What a token states. Raises `InvalidLink` for one that was not signed by one of the keys
        just so, `ExpiredLink`, or as `sign`."""
        link = await self.unseal(token, Link.model_validate_json)
        if link.has_expired(now):
            raise ExpiredLink(f"it expired at {link.ends}", link)
        return link

    async def seal(self, claims: str, *, kind: str | None = None) -> str:
        """A token that states these claims, as JSON. One of a `kind` is no other's: not a link's,
        which has none. Raises as `sign`."""
        key = _long_enough(await self._secrets.get_all(self._references))[0]
        token = jws.serialize_compact(
            _header(key, kind), claims, OctKey.import_key(key), algorithms=[_ALGORITHM]
        )
        if len(token) > LONGEST_TOKEN:
            raise ValueError(f"its token has {len(token):,} characters, at most {LONGEST_TOKEN:,}")
        return token

    async def unseal(
        self, token: str, parse: Callable[[bytes], T], *, kind: str | None = None
    ) -> T:
        """What a token of that kind states, as `parse` reads its claims, which raises
        `ValidationError` for others. Raises `InvalidLink`, or as `sign`."""
        if len(token) > LONGEST_TOKEN or not _SHAPE.fullmatch(token):
            raise InvalidLink("it has not the form of a token")
        keys = await self._secrets.get_all(self._references)
        try:
            return _verified(token, _long_enough(keys), parse, kind)
        except InvalidLink:
            newer = await self._secrets.newer(self._references, keys)
            if newer is None:
                raise
            return _verified(token, _long_enough(newer), parse, kind)

    async def derived(self, token: str, purpose: str, *, kind: str) -> bytes:
        """A secret that goes with a token of a kind, which nobody makes without the key that has
        signed it. Raises as `unseal`."""
        key = _key_of(token, _long_enough(await self._secrets.get_all(self._references)), kind)
        return hmac.digest(key.encode(), f"tidegate {purpose} {token}".encode(), "sha256")

    async def check(self) -> None:
        """Raises `SettingsError` for keys with which no link can be signed."""
        _long_enough(await self._secrets.get_all(self._references))


class PageLinks:
    """The links of pages, to an application at an address."""

    def __init__(self, url: str, keys: LinkKeys) -> None:
        self._url = url
        self._keys = keys

    async def of(
        self, incident_id: str, *, person: str | None, target: str, now: datetime
    ) -> tuple[tuple[str, str], ...]:
        """The links of an incident's page, by what they lead to, for the person that it goes to, or
        else the target. None while no key is available, or if no link can state them: a page
        without links wakes people, too."""
        for_whom = {"person": person} if person else {"target": target}
        expires = int((now + LIFETIME).timestamp())
        links = []
        try:
            for name, command in _NAMES.items():
                link = Link(incident_id=incident_id, command=command, expires=expires, **for_whom)
                links.append((name, f"{self._url}{PATH}{await self._keys.sign(link)}"))
        except (TidegateError, ValueError) as error:
            log.warning("a page has no links: %s", error)
            return ()
        return tuple(links)


_NAMES: Final = {
    "I have it": LinkCommand.ACKNOWLEDGE,
    "The incident's page": LinkCommand.SHOW,
}


def _verified(token: str, keys: Sequence[str], parse: Callable[[bytes], T], kind: str | None) -> T:
    """What a token states that one of the keys has signed."""
    key = _key_of(token, keys, kind)
    try:
        signed = jws.deserialize_compact(token, OctKey.import_key(key), algorithms=[_ALGORITHM])
        return parse(signed.payload)
    except (JoseError, ValidationError):
        raise InvalidLink("its signature or its claims are wrong") from None


def _key_of(token: str, keys: Sequence[str], kind: str | None) -> str:
    """The key that a token names. Its header says nothing else that counts: it is either, to the
    letter, the one that goes with a key, or the token is none of ours."""
    header = token.partition(".")[0]
    for key in keys:
        if _encoded(_header(key, kind)) == header:
            return key
    raise InvalidLink("it was signed with none of the keys")


def _header(key: str, kind: str | None) -> dict[str, str]:
    """The header of what a key signs: `kid` is a digest that does not give the key away, `typ` what
    kind of token it is."""
    digest = hashlib.sha256(b"tidegate link key\0" + key.encode()).digest()
    header = {"alg": _ALGORITHM, "kid": base64.urlsafe_b64encode(digest[:6]).decode()}
    return {**header, "typ": kind} if kind else header


def _encoded(header: dict[str, str]) -> str:
    text = json.dumps(header, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _long_enough(keys: list[str]) -> list[str]:
    for key in keys:
        if (length := len(key.encode())) < SHORTEST_KEY:
            raise SettingsError(
                f"TIDEGATE_LINK_KEYS: a key has {length} bytes, and needs {SHORTEST_KEY}",
                fix=MAKE_A_KEY,
            )
    return keys
