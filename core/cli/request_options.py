"""The options that describe a request to a webhook: `--hook` and `--header`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

Hook = Annotated[
    str | None, typer.Option(help="Take the file as the body of a request to /hooks/HOOK.")
]
Headers = Annotated[
    list[str] | None,
    typer.Option("--header", "-H", help="A header of that request, 'Name: value'; repeatable."),
]


def parse_headers(lines: Sequence[str] | None) -> dict[str, str]:
    """Headers by their lower-case names, from lines like `Name: value`. The content type is JSON
    unless one of them says otherwise. Raises `typer.BadParameter`."""
    headers = {"content-type": "application/json"}
    for line in lines or ():
        name, colon, text = line.partition(":")
        if not colon or not name.strip():
            raise typer.BadParameter(f"{line!r} is not a header like 'Name: value'")
        headers[name.strip().lower()] = text.strip()
    return headers
