"""One HTTP request, by the standard library: what an operator's machine always has.

A redirect is not followed: the request may carry a token or a signature. No error quotes a URL's
query, which may be a secret.
"""

from __future__ import annotations

import asyncio
import http.client
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from core.errors import DeploymentUnavailable, SettingsError
from core.ports.deployment import Answer

_TIMEOUT: Final = 35.0
"""Seconds; a gateway answers within 30."""
_MOST: Final = 64 * 1024
"""Bytes of an answer that are read."""
_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")


class NotFollowed(urllib.request.HTTPRedirectHandler):
    """A redirect is an error, like any other answer that is not a success."""

    def redirect_request(self, *_: Any) -> None:
        return None


async def post(url: str, headers: Mapping[str, str], body: bytes) -> Answer:
    """The answer to a POST. Raises `SettingsError` for a URL that is not https, other than of this
    machine, and `DeploymentUnavailable` where nothing answers."""
    scheme, host = _origin(url)
    if not is_loopback(url) and not (scheme == "https" and host):
        shown = url.partition("?")[0].rpartition("@")[2]
        fix = "give the whole URL, in ASCII and without a password"
        raise SettingsError(f"{shown} is not an https:// URL", fix=fix)
    return await asyncio.to_thread(_post, url, headers, body)


def is_loopback(url: str) -> bool:
    """Whether the URL leads to a plain server on this machine, as a local stack's do."""
    scheme, host = _origin(url)
    return scheme == "http" and host in _LOOPBACK


def _origin(url: str) -> tuple[str, str]:
    """Scheme and host of a URL; empty for one that no request can be sent to."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "", ""
    sendable = parts.username is None and port != 0 and all("!" <= char <= "~" for char in url)
    return (parts.scheme, parts.hostname or "") if sendable else ("", "")


def _post(url: str, headers: Mapping[str, str], body: bytes) -> Answer:
    handlers: list[urllib.request.BaseHandler] = [NotFollowed()]
    if is_loopback(url):
        handlers.append(urllib.request.ProxyHandler({}))
    opener = urllib.request.build_opener(*handlers)
    request = urllib.request.Request(url, data=body, headers=dict(headers), method="POST")  # noqa: S310  # its scheme was checked
    try:
        with opener.open(request, timeout=_TIMEOUT) as answer:
            return Answer(answer.status, answer.read(_MOST))
    except urllib.error.HTTPError as refused:
        with refused:
            return Answer(refused.code, refused.read(_MOST))
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise DeploymentUnavailable(f"{urlsplit(url).netloc} does not answer: {reason}") from None
