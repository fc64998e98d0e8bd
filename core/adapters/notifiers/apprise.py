"""Notifications through apprise: chat, mail, pagers, webhooks, each an URL.

Apprise is imported at the first page: it is large, and most processes never page.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from core.errors import NotificationFailed
from core.ports.notifier import Notification

if TYPE_CHECKING:
    from apprise import NotifyBase

KEY_HEADER: Final = "Idempotency-Key"
"""Set on channels that send headers (json://, xml://, form:// and their TLS forms)."""

_THREADS: Final = 16
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,39}")
_SECRET_CHARS: Final = 5
_SAID_CHARS: Final = 200
_KINDS: Final = {"critical": "failure", "high": "failure", "medium": "warning"}

# What apprise logs may hold whole URLs, and with them secrets: it goes to our errors, redacted, and
# nowhere else.
_LOG: Final = logging.getLogger("apprise")
_LOG.propagate = False
_LOG.addHandler(logging.NullHandler())


class AppriseNotifier:
    """Reaches apprise URLs.

    A call takes at most `timeout` seconds. A channel that hangs longer keeps its thread until it
    gives up; the threads are this notifier's own, so that it starves nothing else.
    """

    def __init__(self, *, timeout: float = 20.0) -> None:
        self._timeout = timeout
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="notify")

    async def notify(self, notification: Notification, targets: Sequence[str]) -> None:
        results = await asyncio.gather(*(self.deliver(notification, url) for url in targets))
        failures = [failure for failure in results if failure]
        if failures:
            raise NotificationFailed(f"page {notification.key}: {'; '.join(failures)}")

    async def deliver(self, notification: Notification, url: str) -> str | None:
        """None when the target took it, else which target did not and why, without secrets."""
        loop = asyncio.get_running_loop()
        sending = loop.run_in_executor(self._threads, _send, notification, url, self._timeout)
        try:
            return await asyncio.wait_for(sending, self._timeout)
        except TimeoutError:
            return f"{_scheme(url)}://... did not answer within {self._timeout:g} s"


def knows(url: str) -> bool:
    """Whether apprise has a channel for a URL, which says nothing about its tokens."""
    import apprise

    return apprise.Apprise.instantiate(url, suppress_exceptions=True) is not None


def _send(notification: Notification, url: str, timeout: float) -> str | None:
    import apprise

    channel = apprise.Apprise.instantiate(url, suppress_exceptions=True)
    if channel is None:
        return f"{_scheme(url)}://... is not a URL that apprise knows"
    headers = getattr(channel, "headers", None)
    if isinstance(headers, dict):
        headers[KEY_HEADER] = quote(notification.key, safe=":/@#,;=+ ")
    sender = apprise.Apprise()
    sender.add(channel)
    result = sender.notify(
        title=notification.title,
        body=f"{notification.body}\n\nPage: {notification.key}",
        notify_type=_KINDS.get(notification.severity, "info"),
        body_format="text",
        timeout=timeout,
        log_level=logging.WARNING,
    )
    if result:
        return None
    said = "; ".join(str(entry.message) for entry in result.logs())
    return f"{_masked(channel)} did not take it: {_redacted(said, url) or result.status.name}"


def _masked(channel: NotifyBase) -> str:
    """The beginning of the channel's URL, without its secrets; apprise leaves some of them in the
    path of a web hook, and in the query."""
    url = str(channel.url(privacy=True))  # type: ignore[no-untyped-call]  # as apprise ships it
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{re.split('[/?#]', rest)[0]}"


def _redacted(said: str, url: str) -> str:
    """What apprise says about a failure, without any longer part of the URL that it may quote."""
    for part in sorted(re.split(r"\W+", url), key=len, reverse=True):
        if len(part) >= _SECRET_CHARS:
            said = said.replace(part, "***")
    return " ".join(said.split())[:_SAID_CHARS]


def _scheme(url: str) -> str:
    scheme = url.partition("://")[0]
    return scheme if _SCHEME.fullmatch(scheme) and scheme != url else "?"
