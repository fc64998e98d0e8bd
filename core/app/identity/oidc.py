"""Bearer tokens of an OpenID Connect issuer: JWTs, verified by the issuer's public keys.

A token's header chooses nothing but the key's ID: signatures with a shared secret and unsigned
tokens do not exist here. What it claims counts only if it is from the issuer, for our audience, and
now. Source: RFC 8725, "JSON Web Token Best Current Practices".
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

from joserfc import jws, jwt
from joserfc.errors import ExpiredTokenError, InvalidClaimError, JoseError

from core.app.identity.caller import Caller, NotAuthenticated, Role, caller_named
from core.app.identity.issuer_keys import IssuerKeys
from core.domain.expressions.expression import Budget, Expression, OverBudget, Unevaluable

ALGORITHMS: Final = ("RS256", "PS256", "ES256")
LONGEST_TOKEN: Final = 8192
"""In characters."""
CLOCK_SKEW: Final = 60
"""Seconds that the issuer's clock and ours may differ."""

_HEADER_BYTES: Final = 2048

_REGISTRY: Final = jws.JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
_REGISTRY.max_header_length = _HEADER_BYTES


class OidcTokens:
    """The callers whom an issuer vouches for. `role` and `name` read them out of the claims."""

    def __init__(
        self,
        *,
        issuer: str,
        audience: str,
        role: Expression,
        name: Expression,
        keys: IssuerKeys,
    ) -> None:
        self._role = role
        self._name = name
        self._keys = keys
        self._audience = audience
        self._claims = jwt.JWTClaimsRegistry(
            now=lambda: int(time.time()),
            leeway=CLOCK_SKEW,
            iss={"essential": True, "value": issuer},
            aud={"essential": True, "value": audience},
            exp={"essential": True},
        )

    async def caller(self, token: str, *, nonce: str | None = None) -> Caller:
        """Whose token it is; with a `nonce` only the ID token that was asked for with it. Raises
        `NotAuthenticated`, or `TransientError` where that cannot be decided."""
        claims = await self._verified(token)
        try:
            self._claims.validate(claims)
        except ExpiredTokenError:
            raise NotAuthenticated("expired") from None
        except InvalidClaimError as error:
            early = error.claim in ("nbf", "iat")
            raise NotAuthenticated("early" if early else "claims") from None
        except JoseError:
            raise NotAuthenticated("claims") from None
        if nonce is not None and not self._is_answer(claims, nonce):
            raise NotAuthenticated("claims")
        return caller_named(_found(self._name, claims), _role_of(_found(self._role, claims)))

    def _is_answer(self, claims: Mapping[str, Any], nonce: str) -> bool:
        """Whether an ID token was made for us, just now. Source: OpenID Connect Core 1.0, section
        3.1.3.7."""
        party = claims.get("azp", self._audience)
        return claims.get("nonce") == nonce and party == self._audience

    async def _verified(self, token: str) -> dict[str, Any]:
        """What a token claims, once one of the issuer's keys is known to have signed it."""
        if len(token) > LONGEST_TOKEN:
            raise NotAuthenticated("malformed")
        try:
            header = jws.extract_compact(token.encode(), registry=_REGISTRY).headers()
        except (JoseError, ValueError, TypeError, RecursionError):
            raise NotAuthenticated("malformed") from None
        kid = header.get("kid")
        if not isinstance(kid, str) or header.get("alg") not in ALGORITHMS:
            raise NotAuthenticated("malformed")
        key = await self._keys.get(kid)
        if key is None:
            raise NotAuthenticated("unknown")
        try:
            return jwt.decode(token, key, registry=_REGISTRY).claims
        except (JoseError, ValueError, TypeError, RecursionError):
            raise NotAuthenticated("unknown") from None


def _found(expression: Expression, claims: Mapping[str, Any]) -> Any:
    """What an expression finds in the claims; None where it cannot say."""
    try:
        return expression.search(claims, claims, Budget())
    except (Unevaluable, OverBudget):
        return None


def _role_of(value: object) -> Role:
    """The highest of the roles that a claim names, alone or in a list."""
    named = value if isinstance(value, list) else [value]
    held = [role for role in Role if role.value in named]
    if not held:
        raise NotAuthenticated("role")
    return held[-1]
