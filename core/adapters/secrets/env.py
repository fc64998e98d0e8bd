"""Secrets in environment variables: `env:NAME`."""

from __future__ import annotations

import os

from core.domain.secret_reference import SecretReference
from core.errors import SettingsError


class EnvSecretStore:
    """A `SecretStore` over the process's environment."""

    async def read(self, reference: SecretReference) -> str:
        value = os.environ.get(reference.place)
        if value is None:
            raise SettingsError(
                f"the secret {reference} does not exist: the variable is not set",
                fix="set it in this process's environment",
            )
        return value
