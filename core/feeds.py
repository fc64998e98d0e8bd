"""Signed addresses of calendar feeds: who holds one may read who is on call for one schedule, or
when one person is, until it expires.

Its token is signed by the keys of links, and is of a kind of its own: no link's token is a feed's,
nor is a feed's a link's.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, Self

from pydantic import model_validator

from core.domain.matching import Name
from core.links import Claims, LinkKeys

PATH: Final = "/feeds/"
"""Where the application answers, below its address: this, the token, and `SUFFIX`."""

SUFFIX: Final = ".ics"

LIFETIME: Final = timedelta(days=366)
"""How long an address may be read: calendar programs ask for it again and again."""

_KIND: Final = "feed"


class Feed(Claims):
    """What a feed's token states: the shifts of a schedule, or those of a person."""

    schedule: Name | None = None
    person: Name | None = None

    @model_validator(mode="after")
    def _of_one_of_two(self) -> Self:
        if (self.schedule is None) == (self.person is None):
            raise ValueError("it is of either a schedule or a person")
        return self


def new_feed(*, schedule: str | None = None, person: str | None = None, now: datetime) -> Feed:
    """The feed of a schedule or of a person, for as long as one lasts."""
    return Feed(schedule=schedule, person=person, expires=int((now + LIFETIME).timestamp()))


async def address(feed: Feed, *, url: str, keys: LinkKeys) -> str:
    """The address of a feed, below that of the application. Raises `SettingsError` or
    `SecretUnavailable` without a key."""
    token = await keys.seal(feed.to_json(), kind=_KIND)
    return f"{url}{PATH}{token}{SUFFIX}"


async def read(token: str, keys: LinkKeys) -> Feed:
    """The feed that a token states, expired or not. Raises `InvalidLink`, or as `address`."""
    return await keys.unseal(token, Feed.model_validate_json, kind=_KIND)
