"""A request, its verifier, and the secrets of a process: whether it is its sender's."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from core.webhooks.request import Request
from core.webhooks.verifiers.base import NotVerified, Verifier

if TYPE_CHECKING:
    from core.config.secrets import Secrets


async def prove(verifier: Verifier, secrets: Secrets, request: Request, now: datetime) -> None:
    """Returns if the request is proven to be the sender's. Raises `NotVerified` if not, and
    `ConfigurationError` or `TransientError` if that cannot be decided now."""
    known = await secrets.get_all(verifier.references)
    try:
        await verifier.verify(request, known, now)
    except NotVerified as failure:
        if failure.reason != "mismatch":
            raise
        # The secret may have been rotated a moment ago.
        newer = await secrets.newer(verifier.references, tried=known)
        if newer is None:
            raise
        await verifier.verify(request, newer, now)
