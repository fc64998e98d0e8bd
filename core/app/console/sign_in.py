"""Signing in: OpenID Connect's authorization code flow, with PKCE, at the issuer whose tokens the
API takes, too.

Between leaving and coming back, the browser keeps what it left with: a random state, and the page
that it wanted. Verifier and nonce are made of that by our key, so that nothing secret leaves.
Source: OpenID Connect Core 1.0, section 3.1; RFC 9700, "Best Current Practice for OAuth 2.0
Security".
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import logging
import math
import secrets
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from pydantic import Field
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from core.app.console.frame import HEADERS, Console
from core.app.console.sessions import Cookies, Sessions
from core.app.identity.caller import NotAuthenticated
from core.app.identity.issuer_keys import Fetch, about, download
from core.app.identity.oidc import OidcTokens
from core.app.pages import Refused
from core.app.shared_call import SharedCall
from core.domain.printable import printable_line
from core.domain.web_address import is_private, parsed
from core.errors import ConfigurationError, InvalidLink, TransientError, third_party
from core.links import Claims, LinkKeys

if TYPE_CHECKING:
    from core.config.secrets import Secrets

CALLBACK: Final = "/signed-in"
"""Where the issuer sends browsers back to, below the console."""

LONGEST_NEXT: Final = 1000
"""In characters."""

KIND: Final = "sign-in"
"""The kind of token that a browser keeps meanwhile."""

_LIFETIME: Final = timedelta(minutes=10)
_FRESH_SECONDS: Final = 3600.0
_PAUSE_SECONDS: Final = 5.0
_TIMEOUT: Final = 8.0

log = logging.getLogger("tidegate.app")


class Left(Claims):
    """What a browser left with."""

    state: str
    next: str = Field(max_length=LONGEST_NEXT)


class Client:
    """Us, as the issuer knows us. `secret` is a reference; without one we are a public client,
    which PKCE protects."""

    def __init__(
        self,
        *,
        issuer: str,
        client_id: str,
        secret: str | None,
        secrets: Secrets,
        callback: str,
        fetch: Fetch = download,
    ) -> None:
        self._issuer = issuer
        self._id = client_id
        self._secret = secret
        self._secrets = secrets
        self._callback = callback
        self._fetch = fetch
        self._about: tuple[float, Mapping[str, Any]] | None = None
        self._asking = SharedCall(self._ask)
        self._failed = -math.inf

    async def leave(self, *, state: str, nonce: str, verifier: str) -> str:
        """The issuer's address for a browser that signs in. Raises `TransientError`."""
        from authlib.oauth2.client import OAuth2Client

        endpoint = await self._endpoint("authorization_endpoint")
        url, _ = OAuth2Client(None, self._id, **self._asks).create_authorization_url(
            endpoint, state=state, nonce=nonce, code_verifier=verifier
        )
        return str(url)

    async def token(self, code: str, verifier: str) -> str:
        """The ID token for a code. Raises `NotAuthenticated` where the issuer refuses the code,
        `SettingsError` or `TransientError` where that cannot be decided."""
        from authlib.integrations.base_client import OAuthError
        from httpx2 import HTTPError

        endpoint = await self._endpoint("token_endpoint")
        try:
            async with await self._session() as session:
                answer = await session.fetch_token(
                    endpoint, code=code, code_verifier=verifier, redirect_uri=self._callback
                )
        except OAuthError as error:
            if error.error in ("invalid_client", "unauthorized_client"):
                raise ConfigurationError(
                    f"{self._issuer} does not take our credentials: {printable_line(error.error)}",
                    fix="see TIDEGATE_CONSOLE_CLIENT_ID and TIDEGATE_CONSOLE_CLIENT_SECRET",
                ) from None
            log.warning("the issuer refuses a code: %s", printable_line(str(error)))
            raise NotAuthenticated("unknown") from None
        except (HTTPError, ValueError, KeyError) as error:
            raise TransientError(f"{self._issuer} gives no token: {third_party(error)}") from None
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise NotAuthenticated("missing")
        return token

    @property
    def _asks(self) -> dict[str, Any]:
        return {
            "scope": "openid email profile",
            "redirect_uri": self._callback,
            "code_challenge_method": "S256",
        }

    async def _session(self) -> Any:
        from authlib.integrations.httpx_client import AsyncOAuth2Client

        secret = await self._secrets.get(self._secret) if self._secret else None
        return AsyncOAuth2Client(
            self._id,
            secret,
            token_endpoint_auth_method=self._method() if secret else "none",
            timeout=_TIMEOUT,
            follow_redirects=False,
            **self._asks,
        )

    def _method(self) -> str:
        """How the secret is sent. Source: OpenID Connect Discovery 1.0, section 3."""
        known = self._about[1].get("token_endpoint_auth_methods_supported") if self._about else None
        basic, post = "client_secret_basic", "client_secret_post"
        listed = known if isinstance(known, list) else [basic]
        return post if post in listed and basic not in listed else basic

    async def _endpoint(self, name: str) -> str:
        """Source: OpenID Connect Discovery 1.0, section 3."""
        if self._about is None or not 0 <= time.time() - self._about[0] < _FRESH_SECONDS:
            self._about = await self._asking.answer()
        address = self._about[1].get(name)
        if not isinstance(address, str) or not is_private(address):
            self._about, self._failed = None, time.time()
            raise TransientError(f"the {name} of {self._issuer} is no https address")
        return address

    async def _ask(self) -> tuple[float, Mapping[str, Any]]:
        """What the issuer says of itself, and when. Anybody may ask to sign in: however many do,
        it is asked once at a time, and again only after a pause."""
        if 0 <= time.time() - self._failed < _PAUSE_SECONDS:
            raise TransientError(f"{self._issuer} did not say a moment ago where people sign in")
        try:
            return time.time(), await asyncio.to_thread(about, self._issuer, self._fetch)
        except (OSError, ValueError) as error:
            self._failed = time.time()
            raise TransientError(
                f"{self._issuer} does not say where people sign in: {third_party(error)}"
            ) from None


