"""No verification at all, for an endpoint that something else guards. It must be spelled out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from core.webhooks.request import Request
from core.webhooks.verifiers.base import Verifier


class NoVerifier(Verifier):
    """Everybody is the sender."""

    scheme: Literal["none"]

    async def verify(self, request: Request, secrets: Sequence[str], now: datetime) -> None:
        return

    def sign(self, request: Request, secrets: Sequence[str], now: datetime) -> Request:
        return request
