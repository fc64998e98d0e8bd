"""The body of a verified request, unpacked: what the sender wrote before it compressed it."""

from __future__ import annotations

import zlib
from typing import Final

from core.errors import InvalidEvent
from core.webhooks.request import Request

_GZIP: Final = 16 + zlib.MAX_WBITS
_PLAIN: Final = ("", "identity")


class TooLarge(Exception):
    """The body would be larger, unpacked, than its endpoint takes."""


class UnknownEncoding(Exception):
    """The body is packed in a way that is not taken."""


def decompress(request: Request, limit: int) -> bytes:
    """The body, unpacked if it is gzip. No more than `limit` bytes are ever written out, whatever
    the body claims to hold. Raises `TooLarge`, `UnknownEncoding`, or `InvalidEvent` for what is
    not gzip though it says so.
    """
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding in _PLAIN:
        return request.body
    if encoding not in ("gzip", "x-gzip"):
        raise UnknownEncoding(encoding)
    unpacker = zlib.decompressobj(_GZIP)
    try:
        body = unpacker.decompress(request.body, limit + 1)
    except zlib.error as error:
        raise InvalidEvent(f"the body is not gzip, as its encoding says: {error}") from error
    if len(body) > limit:
        raise TooLarge
    if not unpacker.eof or unpacker.unused_data:
        raise InvalidEvent("the body is not one whole gzip stream, as its encoding says")
    return body