class SignIn:
    """The three steps: leave for the issuer, come back, and sign out."""

    def __init__(
        self,
        *,
        console: Console,
        client: Client,
        tokens: OidcTokens,
        keys: LinkKeys,
        sessions: Sessions,
        secure: bool,
    ) -> None:
        self._console = console
        self._client = client
        self._tokens = tokens
        self._keys = keys
        self._sessions = sessions
        self._secure = secure

    async def leave(self, request: Request) -> Response:
        """To the issuer, which leads back here and then to the page that `next` names."""
        state = secrets.token_urlsafe(24)
        left = Left(
            state=state,
            next=self._ours(request.query_params.get("next", "")),
            expires=int((datetime.now(UTC) + _LIFETIME).timestamp()),
        )
        cookie = await self._keys.seal(left.to_json(), kind=KIND)
        nonce, verifier = await self._made("nonce", cookie), await self._made("verifier", cookie)
        response = self._to(await self._client.leave(state=state, nonce=nonce, verifier=verifier))
        self._cookies(state).set(response, cookie, _LIFETIME)
        return response

    async def back(self, request: Request) -> Response:
        """A new session for whom the issuer vouches for. Raises `Refused`."""
        query = request.query_params
        state = query.get("state", "")
        cookie = request.cookies.get(self._cookies(state).name, "")
        try:
            left = await self._keys.unseal(cookie, Left.model_validate_json, kind=KIND)
        except InvalidLink:
            left = None
        if (
            left is None
            or left.has_expired(datetime.now(UTC))
            or not hmac.compare_digest(left.state.encode(), state.encode())
        ):
            raise _again("StateUnknown", "Signing in took too long, or began in another browser.")
        if refused := query.get("error"):
            raise _again(
                "SignInRefused", "The identity provider did not sign you in.", why=refused[:200]
            )
        nonce, verifier = await self._made("nonce", cookie), await self._made("verifier", cookie)
        try:
            token = await self._client.token(query.get("code", ""), verifier)
            caller = await self._tokens.caller(token, nonce=nonce)
        except NotAuthenticated as failure:
            raise self._not_let_in(failure) from None
        log.info("signed in: %s as %s", printable_line(repr(caller.name)), caller.role)
        response = self._to(left.next)
        await self._sessions.begin(response, caller)
        self._cookies(state).clear(response)
        return response

    async def out(self, request: Request) -> Response:
        """The end of a session, in this browser."""
        response = self._to(f"{self._console.base}/signed-out")
        self._sessions.cookies.clear(response)
        return response

    async def _made(self, what: str, cookie: str) -> str:
        """The nonce, or the PKCE verifier, that goes with what a browser keeps."""
        digest = await self._keys.derived(cookie, what, kind=KIND)
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

    def _cookies(self, state: str) -> Cookies:
        """Those of one sign-in: several may go on in the tabs of a browser."""
        digest = hashlib.sha256(state.encode(errors="surrogatepass")).hexdigest()[:24]
        return Cookies(secure=self._secure, suffix=f"-sign-in-{digest}")

    def _not_let_in(self, failure: NotAuthenticated) -> Refused:
        if failure.reason in ("role", "name"):
            return Refused(
                403,
                "NotLetIn",
                "You may not use this console",
                "The identity provider knows you, and gives you no role here, or no name. Ask "
                "whoever runs Tidegate.",
                why=failure.reason,
            )
        return _again("NotAuthenticated", "That did not prove who you are.", why=failure.reason)

    def _to(self, url: str) -> Response:
        return RedirectResponse(url, 303, {"Cache-Control": "no-store", **HEADERS})

    def _ours(self, url: str) -> str:
        """A path of the console, or its beginning for whatever else somebody names: a link to sign
        in leads nowhere else."""
        base = f"{self._console.base}/"
        parts = parsed(url) if url.isascii() and url.isprintable() else None
        if (
            parts is None
            or parts.scheme
            or parts.netloc
            or "\\" in url
            or len(url) > LONGEST_NEXT
            or not parts.path.startswith(base)
            or ".." in parts.path
            or '"' in url  # sealed it is longer than LONGEST_NEXT allows for; browsers encode it
        ):
            return base
        return url


def _again(code: str, text: str, why: str = "") -> Refused:
    return Refused(401, code, "You are not signed in", f"{text} Try it once more.", why=why)
