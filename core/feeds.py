"""Signed addresses of calendar feeds: who holds one may read who is on call for one schedule, or
when one person is, until it expires.

Its token is signed by the keys of links, and is of a kind of its own: no link's token is a feed's,
nor is a feed's a link's.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final, Self

from pydantic import ConfigDict, Field, model_validator

from core.domain.matching import Name
from core.domain.value import Value
from core.links import LinkKeys

PATH: Final = "/feeds/"
"""Where the application answers, below its address: this, the token, and `SUFFIX`."""

SUFFIX: Final = ".ics"

LIFETIME: Final = timedelta(days=366)
"""How long an address may be read: calendar programs ask for it again and again."""

_KIND: Final = "feed"


class Feed(Value):
    """What a token states: the shifts of a schedule, or those of a person, until a moment."""

    model_config = ConfigDict(extra="forbid", strict=True, populate_by_name=True)

    schedule: Name | None = None
    person: Name | None = None
    expires: int = Field(alias="exp", ge=0)

    @model_validator(mode="after")
    def _of_one_of_two(self) -> Self:
        if (self.schedule is None) == (self.person is None):
            raise ValueError("it is of either a schedule or a person")
        return self

    def has_expired(self, now: datetime) -> bool:
        return self.expires <= now.timestamp()

    @property
    def ends(self) -> datetime:
        return datetime.fromtimestamp(self.expires, UTC)


def new_feed(*, schedule: str | None = None, person: str | None = None, now: datetime) -> Feed:
    """The feed of a schedule or of a person, for as long as one lasts."""
    return Feed(schedule=schedule, person=person, expires=int((now + LIFETIME).timestamp()))


async def address(feed: Feed, *, url: str, keys: LinkKeys) -> str:
    """The address of a feed, below that of the application. Raises `SettingsError` or
    `SecretUnavailable` without a key."""
    token = await keys.seal(feed.model_dump_json(by_alias=True, exclude_none=True), kind=_KIND)
    return f"{url}{PATH}{token}{SUFFIX}"


async def read(token: str, keys: LinkKeys) -> Feed:
    """The feed that a token states, expired or not. Raises `InvalidLink`, or as `address`."""
    return await keys.unseal(token, Feed.model_validate_json, kind=_KIND)
