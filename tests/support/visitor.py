"""Somebody who visits the console with a browser without JavaScript: it keeps cookies, and sends a
form as it stands in the page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin, urlsplit

import aiohttp


@dataclass(frozen=True, slots=True)
class Form:
    """A form in a page: where it goes, and what its fields hold."""

    method: str
    action: str
    fields: dict[str, str]


@dataclass(frozen=True, slots=True)
class Shown:
    """What a browser shows."""

    url: str
    status: int
    text: str
    headers: Mapping[str, str] = field(repr=False)

    @property
    def path(self) -> str:
        parts = urlsplit(self.url)
        return parts.path + (f"?{parts.query}" if parts.query else "")

    @property
    def forms(self) -> list[Form]:
        reader = _Forms()
        reader.feed(self.text)
        return reader.found

    def form(self, **fields: str) -> Form:
        """The only form whose fields hold these."""
        [found] = [form for form in self.forms if fields.items() <= form.fields.items()]
        return found

    @property
    def commands(self) -> list[str]:
        """The commands that it offers."""
        return [form.fields["name"] for form in self.forms if "name" in form.fields]


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[Form] = []
        self._select: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "form":
            self.found.append(Form(given.get("method") or "get", given.get("action") or "", {}))
        elif tag in ("input", "textarea") and self.found and (name := given.get("name")):
            if given.get("type") != "checkbox" or "checked" in given:
                self.found[-1].fields[name] = given.get("value") or ""
        elif tag == "select":
            self._select = given.get("name")
        elif tag == "option" and self._select and self.found:
            fields = self.found[-1].fields
            if "selected" in given or self._select not in fields:
                fields[self._select] = given.get("value") or ""


@dataclass(frozen=True, slots=True)
class Visitor:
    """A browser at an address."""

    url: str
    session: aiohttp.ClientSession = field(repr=False)

    async def ask(
        self,
        method: str,
        path: str,
        *,
        data: Any = None,
        headers: Mapping[str, str] | None = None,
        follow: bool = False,
    ) -> Shown:
        url = urljoin(self.url, path)
        async with self.session.request(
            method, url, data=data, headers=headers, allow_redirects=follow
        ) as answer:
            return Shown(str(answer.url), answer.status, await answer.text(), answer.headers)

    async def see(self, path: str, **headers: str) -> Shown:
        """A page, wherever its address leads."""
        return await self.ask("GET", path, headers=headers, follow=True)

    async def send(self, form: Form, **fields: str) -> Shown:
        """What a form leads to, with these fields filled in."""
        return await self.ask(
            form.method.upper(),
            form.action,
            data={**form.fields, **fields},
            headers={"Origin": self.url, "Sec-Fetch-Site": "same-origin"},
            follow=True,
        )


@asynccontextmanager
async def visiting(url: str) -> AsyncIterator[Visitor]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        yield Visitor(url, session)
