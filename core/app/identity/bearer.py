"""Who a request is from, by its bearer token. Source: RFC 6750."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from core.app.identity.caller import Caller, NotAuthenticated
from core.app.identity.issuer_keys import IssuerKeys
from core.app.identity.oidc import OidcTokens
from core.app.identity.service_tokens import ServiceTokens
from core.config.settings import Settings, meaning
from core.domain.expressions.expression import compiled
from core.errors import SettingsError

if TYPE_CHECKING:
    from core.config.secrets import Secrets

_LONGEST_HEADER: Final = 9000
"""In characters; both kinds of token have a limit of their own below it."""


class Identity:
    """Everybody whom the settings let in."""

    def __init__(self, *, services: ServiceTokens | None, oidc: OidcTokens | None) -> None:
        self._services = services
        self._oidc = oidc

    async def caller(self, headers: Sequence[str]) -> Caller:
        """Whose token is in the values of the header Authorization. Raises `NotAuthenticated`;
        `SettingsError` or `TransientError` where that cannot be decided."""
        token = _bearer(headers)
        # A JWT has dots, and a service token has none.
        source = self._oidc if "." in token else self._services
        if source is None:
            raise NotAuthenticated("unknown")
        return await source.caller(token)


def identity(settings: Settings, secrets: Secrets) -> Identity:
    """Who may ask, by the settings. Raises `SettingsError`."""
    tokens = settings.api_tokens
    return Identity(
        services=ServiceTokens(tokens, secrets) if tokens else None, oidc=_oidc(settings)
    )


def _oidc(settings: Settings) -> OidcTokens | None:
    issuer, audience = settings.oidc_issuer, settings.oidc_audience
    if audience is None and (issuer is None or settings.console_client_id):
        return None  # whom an issuer vouches for may visit the console alone
    if issuer is None or audience is None:
        missing = "TIDEGATE_OIDC_ISSUER" if issuer is None else "TIDEGATE_OIDC_AUDIENCE"
        raise SettingsError(f"{missing} is not set", fix=f"set {meaning(missing)}", unset=True)
    return oidc_tokens(settings, issuer, audience)


def oidc_tokens(settings: Settings, issuer: str, audience: str) -> OidcTokens:
    """The tokens of an issuer for an audience, with names and roles where the settings have
    them."""
    return OidcTokens(
        issuer=issuer,
        audience=audience,
        role=compiled(settings.oidc_role),
        name=compiled(settings.oidc_name),
        keys=IssuerKeys(issuer),
    )


def _bearer(headers: Sequence[str]) -> str:
    if not headers:
        raise NotAuthenticated("missing")
    if len(headers) > 1 or len(headers[0]) > _LONGEST_HEADER:
        raise NotAuthenticated("malformed")
    scheme, _, token = headers[0].partition(" ")
    token = token.strip(" ")
    if scheme.lower() != "bearer" or not token or not token.isascii() or " " in token:
        raise NotAuthenticated("malformed")
    return token
