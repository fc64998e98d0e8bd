"""The HTTP API in tests: the real application, served by uvicorn on a port of its own."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final

import aiohttp
import pytest
import uvicorn
from starlette.types import ASGIApp

from infra.local.environment import LINK_KEYS
from tests.support.incidents import until

TOKENS: Final = {
    name: f"{name}-" + "0123456789abcdef" * 2 for name in ("viewer", "responder", "admin", "other")
}
"""A service token of each role, and one of another responder."""
CALLERS: Final = json.dumps(
    [
        {
            "name": f"the-{name}",
            "role": "responder" if name == "other" else name,
            "tokens": [token],
        }
        for name, token in TOKENS.items()
    ]
)
"""The secret that they are in."""


def configure(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """The settings of an application that knows links and service tokens, and Temporal at an
    address."""
    for name, value in {**LINK_KEYS, "CALLERS": CALLERS}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TIDEGATE_LINK_KEYS", ",".join(f"env:{name}" for name in LINK_KEYS))
    monkeypatch.setenv("TIDEGATE_API_TOKENS", "env:CALLERS")
    monkeypatch.setenv("TEMPORAL_ADDRESS", address)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    content: bytes = field(repr=False)

    @property
    def json(self) -> Any:
        return json.loads(self.content)


@dataclass(frozen=True, slots=True)
class Api:
    """Somebody with a token who calls the API at an address."""

    url: str
    token: str | None = TOKENS["responder"]

    def by(self, token: str | None) -> Api:
        """The same for whoever has this token."""
        return replace(self, token=token)

    async def ask(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        data: Any = None,
        headers: Mapping[str, str] | None = None,
        params: Any = None,
    ) -> Answer:
        authorization = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        async with (
            aiohttp.ClientSession() as session,
            session.request(
                method,
                self.url + path,
                json=json,
                data=data,
                params=params,
                headers={**authorization, **(headers or {})},
                allow_redirects=False,
            ) as answer,
        ):
            return Answer(answer.status, answer.headers, await answer.read())

    async def get(self, path: str, **params: Any) -> Answer:
        return await self.ask("GET", path, params=params)

    async def post(self, path: str, json: Any = None, **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.ask("POST", path, json=json, headers=named)


class _Server(uvicorn.Server):
    """One that leaves the signals of this process alone: two that overlap would leave a handler."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serving(application: ASGIApp) -> AsyncIterator[str]:
    """The address of the application, while it is served."""
    async with served(lambda url: application) as url:
        yield url


@asynccontextmanager
async def served(make: Callable[[str], ASGIApp]) -> AsyncIterator[str]:
    """The same of one that is made for its address."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        config = uvicorn.Config(
            make(url), access_log=False, log_config=None, lifespan="off", server_header=False
        )
        server = _Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            await until(lambda: server.started)
            yield url
        finally:
            server.should_exit = True
            await serving
