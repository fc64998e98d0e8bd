"""One POST for the channels that speak HTTP: bounded in time, and no secret in its errors.

Through requests, which takes proxies and certificates from the environment. Redirects are not
followed: what is signed for one address, or carries a key for it, goes nowhere else. The library's
exceptions quote whole URLs, so only their type is reported.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

from core.adapters.notifiers.redaction import redacted
from core.errors import NotificationFailed

# Its own threads: a server that hangs keeps one until it gives up, and starves nothing else.
_THREADS: Final = ThreadPoolExecutor(16, thread_name_prefix="http-post")
_READ_BYTES: Final = 2048


async def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    secrets: Sequence[str] = (),
    timeout: float,
) -> None:
    """Deliver a JSON body; any status of 200 to 299 is a delivery.

    Takes at most `timeout` seconds; a server that answers byte by byte may keep its thread for
    longer. Raises `NotificationFailed` with the host and the reason, without `secrets` and without
    the rest of the URL.
    """
    where = host(url)
    loop = asyncio.get_running_loop()
    sending = loop.run_in_executor(_THREADS, _post, url, body, headers, timeout)
    try:
        failure = await asyncio.wait_for(sending, timeout)
    except TimeoutError:
        failure = f"did not answer within {timeout:g} s"
    if failure:
        raise NotificationFailed(f"{where} {redacted(failure, url, secrets)}")


def host(url: str) -> str:
    """Scheme, host and port, which are no secret. Raises `NotificationFailed` unless it is HTTP."""
    with suppress(ValueError):
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
        if parts.scheme in ("http", "https") and parts.hostname:
            return f"{parts.scheme}://{parts.hostname}{port}"
    raise NotificationFailed("its address is not an http or https URL")


def _post(url: str, body: bytes, headers: Mapping[str, str], timeout: float) -> str | None:
    """None when it was delivered, else why not."""
    import requests

    try:
        with requests.post(
            url,
            data=body,
            headers={"Content-Type": "application/json", "User-Agent": "tidegate", **headers},
            timeout=timeout,
            allow_redirects=False,
            stream=True,
        ) as answer:
            if 200 <= answer.status_code < 300:
                return None
            retry_after = answer.headers.get("Retry-After")
            later = f", to be tried again after {retry_after}" if retry_after else ""
            reason = answer.raw.read(_READ_BYTES, decode_content=True).decode(errors="replace")
            return f"answered {answer.status_code}{later}: {reason}"
    except requests.Timeout:
        return f"did not answer within {timeout:g} s"
    except (requests.RequestException, OSError, ValueError) as error:
        return f"could not be reached ({type(error).__name__})"
