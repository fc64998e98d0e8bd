"""The frame of the console: what a page is, what it gets of a visit, and what all pages share.

A page module lists its `Page`s and knows nothing of sessions, forged forms or failures: before
`handle` is called, the visitor is known, has the page's role, and a form is theirs and whole.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeVar
from urllib.parse import urlencode

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from core.app.console import static
from core.app.console.sessions import Session
from core.app.identity.caller import Role
from core.app.pages import Refused, page
from core.app.services import Services
from core.domain.problems import problems_of

PATH: Final = "/console"
"""Where the console is, below the application's address."""

HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    # With `no-referrer` browsers would not say where a form comes from either.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""Of every page of the console, besides those of all pages."""

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class Console:
    """What all pages share: `base` is the path of the console as browsers see it, without a slash
    at its end, `origin` the origin of its pages, None for whatever name of this machine it is asked
    by."""

    base: str
    origin: str | None
    services: Services


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One request of somebody who is known and may make it. `form` has the fields of a form that
    was sent, without the frame's own."""

    request: Request
    session: Session
    console: Console
    form: Mapping[str, str]

    def query(self, model: type[M]) -> M:
        """The parameters in the address; those that are empty count as left out. Raises
        `Refused`."""
        return read(model, {n: v for n, v in self.request.query_params.items() if v})

    def url(self, path: str, **query: str | None) -> str:
        """The address of a path of the console."""
        parameters = {name: value for name, value in query.items() if value is not None}
        return f"{self.console.base}{path}" + (f"?{urlencode(parameters)}" if parameters else "")

    def page(
        self,
        template: str,
        status: int = 200,
        *,
        headers: Mapping[str, str] | None = None,
        **values: Any,
    ) -> Response:
        """A page of a template of templates/console, with all that the frame shows. A whole one
        has a `title`; `section` is the path of the page in the navigation that it belongs to."""
        return framed(
            template,
            status,
            self.console,
            session=self.session,
            path=self.request.scope["path"].removeprefix(PATH),
            headers=headers,
            **values,
        )

    def see(self, path: str, **query: str | None) -> Response:
        """The answer to a form: to look at another page, by a GET."""
        return RedirectResponse(
            self.url(path, **query), 303, {"Cache-Control": "no-store", **HEADERS}
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What one method does at one path of the console, and the least role that may ask for it.
    With a `name` it is in the navigation."""

    path: str
    handle: Callable[[Visit], Awaitable[Response]]
    role: Role = Role.VIEWER
    method: Literal["GET", "POST"] = "GET"
    name: str | None = None


def digest(*values: object) -> str:
    """What is different whenever the values are: what a browser says it has seen."""
    return hashlib.sha256(repr(values).encode(errors="surrogatepass")).hexdigest()[:24]


def unchanged() -> Response:
    """The answer to a part of a page that shows already what there is."""
    return Response(status_code=204, headers={"Cache-Control": "no-store"})


def read(model: type[M], fields: Mapping[str, str]) -> M:
    """What somebody typed or followed, as a model. Raises `Refused`."""
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise Refused(
            400, "Invalid", "That cannot be read", "; ".join(problems_of(error))
        ) from None


def framed(
    template: str,
    status: int,
    console: Console,
    *,
    session: Session | None,
    path: str = "",
    headers: Mapping[str, str] | None = None,
    **values: Any,
) -> Response:
    """A page in the frame; to whom nobody knows it offers to sign in."""
    from core.app.console.application import NAVIGATION

    return page(
        f"console/{template}",
        status,
        {**HEADERS, **(headers or {})},
        base=console.base,
        assets={name: f"{console.base}/static/{name}?v={tag}" for name, tag in static.TAGS.items()},
        navigation=NAVIGATION,
        path=path,
        session=session,
        csrf=session.csrf if session else "",
        **values,
    )
