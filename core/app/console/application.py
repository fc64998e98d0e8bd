"""The console: pages for people, below /console.

Who visits is known by a session, or is the user of this machine. Without either in the settings
there is no console: it is never open.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, urlencode, urlsplit

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from core.app.bodies import NotRead, body_of
from core.app.console import (
    heartbeats,
    incident,
    incidents,
    on_call,
    quarantine,
    response_times,
    silences,
    static,
)
from core.app.console.frame import HEADERS, PATH, Console, Page, Visit, framed
from core.app.console.sessions import LocalUser, Sessions, Visitors
from core.app.identity.bearer import oidc_tokens
from core.app.identity.caller import Role, caller_named
from core.app.pages import Refused
from core.app.services import ANSWER_WITHIN, Services
from core.domain.printable import printable_line
from core.errors import (
    AmbiguousId,
    ConfigurationError,
    DocumentNotFound,
    IncidentNotFound,
    TemporalUnavailable,
    TidegateError,
    TransientError,
    UnknownName,
)

PAGES: Final[tuple[Page, ...]] = (
    *incidents.PAGES,
    *incident.PAGES,
    *on_call.PAGES,
    *silences.PAGES,
    *heartbeats.PAGES,
    *quarantine.PAGES,
    *response_times.PAGES,
)
"""Every page of the console."""

NAVIGATION: Final = tuple((page.name, page.path) for page in PAGES if page.name)
"""The pages that every page leads to, by name and path."""

LONGEST_FORM: Final = 65_536
"""In bytes."""
_MOST_FIELDS: Final = 100
_CSRF: Final = "csrf"
_LOCAL_HOST: Final = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:[0-9]{1,5})?", re.IGNORECASE)
_WORDS: Final = {
    404: ("Nothing is here", "The address may be cut."),
    405: ("That is not possible here", "This address takes no such request."),
    500: ("Something is broken here", "It does no harm to try again."),
}
_NOT_READ: Final = {
    "TooLarge": ("That is too much", f"A form has at most {LONGEST_FORM:,} bytes."),
    "TooSlow": ("That took too long", "Nothing was done. It does no harm to try again."),
    "Disconnected": ("Nothing was done", "It was not sent whole."),
}

log = logging.getLogger("tidegate.app")


@dataclass(frozen=True, slots=True)
class Mounted:
    """A console: its path as browsers see it, and its routes."""

    base: str
    routes: list[BaseRoute]


def local(services: Services, user: str) -> Mounted:
    """The console of an application that only this machine reaches: everybody is its user."""
    console = Console(base=PATH, origin=None, services=services)
    gate = _Gate(console, LocalUser(caller_named(user, [*Role][-1])))
    return _mounted(gate, [])


def signed_in(services: Services) -> Mounted:
    """The console of those whom the issuer in the settings vouches for. Raises `SettingsError`."""
    from core.app.console.sign_in import CALLBACK, Client, SignIn

    settings = services.settings
    url = settings.require("app_url")
    issuer = settings.require("oidc_issuer")
    client_id = settings.require("console_client_id")
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    base = f"{parts.path}{PATH}"
    console = Console(base=base, origin=origin_of(url), services=services)
    sessions = Sessions(services.link_keys, secure=secure)
    sign_in = SignIn(
        console=console,
        client=Client(
            issuer=issuer,
            client_id=client_id,
            secret=settings.console_client_secret,
            secrets=services.secrets,
            callback=f"{url}{PATH}{CALLBACK}",
        ),
        tokens=oidc_tokens(settings, issuer, client_id),
        keys=services.link_keys,
        sessions=sessions,
        secure=secure,
    )
    gate = _Gate(console, sessions)
    out = Page(path="/sign-out", handle=lambda visit: sign_in.out(visit.request), method="POST")
    return _mounted(
        gate,
        [
            Route("/sign-in", gate.anybody(sign_in.leave)),
            Route(CALLBACK, gate.anybody(sign_in.back)),
            Route(out.path, gate.to(out), methods=[out.method]),
            Route("/signed-out", gate.anybody(gate.signed_out)),
        ],
    )


def _mounted(gate: _Gate, more: list[BaseRoute]) -> Mounted:
    application = Starlette(
        routes=[
            Route("/static/{name}", static.serve),
            *more,
            *(Route(page.path, gate.to(page), methods=[page.method]) for page in PAGES),
        ],
        exception_handlers=dict.fromkeys((Refused, HTTPException, Exception), gate.failed),
    )
    application.router.redirect_slashes = False
    home = [Route(PATH, gate.home), Route(f"{PATH}/", gate.home)]
    return Mounted(gate.base, [*home, Mount(PATH, app=application)])


class _Gate:
    """What every request to a page goes through."""

    def __init__(self, console: Console, visitors: Visitors) -> None:
        self.base = console.base
        self._console = console
        self._visitors = visitors

    def to(self, page: Page) -> Callable[[Request], Awaitable[Response]]:
        """The endpoint of a page."""
        return self.anybody(lambda request: self._answer(page, request))

    def anybody(
        self, answer: Callable[[Request], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """The endpoint of something that anybody may ask for: in time, and with a page for every
        failure."""

        async def endpoint(request: Request) -> Response:
            try:
                async with asyncio.timeout(ANSWER_WITHIN):
                    return await answer(request)
            except TimeoutError:
                path = request.scope["path"]
                late = TemporalUnavailable(f"{path}: no answer within {ANSWER_WITHIN:g} s")
                raise _as_refused(late) from None
            except TidegateError as error:
                raise _as_refused(error) from error

        return endpoint

    async def home(self, request: Request) -> Response:
        """To the first page."""
        return RedirectResponse(
            f"{self._console.base}{incidents.PATH}", 303, {"Cache-Control": "no-store", **HEADERS}
        )

    async def signed_out(self, request: Request) -> Response:
        return framed(
            "notice.html",
            200,
            self._console,
            session=None,
            title="You are signed out",
            text="On a machine that others use, also sign out of your identity provider.",
            commands=(),
        )

    async def _answer(self, page: Page, request: Request) -> Response:
        self._check_host(request)
        session = await self._visitors.session(request)
        if session is None:
            return self._sign_in(request)
        request.state.session = session
        form = await self._form(request) if page.method == "POST" else {}
        if page.method == "POST" and not session.owns(form.pop(_CSRF, "")):
            raise _forged("the form is of no page of this session")
        if not session.caller.role.covers(page.role):
            raise Refused(
                403,
                "RoleTooLow",
                "That takes another role",
                f"It takes the role {page.role}, and yours is {session.caller.role}.",
            )
        return await page.handle(
            Visit(request=request, session=session, console=self._console, form=form)
        )

    def _check_host(self, request: Request) -> None:
        """Where nobody signs in, a name that leads here by somebody else's choice does not count:
        its pages could read and send ours."""
        if self._console.origin is None and not _is_local(request):
            raise Refused(
                403,
                "OtherHost",
                "This console is for this machine",
                "Open it as 127.0.0.1 or localhost.",
            )

    def _sign_in(self, request: Request) -> Response:
        """What somebody gets whom nobody knows: a page leads to where they sign in, and then back.
        Neither a form nor a part of a page does: what they sent is not done later."""
        path = request.scope["path"].removeprefix(PATH)
        query = request.scope["query_string"].decode("latin-1")
        if request.method in ("GET", "HEAD") and "hx-request" not in request.headers:
            from core.app.console.sign_in import LONGEST_NEXT

            next = f"{self._console.base}{path}" + (f"?{query}" if query else "")
            # Gateways and browsers take no header that is very long.
            wanted = f"?{urlencode({'next': next})}" if len(next) <= LONGEST_NEXT else ""
            headers = {"Cache-Control": "no-store", **HEADERS}
            return RedirectResponse(f"{self._console.base}/sign-in{wanted}", 303, headers)
        raise Refused(
            401, "NotSignedIn", "You are signed out", "Nothing was done. Sign in, and try again."
        )

    async def _form(self, request: Request) -> dict[str, str]:
        """The fields of a form of our own pages. Raises `Refused`."""
        site = request.headers.get("sec-fetch-site")
        if site not in (None, "same-origin", "none"):
            raise _forged(f"sent from a {site} page")
        origin = request.headers.get("origin")
        ours = self._console.origin or f"{request.url.scheme}://{request.url.netloc}"
        if origin not in (None, ours):
            raise _forged("sent from another origin")
        try:
            body = await body_of(
                request, longest=LONGEST_FORM, timeout=self._console.services.settings.start_timeout
            )
        except NotRead as failure:
            heading, text = _NOT_READ[failure.code]
            raise Refused(
                failure.status, failure.code, heading, text, headers=failure.headers
            ) from None
        try:
            fields = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
        except ValueError:  # not UTF-8, or too many fields
            raise Refused(400, "Invalid", "That cannot be read", "Nothing was done.") from None
        return {name: values[0] for name, values in fields.items()}

    async def failed(self, request: Request, error: Exception) -> Response:
        """The page of a request that was not answered, which is counted by its code in the log."""
        match error:
            case Refused():
                level = logging.ERROR if error.status >= 500 else logging.WARNING
                why = printable_line(error.why or error.code)
                log.log(level, "refused: %s (%d): %s", error.code, error.status, why)
                refused = error
            case HTTPException():
                heading, text = _WORDS.get(error.status_code, (error.detail, ""))
                refused = Refused(error.status_code, "", heading, text, headers=error.headers)
            case _:
                refused = Refused(500, "", *_WORDS[500])
        session = getattr(request.state, "session", None)
        return framed(
            "notice.html",
            refused.status,
            self._console,
            session=session,
            headers=refused.headers,
            title=refused.heading,
            text=refused.text,
            commands=refused.commands,
        )


def _is_local(request: Request) -> bool:
    """Whether we are asked by a name of this machine, as it was sent: `Request.url` takes our own
    address instead of a name that it does not know how to read."""
    hosts = request.headers.getlist("host")
    return len(hosts) == 1 and _LOCAL_HOST.fullmatch(hosts[0]) is not None


def _forged(why: str) -> Refused:
    return Refused(
        403,
        "Forged",
        "Nothing was done",
        "That form is not from a page that you have open now. Load the page again.",
        why=why,
    )


def _as_refused(error: TidegateError) -> Refused:
    """The refusal that an error of the core is to a visitor."""
    match error:
        case IncidentNotFound():
            heading = "There is no such incident"
            text = "Temporal does not have it, or keeps it no longer."
            return Refused(404, error.code, heading, text, why=error.message)
        case UnknownName():
            return Refused(404, error.code, "That is not there", error.message)
        case DocumentNotFound():
            return Refused(404, error.code, "That is not there", error.message)
        case AmbiguousId():
            return Refused(409, error.code, "That could be several", error.message)
        case TransientError():
            return Refused(
                503,
                error.code,
                "That does not work at the moment",
                "Something that this page needs does not answer. It does no harm to try again.",
                headers={"Retry-After": "5"},
                why=str(error),
            )
        case ConfigurationError():
            return Refused(
                503,
                error.code,
                "That does not work yet",
                "The operator has to change something first: the log says what.",
                headers={"Retry-After": "60"},
                why=str(error),
            )
        case _:
            return Refused(500, error.code, *_WORDS[500], why=str(error))


def origin_of(url: str) -> str:
    """The origin of an address, as browsers say it: without the port that goes with its scheme."""
    parts = urlsplit(url)
    host = parts.netloc.lower()
    default = {"https": ":443", "http": ":80"}.get(parts.scheme, "")
    return f"{parts.scheme}://{host.removesuffix(default)}"
