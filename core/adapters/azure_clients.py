"""Clients of Azure Blob Storage: one for each account, shared by all stores on an event loop.

An asynchronous client belongs to the loop it was first used on and must be closed on it. Stores are
never closed, but loops are: an asynchronous generator keeps the clients, and `asyncio.run` closes
every generator last.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from azure.storage.blob.aio import BlobServiceClient, LinearRetry

if TYPE_CHECKING:
    from azure.identity.aio import DefaultAzureCredential

RANGE_BYTES: Final = 4 * 1024 * 1024
"""How much of a blob one request reads."""

_SECRETS: Final = {"accountkey", "sharedaccesssignature", "usedevelopmentstorage"}


async def blob_service(account: str, connection: str | None) -> BlobServiceClient:
    """The running loop's client for an account.

    A connection string of this account is used, or only its endpoint where it holds no secret;
    otherwise the client authenticates as the process's identity. Raises `ValueError` for an invalid
    connection string.
    """
    loop = asyncio.get_running_loop()
    if loop not in _open:
        stack = AsyncExitStack()
        _open[loop] = _Open(stack, _until_the_end(loop, stack))
        await anext(_open[loop].keeper)  # from here on the loop closes it
    return _open[loop].client(account, connection)


@dataclass(slots=True)
class _Open:
    """The clients of one loop."""

    stack: AsyncExitStack
    keeper: AsyncGenerator[None]
    clients: dict[tuple[str, str | None], BlobServiceClient] = field(default_factory=dict)
    _identity: DefaultAzureCredential | None = None

    def client(self, account: str, connection: str | None) -> BlobServiceClient:
        key = (account, connection)
        if key not in self.clients:
            self.clients[key] = client = self._make(account, connection)
            self.stack.push_async_callback(client.close)
        return self.clients[key]

    def identity(self) -> DefaultAzureCredential:
        """One for all accounts, because it caches tokens."""
        if self._identity is None:
            from azure.identity.aio import DefaultAzureCredential  # half a second to import

            self._identity = DefaultAzureCredential()
            self.stack.push_async_callback(self._identity.close)
        return self._identity

    def _make(self, account: str, connection: str | None) -> BlobServiceClient:
        if connection is not None:
            named = BlobServiceClient.from_connection_string(connection, **_options())
            if named.account_name == account:
                if _SECRETS & {part.partition("=")[0].lower() for part in connection.split(";")}:
                    return named
                return BlobServiceClient(named.url, self.identity(), **_options())
        return BlobServiceClient(
            f"https://{account}.blob.core.windows.net", self.identity(), **_options()
        )


_open: Final[dict[asyncio.AbstractEventLoop, _Open]] = {}


async def _until_the_end(
    loop: asyncio.AbstractEventLoop, stack: AsyncExitStack
) -> AsyncGenerator[None]:
    async with stack:
        try:
            yield
        finally:
            del _open[loop]


def _options() -> dict[str, Any]:
    # By default the library waits a minute between retries, longer than most functions may run.
    return {
        "retry_policy": LinearRetry(backoff=1, retry_total=2, random_jitter_range=1),
        "connection_timeout": 5,
        "read_timeout": 30,
        "max_single_get_size": RANGE_BYTES,
        "max_chunk_get_size": RANGE_BYTES,
    }
