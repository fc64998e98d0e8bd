"""The Secret Store port: where shared secrets are kept, whoever keeps them."""

from __future__ import annotations

from typing import Protocol

from core.domain.secret_reference import SecretReference


class SecretStore(Protocol):
    """One kind of place for secrets. It keeps nothing back: each answer is what is there now."""

    async def read(self, reference: SecretReference) -> str:
        """The secret's current value.

        Raises `SettingsError` when there is no such secret or it cannot be one, and
        `SecretUnavailable` for what may work later. No error holds any part of the value, not even
        as its cause.
        """
        ...
