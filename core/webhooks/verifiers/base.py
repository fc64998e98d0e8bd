"""What every verifier is: a section of `webhooks.yaml` that can tell a sender from a stranger.

A verifier sees the raw bytes before anything else does. It compares in constant time, against every
secret that is live, and says nothing of what it expected: `NotVerified` carries a short reason for
the operator's log and counter, never for the stranger.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from core.webhooks.request import Request

SecretReference = str
"""Where a secret is, e.g. `env:GITHUB_SECRET`; never the secret itself."""


class NotVerified(Exception):
    """The request was not proven to be the sender's. `reason` is one of a few stable words."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Verifier(BaseModel):
    """One way of proving who sent a request. Subclasses add a `scheme: Literal[...]`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    secrets: tuple[SecretReference, ...] = Field(
        min_length=1,
        max_length=2,
        description="Where the secret is kept. Two may be live at once, while one is exchanged.",
    )

    confidential: ClassVar[tuple[str, ...]] = ()
    """Lower-case names of the headers that hold the secret itself; they are never kept."""

    def verify(self, request: Request, secrets: Sequence[str], now: datetime) -> None:
        """Return if the request is the sender's. Raises `NotVerified`, never anything else."""
        raise NotImplementedError

    def sign(self, request: Request, secret: str, now: datetime) -> Mapping[str, str]:
        """The headers with which the sender would send this request: the inverse of `verify`."""
        raise NotImplementedError

    def delivery_id(self, request: Request) -> str | None:
        """The delivery's own ID, where the scheme has one and vouches for it."""
        return None
