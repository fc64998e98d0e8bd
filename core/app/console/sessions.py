"""Sessions: who somebody is after they have signed in, as a signed cookie that is theirs alone.

The cookie holds a name and a role, for some hours, and nothing that is secret from whose it is.
Nothing is stored here. What is in a form of the same session, another site cannot know.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from starlette.requests import Request
from starlette.responses import Response

from core.app.identity.caller import Caller, CallerName, Role
from core.errors import InvalidLink
from core.links import Claims, LinkKeys

LIFETIME: Final = timedelta(hours=8)
"""How long a session lasts, whatever is done in it."""

KIND: Final = "session"
"""The kind of its token."""


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who is known, and what proves that a form is from one of their pages. Only one
    that they began themselves, by signing in, can be `ended`."""

    caller: Caller
    csrf: str
    ended: bool = True

    def owns(self, csrf: str) -> bool:
        """Whether a form is from a page of this session."""
        return hmac.compare_digest(self.csrf.encode(), csrf.encode())

    def mark(self, text: str) -> str:
        """What shows that this session has written a text into an address."""
        return hmac.digest(self.csrf.encode(), f"mark {text}".encode(), "sha256").hex()[:32]

    def wrote(self, text: str, mark: str) -> bool:
        """Whether it has: nobody else's link makes a page say that something was done."""
        return hmac.compare_digest(self.mark(text).encode(), mark.encode())


class Visitors(Protocol):
    """Who a request is from."""

    async def session(self, request: Request) -> Session | None:
        """None where nobody is known. Raises `SettingsError` or `TransientError` where that cannot
        be decided."""


class LocalUser:
    """The user of this machine, whom everybody is who can reach it: for an application that listens
    here alone."""

    def __init__(self, caller: Caller) -> None:
        self._session = Session(caller, secrets.token_urlsafe(32), ended=False)

    async def session(self, request: Request) -> Session | None:
        return self._session


class SessionClaims(Claims):
    """What the cookie of a session states."""

    name: CallerName
    role: Role
    csrf: str


class Sessions:
    """Those who have signed in. `secure` is whether browsers reach the console by https."""

    def __init__(self, keys: LinkKeys, *, secure: bool) -> None:
        self._keys = keys
        self.cookies = Cookies(secure=secure)

    async def session(self, request: Request) -> Session | None:
        cookie = request.cookies.get(self.cookies.name, "")
        try:
            claims = await self._keys.unseal(cookie, SessionClaims.model_validate_json, kind=KIND)
        except InvalidLink:
            return None
        if claims.has_expired(datetime.now(UTC)):
            return None
        return Session(Caller(claims.name, claims.role), claims.csrf)

    async def begin(self, response: Response, caller: Caller) -> None:
        """A new session, whatever the browser had before. Raises as `LinkKeys.seal`."""
        claims = SessionClaims(
            name=caller.name,
            role=caller.role,
            csrf=secrets.token_urlsafe(32),
            expires=int((datetime.now(UTC) + LIFETIME).timestamp()),
        )
        self.cookies.set(response, await self._keys.seal(claims.to_json(), kind=KIND), LIFETIME)


class Cookies:
    """A cookie that scripts cannot read and no other site's form sends."""

    def __init__(self, *, secure: bool, suffix: str = "") -> None:
        self._secure = secure
        # Only this host can have set a cookie with that prefix, over https.
        self.name = f"{'__Host-' if secure else ''}tidegate{suffix}"

    def set(self, response: Response, value: str, lifetime: timedelta) -> None:
        response.set_cookie(
            self.name,
            value,
            max_age=int(lifetime.total_seconds()),
            path="/",
            secure=self._secure,
            httponly=True,
            samesite="lax",
        )

    def clear(self, response: Response) -> None:
        response.delete_cookie(
            self.name, path="/", secure=self._secure, httponly=True, samesite="lax"
        )
