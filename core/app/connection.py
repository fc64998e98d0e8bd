"""The one client of Temporal of an application's process."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from core import bootstrap
from core.app.shared_call import SharedCall
from core.config.settings import Settings
from core.errors import TemporalUnavailable

if TYPE_CHECKING:
    from temporalio.client import Client


class Connection:
    """The client, made with the first request that needs it, and again until that succeeds."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._connecting = SharedCall(self._connect)
        self._client: Client | None = None

    async def client(self) -> Client:
        """Raises `SettingsError` or `TemporalUnavailable`."""
        if self._client is None:
            self._client = await self._connecting.answer()
        return self._client

    async def _connect(self) -> Client:
        within = self._settings.start_timeout
        try:
            async with asyncio.timeout(within):
                return await bootstrap.connect(self._settings)
        except TimeoutError:
            raise TemporalUnavailable(f"Temporal does not answer within {within:g} s") from None
