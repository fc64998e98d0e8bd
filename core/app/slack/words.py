"""What a user of Slack is told, and nobody else in the channel: as the answer to a slash command,
or, after a button, at the address that came with it."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any, Final
from urllib.parse import urlsplit

from starlette.background import BackgroundTask

from core.errors import third_party

log = logging.getLogger("tidegate.app")

_HOSTS: Final = ("hooks.slack.com", "hooks.slack-gov.com")
_LOOPBACK: Final = "127.0.0.1"
_TIMEOUT: Final = 2.0


def ephemeral(text: str) -> dict[str, Any]:
    """A word for one user, in Slack's markup."""
    return {"response_type": "ephemeral", "replace_original": False, "text": text}


def word_to(address: str, text: str) -> BackgroundTask:
    """Tell a user something, once the request has been answered."""
    return BackgroundTask(_tell, address, text)


async def _tell(address: str, text: str) -> None:
    if not _is_slacks(address):
        log.warning("a word to a user of Slack has no address to go to")
        return
    try:
        await asyncio.to_thread(_post, address, json.dumps(ephemeral(text)).encode())
    except (OSError, ValueError) as error:
        log.warning("a word to a user of Slack has not arrived: %s", third_party(error))


def _is_slacks(address: str) -> bool:
    """Whether it is where Slack takes answers, or on this machine."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return False
    if parts.scheme == "https":
        return parts.hostname in _HOSTS and port in (None, 443)
    return parts.scheme == "http" and parts.hostname == _LOOPBACK


def _post(address: str, body: bytes) -> None:
    from http.client import HTTPException
    from urllib.request import HTTPRedirectHandler, Request, build_opener

    class NoRedirects(HTTPRedirectHandler):
        def redirect_request(self, *_: object) -> None:
            """None: a redirect is an error, like any other answer that is not 200."""

    request = Request(  # noqa: S310  # its scheme is known
        address, data=body, headers={"Content-Type": "application/json"}, method="POST"
    )
    try:
        with build_opener(NoRedirects).open(request, timeout=_TIMEOUT):
            pass
    except HTTPException as error:
        raise OSError(str(error) or type(error).__name__) from error
