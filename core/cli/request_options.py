"""The options that describe a request to a webhook: `--hook` and `--header`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Final

import typer

Hook = Annotated[
    str | None, typer.Option(help="Take the file as the body of a request to /hooks/HOOK.")
]
Headers = Annotated[
    list[str] | None,
    typer.Option("--header", "-H", help="A header of that request, 'Name: value'; repeatable."),
]


_HEADER: Final = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*:[ \t]*([\t\x20-\x7e\xa0-\xff]*)")
"""A header as HTTP can carry it: a token, and a value in Latin-1 without control characters."""


def parse_headers(lines: Sequence[str] | None) -> dict[str, str]:
    """Headers by their lower-case names, from lines like `Name: value`. The content type is JSON
    unless one of them says otherwise. Raises `typer.BadParameter`."""
    headers = {"content-type": "application/json"}
    for line in lines or ():
        header = _HEADER.fullmatch(line.strip())
        if header is None:
            raise typer.BadParameter(f"{line!r} is not a header like 'Name: value'")
        headers[header[1].lower()] = header[2]
    return headers
