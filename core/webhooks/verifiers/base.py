"""What every verifier is: a section of `webhooks.yaml` that proves who sent a request.

A verifier reads the raw bytes before anything else does. It compares in constant time, against
every live secret, and does not reveal what it expected: `NotVerified` has a short reason for the
operator's log and counter, never for the sender.
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

    missing     there is no signature or credential
    malformed   it does not have the scheme's form: another algorithm or version, a header sent
                twice, a timestamp that is not a number, too long, not ASCII
    mismatch    it has the form, but no live secret gives it
    stale       it was signed longer ago than the scheme tolerates
    future      it was signed later than now, by more than clocks may differ
    untrusted   it is from somebody whom the endpoint does not trust: a topic that is not pinned, a
                certificate from elsewhere or out of date
"""

_FIX: Final = "put the sender's own secret there"


class NotVerified(Exception):
    """The request was not proven to be the sender's."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason: Reason = reason


class Verifier(BaseModel, ABC):
    """One way to prove who sent a request. Subclasses add a `scheme: Literal[...]`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @property
    def references(self) -> tuple[SecretReference, ...]:
        """References to the secrets that `verify` needs; none if the scheme has no secret."""
        return ()

    @property
    def max_unproven_bytes(self) -> int | None:
        """The size of the largest body, for a scheme that has to parse one before anything proves
        whose it is. None for a scheme that does not."""
        return None

    @property
    def dates(self) -> bool:
        """Whether the proof includes the time of signing, so that an old request is refused."""
        return False

    @property
    def could_date(self) -> bool:
        """Whether the sender can be configured to sign the time, and the endpoint does not ask."""
        return False

    @property
    def covers_headers(self) -> bool:
        """Whether the proof covers the headers too. A token does: whoever has it wrote the whole
        request. A signature over the body does not: others may add headers."""
        return True

    @property
    def confidential(self) -> frozenset[str]:
        """Lower-case names of the headers that hold the secret itself, and are never kept."""
        return frozenset()

    @abstractmethod
    async def verify(self, request: Request, secrets: Sequence[str], now: datetime) -> None:
        """Returns if the request is the sender's. Raises `NotVerified` if not, `TransientError` if
        that cannot be decided now, and `SettingsError` for a secret that this scheme cannot use
        (an empty one never verifies anything).

        `secrets` are those that are available, in the order of `references`.
        """

    def delivery_id(self, request: Request) -> str | None:
        """The ID of a verified delivery, if the scheme has one and it is proven."""
        return None

    def operator_action(self, request: Request) -> str | None:
        """What the operator has to do about a verified control message (such as SNS's
        SubscriptionConfirmation), which has no event; None for any other request."""
        return None


@runtime_checkable
class Signer(Protocol):
    """A verifier that can also sign, as the sender does."""

    def sign(self, request: Request, secrets: Sequence[str], now: datetime) -> Request:
        """The request as the sender would send it: the inverse of `verify`."""
        ...


class SharedSecret(Verifier):
    """A scheme in which sender and endpoint share a secret."""

    secrets: tuple[SecretReference, ...] = Field(
        min_length=1,
        max_length=2,
        description="References to the secret. Two may be live while it is rotated.",
    )

    @property
    def references(self) -> tuple[SecretReference, ...]:
        return self.secrets

    async def verify(self, request: Request, secrets: Sequence[str], now: datetime) -> None:
        self._prove(request, self._keys(secrets), now)

    def sign(self, request: Request, secrets: Sequence[str], now: datetime) -> Request:
        """The request as the sender would send it. A single signature uses the first secret."""
        return self._signed(request, self._keys(secrets), now)

    def _keys(self, secrets: Sequence[str]) -> list[bytes]:
        if not secrets:
            raise SettingsError(f"there is no secret at {' or '.join(self.secrets)}", fix=_FIX)
        keys = []
        all_available = len(secrets) == len(self.secrets)
        for position, secret in enumerate(secrets):
            try:
                if not secret.strip():
                    raise ValueError("is empty")
                keys.append(self._key(secret))
            except ValueError as error:
                why = "is not UTF-8" if isinstance(error, UnicodeError) else str(error)
                # Not chained: the first error may quote the secret.
                where = self.secrets[position] if all_available else " or ".join(self.secrets)
                raise SettingsError(f"the secret at {where} {why}", fix=_FIX) from None
        return keys

    def _key(self, secret: str) -> bytes:
        """The secret as the scheme uses it. Raises `ValueError` with what is wrong with it."""
        return secret.encode()

    @abstractmethod
    def _prove(self, request: Request, keys: Sequence[bytes], now: datetime) -> None:
        """Returns if the request is proven by one of the keys, none of which is empty. Raises
        `NotVerified` if not."""

    @abstractmethod
    def _signed(self, request: Request, keys: Sequence[bytes], now: datetime) -> Request:
        """The request with the headers that prove it, made with the keys."""
