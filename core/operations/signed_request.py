"""Requests to webhooks, signed as their senders would sign them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from core import bootstrap
from core.config.settings import Settings
from core.webhooks.endpoints import Endpoint
from core.webhooks.request import Request, post_to
from core.webhooks.verifiers.base import Signer


async def signed(
    hook: str, body: bytes, headers: Mapping[str, str], endpoint: Endpoint, settings: Settings
) -> Request:
    """The signed request, with `headers` as they are, whatever the signature says; without a
    signature where only the real sender can make one. Raises `SettingsError` for a secret that is
    not set, and `SecretUnavailable`."""
    request = post_to(hook, body, headers)
    if not isinstance(endpoint.verify, Signer):
        return request
    secrets = await bootstrap.secrets(settings).get_all(endpoint.verify.references)
    proven = endpoint.verify.sign(request, secrets, datetime.now(UTC))
    return replace(proven, headers={**proven.headers, **headers})
