"""The application's pages: rendered here from templates that escape what they show, without
scripts, and with the headers that let a browser do nothing else.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse

_TEMPLATES: Final = Path(__file__).with_name("templates")
_STYLE: Final = (_TEMPLATES / "style.css").read_text(encoding="utf-8")
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_PAGES: Final = Environment(
    loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined
)
_PAGES.globals["style"] = Markup(_STYLE)  # noqa: S704  # our own file

HEADERS: Final = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
"""Of every page: nothing is loaded, framed, kept or passed on."""


class Refused(Exception):
    """What a request asks for is not done: `heading` and `text` tell whoever sent it why, and
    `commands` what they can type instead, `link` where it is in the console. `code` and `why` are
    for the log."""

    def __init__(
        self,
        status: int,
        code: str,
        heading: str,
        text: str,
        *,
        commands: Sequence[str] = (),
        link: str | None = None,
        headers: Mapping[str, str] | None = None,
        why: str = "",
    ) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.heading = heading
        self.text = text
        self.commands = commands
        self.link = link
        self.headers = headers or {}
        self.why = why


def page(
    template: str, status: int, headers: Mapping[str, str] | None = None, **values: Any
) -> HTMLResponse:
    """A page of a template."""
    html = _PAGES.get_template(template).render(values)
    return HTMLResponse(html, status, {**HEADERS, **(headers or {})})


def notice(refused: Refused) -> HTMLResponse:
    """The page of a refusal."""
    return page(
        "notice.html",
        refused.status,
        refused.headers,
        title=refused.heading,
        text=refused.text,
        commands=refused.commands,
        link=refused.link,
    )
