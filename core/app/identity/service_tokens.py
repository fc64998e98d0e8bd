"""Service tokens: long random texts by which programs are known, all of them in one secret.

The secret is a JSON array: `[{"name": "deploys", "role": "responder", "tokens": ["..."]}]`. A
caller has two tokens while one is replaced. None has a dot, so that it is never mistaken for a JWT.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
)

from core.app.identity.caller import Caller, CallerName, NotAuthenticated, Role
from core.domain.problems import problems_of
from core.errors import SettingsError

if TYPE_CHECKING:
    from core.config.secrets import Secrets

SHORTEST_TOKEN: Final = 32
LONGEST_TOKEN: Final = 512
"""In characters."""
HOW_TO_MAKE_ONE: Final = "make one with `openssl rand -hex 32`"

_TOKEN: Final = re.compile(rf"[A-Za-z0-9_~+/=-]{{{SHORTEST_TOKEN},{LONGEST_TOKEN}}}")

_Token = Annotated[str, StringConstraints(pattern=f"^{_TOKEN.pattern}$")]


class _Entry(BaseModel):
    """One caller in the secret."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    name: CallerName
    role: Role
    tokens: Annotated[list[_Token], Field(min_length=1, max_length=2)]


def _apart(callers: list[_Entry]) -> list[_Entry]:
    names = [caller.name for caller in callers]
    tokens = [token for caller in callers for token in caller.tokens]
    if len(set(names)) < len(names) or len(set(tokens)) < len(tokens):
        raise ValueError("a name or a token occurs twice")
    return callers


_CALLERS: Final = TypeAdapter(
    Annotated[list[_Entry], Field(min_length=1, max_length=100), AfterValidator(_apart)]
)


class ServiceTokens:
    """The callers that are known by a token, out of the secret at a reference."""

    def __init__(self, reference: str, secrets: Secrets) -> None:
        self._reference = reference
        self._secrets = secrets
        self._read: tuple[str, Sequence[tuple[bytes, Caller]]] = ("", ())

    async def caller(self, token: str) -> Caller:
        """Whose token it is. Raises `NotAuthenticated`; `SettingsError` or `SecretUnavailable`
        where that cannot be decided."""
        if not _TOKEN.fullmatch(token):
            raise NotAuthenticated("malformed")
        secret = await self._secrets.get(self._reference)
        if caller := self._whose(token, secret):
            return caller
        # It may have been added a moment ago.
        newer = await self._secrets.newer([self._reference], tried=[secret])
        if newer and (caller := self._whose(token, newer[0])):
            return caller
        raise NotAuthenticated("unknown")

    def _whose(self, token: str, secret: str) -> Caller | None:
        """All tokens are compared, each in constant time: timing does not reveal whose it was, nor
        how much of one."""
        if self._read[0] != secret:
            self._read = (secret, _callers(secret))
        digest = _digest(token)
        found = None
        for expected, caller in self._read[1]:
            if hmac.compare_digest(digest, expected):
                found = caller
        return found


def _callers(secret: str) -> list[tuple[bytes, Caller]]:
    """Every token's digest, with its caller. Raises `SettingsError`, which quotes no token."""
    try:
        entries = _CALLERS.validate_json(secret)
    except ValidationError as error:
        problems = "; ".join(problems_of(error))
        # Not chained: the errors of pydantic quote the values.
        raise SettingsError(
            f"the service tokens at TIDEGATE_API_TOKENS cannot be read: {problems}",
            fix='keep a JSON array there, [{"name": "deploys", "role": "responder", "tokens": '
            f'["..."]}}], with tokens of {SHORTEST_TOKEN} characters or more: {HOW_TO_MAKE_ONE}',
        ) from None
    return [
        (_digest(token), Caller(entry.name, entry.role))
        for entry in entries
        for token in entry.tokens
    ]


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
