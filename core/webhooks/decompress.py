"""The body of a verified request as the sender wrote it, before compression."""

from __future__ import annotations

import zlib
from typing import Final

from core.errors import InvalidEvent
from core.webhooks.request import Request

_GZIP: Final = 16 + zlib.MAX_WBITS
_PLAIN: Final = ("", "identity")


class TooLarge(Exception):
    """The decompressed body would be larger than its endpoint accepts."""


class UnknownEncoding(Exception):
    """The body's content encoding is not supported."""


def decompress(request: Request, limit: int) -> bytes:
    """The body, decompressed if it is gzip; at most `limit` bytes of it are ever produced. Raises
    `TooLarge`, `UnknownEncoding`, or `InvalidEvent` for what is labelled gzip and is not.
    """
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding in _PLAIN:
        return request.body
    if encoding not in ("gzip", "x-gzip"):
        raise UnknownEncoding(encoding)
    decompressor = zlib.decompressobj(_GZIP)
    try:
        body = decompressor.decompress(request.body, limit + 1)
    except zlib.error as error:
        raise InvalidEvent(f"the body is labelled gzip and is not: {error}") from error
    if len(body) > limit:
        raise TooLarge
    if not decompressor.eof or decompressor.unused_data:
        raise InvalidEvent("the body is labelled gzip and is not one whole gzip stream")
    return body
