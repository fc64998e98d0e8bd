"""Links of pages in tests: who signs them, and a browser that follows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from core.config.secrets import Secrets
from core.links import PATH, Link, LinkCommand, LinkKeys
from infra.local.environment import LINK_KEYS


class Variable:
    """A secret store with one value, whatever it is asked for."""

    def __init__(self, value: str) -> None:
        self._value = value

    async def read(self, reference: object) -> str:
        return self._value


def signing(key: str = LINK_KEYS["LOCAL_LINK_KEY"]) -> LinkKeys:
    """Keys that sign with this one: by default the application's."""
    return LinkKeys(["env:KEY"], Secrets({"env": lambda: Variable(key)}, ttl=300))


def link(incident_id: str, **fields: Any) -> Link:
    """A link that is valid: for ana, to acknowledge, unless the fields say otherwise."""
    if "target" not in fields:
        fields = {"person": "ana", **fields}
    expires = int((datetime.now(UTC) + timedelta(hours=1)).timestamp())
    return Link(
        **{
            "incident_id": incident_id,
            "command": LinkCommand.ACKNOWLEDGE,
            "expires": expires,
            **fields,
        }
    )


@dataclass(frozen=True, slots=True)
class Answer:
    """What a browser got."""

    status: int
    text: str
    headers: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Browser:
    """Sends requests to an application, and follows nothing."""

    url: str

    async def request(
        self, method: str, path: str, *, data: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        url = path if urlsplit(path).scheme else self.url + path
        async with (
            aiohttp.ClientSession() as session,
            session.request(
                method, url, data=data, headers=headers, allow_redirects=False
            ) as answer,
        ):
            return Answer(answer.status, await answer.text(), answer.headers)

    async def get(self, path: str) -> Answer:
        return await self.request("GET", path)

    async def post(self, path: str, data: Any = None) -> Answer:
        return await self.request("POST", path, data=data)

    async def path(self, link: Link, key: str = LINK_KEYS["LOCAL_LINK_KEY"]) -> str:
        """The path of a link."""
        return f"{PATH}{await signing(key).sign(link)}"
