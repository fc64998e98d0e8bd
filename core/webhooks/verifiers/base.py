"""What every verifier is: a section of `webhooks.yaml` that can tell a sender from a stranger.

A verifier sees the raw bytes before anything else does. It compares in constant time, against every
secret that is live, and says nothing of what it expected: `NotVerified` carries a short reason for
the operator's log and counter, never for the stranger.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final, Literal, Protocol, runtime_checkable

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from core.domain.secret_reference import check_reference
from core.errors import SettingsError
from core.webhooks.request import Request

SecretReference = Annotated[
    str,
    AfterValidator(check_reference),
    Field(examples=["env:GITHUB_SECRET", "aws:prod/github#secret", "azure:vault/github"]),
]
"""Where a secret is, e.g. `env:GITHUB_SECRET`; never the secret itself."""

Reason = Literal["missing", "malformed", "mismatch", "stale", "future", "untrusted"]
"""Why a request was not verified.

    missing     what would prove its sender is not there
    malformed   it is there, but not in the scheme's form: another algorithm or version, a header
                sent twice, a timestamp that is no number, too long, not ASCII
    mismatch    it has the form, and no live secret gives it
    stale       it was signed longer ago than the scheme tolerates
    future      it says that it was signed later than now, by more than clocks differ
    untrusted   it rests on somebody whom the endpoint does not trust: a topic that is not pinned,
                a certificate from elsewhere or out of date
"""

_FIX: Final = "put the sender's own secret there"


class NotVerified(Exception):
    """The request was not proven to be the sender's."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason: Reason = reason


class Verifier(BaseModel, ABC):
    """One way of proving who sent a request. Subclasses add a `scheme: Literal[...]`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @property
    def references(self) -> tuple[SecretReference, ...]:
        """Where the secrets are that `verify` wants; empty where the scheme has none."""
        return ()

    @property
    def covers_headers(self) -> bool:
        """Whether what proves the sender proves its headers, too. A token does: whoever has it
        wrote all of the request. A signature over the body does not: others may add headers."""
        return True

    @property
    def confidential(self) -> frozenset[str]:
        """Lower-case names of the headers that hold the secret itself; they are never kept."""
        return frozenset()

    @abstractmethod
    async def verify(self, request: Request, secrets: Sequence[str], now: datetime) -> None:
        """Return if the request is the sender's; else raise `NotVerified`.

        `secrets` are the live ones, in the order of `references`, as many of them as can be had.
        Raises `SettingsError` if one of them cannot be a secret of this scheme (an empty one never
        verifies anything), and `TransientError` if it cannot be told just now.
        """

    def delivery_id(self, request: Request) -> str | None:
        """The ID of a verified delivery, where the scheme has one and vouches for it."""
        return None

    def operator_action(self, request: Request) -> str | None:
        """What a verified request asks of the operator, where it is about the sending itself and
        carries no event; else None."""
        return None


@runtime_checkable
class Signer(Protocol):
    """A verifier that can also do what the sender does."""

    def sign(self, request: Request, secrets: Sequence[str], now: datetime) -> Request:
        """The request as the sender would send it: the inverse of `verify`."""
        ...


class SharedSecret(Verifier):
    """A scheme in which the sender and the endpoint know the same secret."""

    secrets: tuple[SecretReference, ...] = Field(
        min_length=1,
        max_length=2,
        description="Where the secret is kept. Two may be live at once, while one is exchanged.",
    )

    @property
    def references(self) -> tuple[SecretReference, ...]:
        return self.secrets

    async def verify(self, request: Request, secrets: Sequence[str], now: datetime) -> None:
        self._prove(request, self._keys(secrets), now)

    def sign(self, request: Request, secrets: Sequence[str], now: datetime) -> Request:
        """The request as the sender would send it. Senders that sign once use the first secret."""
        return self._signed(request, self._keys(secrets), now)

    def _keys(self, secrets: Sequence[str]) -> list[bytes]:
        if not secrets:
            raise SettingsError(f"there is no secret at {' or '.join(self.secrets)}", fix=_FIX)
        keys = []
        known = len(secrets) == len(self.secrets)
        for place, secret in enumerate(secrets):
            try:
                if not secret.strip():
                    raise ValueError("is empty")
                keys.append(self._key(secret))
            except ValueError as error:
                why = "is not UTF-8" if isinstance(error, UnicodeError) else str(error)
                # Not chained: the first error may quote the secret.
                where = self.secrets[place] if known else " or ".join(self.secrets)
                raise SettingsError(f"the secret at {where} {why}", fix=_FIX) from None
        return keys

    def _key(self, secret: str) -> bytes:
        """The secret as the scheme uses it. Raises `ValueError` saying what is wrong with it."""
        return secret.encode()

    @abstractmethod
    def _prove(self, request: Request, keys: Sequence[bytes], now: datetime) -> None:
        """As `verify`, with keys that are none of them empty."""

    @abstractmethod
    def _signed(self, request: Request, keys: Sequence[bytes], now: datetime) -> Request:
        """As `sign`."""
