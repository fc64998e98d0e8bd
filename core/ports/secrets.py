"""The Secret Store port: reads shared secrets, wherever they are stored."""

from __future__ import annotations

from typing import Protocol

from core.domain.secret_reference import SecretReference


class SecretStore(Protocol):
    """One kind of store for secrets. It does not cache."""

    async def read(self, reference: SecretReference) -> str:
        """The secret's current value.

        Raises `SettingsError` for a secret that is missing or invalid, and `SecretUnavailable` for
        what a retry may fix. No error holds any part of the value, not even as its cause.
        """
        ...
