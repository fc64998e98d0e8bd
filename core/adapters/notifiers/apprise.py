"""Notifications through apprise, which knows over a hundred services, each by a URL.

Apprise is imported at the first page: it is large, and most processes never page. Of its services,
each a module, only the one that a URL names is imported where that is possible: apprise itself
imports all of them to find one, which takes longer than everything else up to the first page.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from core.adapters.notifiers.channel import Channel
from core.adapters.notifiers.fitting import fitted
from core.adapters.notifiers.markup import harmless
from core.adapters.notifiers.redaction import redacted
from core.errors import NotificationFailed
from core.ports.notifier import Address, Notification, NotificationKind

if TYPE_CHECKING:
    from apprise import NotifyBase

    from core.domain.targets import AppriseTarget

KEY_HEADER: Final = "Idempotency-Key"
"""Set on services that send headers (json://, xml://, form:// and their TLS forms)."""

# Its own threads: a service that hangs keeps one until it gives up, and starves nothing else.
_THREADS: Final = ThreadPoolExecutor(16, thread_name_prefix="apprise")
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,39}")
_MODULES: Final[Mapping[str, str]] = {
    "gchat": "google_chat",
    "mailto": "email",
    "mailtos": "email",
    "mmost": "mattermost",
    "mmosts": "mattermost",
    "o365": "office365",
    "pover": "pushover",
    "rocket": "rocketchat",
    "rockets": "rocketchat",
    "signal": "signal_api",
    "signals": "signal_api",
    "tgram": "telegram",
    "webex": "webexteams",
    "workflow": "workflows",
    "wxteams": "webexteams",
}
"""Apprise's modules for schemes that teams are paged by and whose names differ. Any other scheme
works as well, only more slowly the first time."""
_HOST: Final = re.compile(r"([\w-]+(\.[\w-]+)+|localhost|\[[0-9A-Fa-f:.]+\])(:\d+)?")
_TYPES: Final = {"critical": "failure", "high": "failure", "medium": "warning"}

# What apprise logs may contain whole URLs, and with them secrets: it goes to our errors, redacted,
# and nowhere else.
_LOG: Final = logging.getLogger("apprise")
_LOG.propagate = False
_LOG.addHandler(logging.NullHandler())


def addresses(name: str, target: AppriseTarget, values: Mapping[str, str]) -> tuple[Address, ...]:
    """One address per URL, so that each page has one outcome. Each of several is named by its
    scheme and a digest, which give no secret away."""
    urls = list(dict.fromkeys(values[target.url_env].split()))
    return tuple(
        Address(
            name=name if len(urls) == 1 else f"{name}:{_digest(url)}", kind=target.kind, url=url
        )
        for url in urls
    )


def check(address: Address) -> None:
    if _service(address.url) is None:
        raise NotificationFailed("apprise knows no such URL")


async def send(notification: Notification, address: Address, timeout: float) -> None:
    loop = asyncio.get_running_loop()
    sending = loop.run_in_executor(_THREADS, _send, notification, address.url, timeout)
    try:
        failure = await asyncio.wait_for(sending, timeout)
    except TimeoutError:
        failure = f"{_scheme(address.url)}://... did not answer within {timeout:g} s"
    if failure:
        raise NotificationFailed(failure)


def _send(notification: Notification, url: str, timeout: float) -> str | None:
    """None when the service took it, else which one did not and why, without secrets."""
    import apprise

    service = _service(url)
    if service is None:
        return f"{_scheme(url)}://... is not a URL that apprise knows"
    headers = getattr(service, "headers", None)
    if isinstance(headers, dict):
        headers[KEY_HEADER] = quote(notification.key, safe=":/@#,;=+ ")
    sender = apprise.Apprise()
    sender.add(service)
    title, body = _text(notification, service)
    result = sender.notify(
        title=title,
        body=body,
        notify_type=_TYPES.get(notification.severity, "info"),
        body_format="text",
        timeout=timeout,
        log_level=logging.WARNING,
    )
    if result:
        return None
    reason = "; ".join(str(entry.message) for entry in result.logs())
    return f"{_masked(service)} did not take it: {redacted(reason, url) or result.status.name}"


def _service(url: str) -> NotifyBase | None:
    """The service that a URL addresses; None for a URL that apprise does not know."""
    import apprise

    if kind := _kind(_scheme(url).lower()):
        # As apprise does it: a "/#" is part of the path.
        try:
            service: NotifyBase = kind(**kind.parse_url(url.replace("/#", "/%23")))
        except TypeError:  # an invalid URL; apprise's own way says so in its log
            pass
        else:
            return service if service.enabled else None
    return apprise.Apprise.instantiate(url, suppress_exceptions=True)


def _kind(scheme: str) -> Any:
    """Apprise's class for a scheme, found by the name of its module; None if that fails."""
    from apprise import NotifyBase

    for name in _module_names(scheme):
        if find_spec(f"apprise.plugins.{name}"):
            module = import_module(f"apprise.plugins.{name}")
            for kind in vars(module).values():
                is_service = isinstance(kind, type) and issubclass(kind, NotifyBase)
                if is_service and scheme in kind.schemas(kind):
                    return kind if kind.enabled else None
    return None


def _module_names(scheme: str) -> Iterator[str]:
    """What apprise may have named the module of a scheme: `slack`, `custom_json` for `jsons`."""
    if scheme.isidentifier():
        for name in (_MODULES.get(scheme, scheme), scheme.removesuffix("s")):
            yield name
            yield f"custom_{name}"


def _text(notification: Notification, service: NotifyBase) -> tuple[str, str]:
    """Title and body, cut to what the service takes, unless its URL says what to do with more."""
    title, body = notification.title, notification.body
    key = harmless(_key(notification))
    if service.overflow_mode != "upstream":
        return title, f"{body}\n\n{key}"
    return fitted(
        title,
        body,
        key,
        title_limit=service.title_maxlen,
        limit=service.body_maxlen,
        together=service.overflow_amalgamate_title,
    )


def _key(notification: Notification) -> str:
    """The line by which people recognise a repeat: the message's key, with the incident's handle
    in place of its long ID, which is among the facts."""
    incident, key = notification.incident_id, notification.key
    if incident and key.startswith(f"{incident}/"):
        key = f"{notification.handle}{key.removeprefix(incident)}"
    return f"{'Page' if notification.kind is NotificationKind.PAGE else 'Message'}: {key}"


def _masked(service: NotifyBase) -> str:
    """The scheme of the service's URL, with its host if it has one: in that place some services
    have a telephone number or a key."""
    url = str(service.url(privacy=True))  # type: ignore[no-untyped-call]  # as apprise ships it
    scheme, _, rest = url.partition("://")
    host = re.split("[/?#]", rest)[0].rpartition("@")[2]
    return f"{scheme}://{host if _HOST.fullmatch(host) else '...'}"


def _scheme(url: str) -> str:
    scheme = url.partition("://")[0]
    return scheme if _SCHEME.fullmatch(scheme) and scheme != url else "?"


def _digest(url: str) -> str:
    scheme, separator, _ = url.partition("://")
    digest = hashlib.sha256(url.encode(errors="surrogatepass")).hexdigest()[:8]
    return f"{scheme if separator else 'target'}#{digest}"


CHANNEL: Final = Channel(addresses=addresses, check=check, send=send)
