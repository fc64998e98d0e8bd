"""The console's files: its style, its icon, and its two scripts.

`htmx.min.js` is, to the byte, the file of the npm package in tests/support/npm/package.json.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

_FOLDER: Final = Path(__file__).with_name("static")
_TYPES: Final = {
    "console.css": "text/css; charset=utf-8",
    "console.js": "text/javascript; charset=utf-8",
    "htmx.min.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
_FILES: Final = {name: (_FOLDER / name).read_bytes() for name in _TYPES}

TAGS: Final = {name: hashlib.sha256(body).hexdigest()[:24] for name, body in _FILES.items()}
"""What is different in the address of a file whenever the file is."""


def file(name: str) -> bytes:
    """The content of a file."""
    return _FILES[name]


async def serve(request: Request) -> Response:
    """A file, which a browser keeps for as long as its pages name it."""
    name = request.path_params["name"]
    if name not in _FILES:
        raise HTTPException(404)
    tag = f'"{TAGS[name]}"'
    headers = {
        "ETag": tag,
        "Cache-Control": "public, max-age=31536000, immutable",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(_FILES[name], 200, headers, _TYPES[name])
