"""No verification, for an endpoint behind something that verifies. It must be chosen explicitly."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from core.webhooks.request import Request
from core.webhooks.verifiers.base import Verifier


class NoVerifier(Verifier):
    """Every request counts as the sender's."""

    scheme: Literal["none"]

    async def verify(self, request: Request, secrets: Sequence[str], now: datetime) -> None:
        return

    def sign(self, request: Request, secrets: Sequence[str], now: datetime) -> Request:
        return request
