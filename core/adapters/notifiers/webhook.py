"""Notifications to any URL, signed as Standard Webhooks, so that the receiver knows the sender.

The receiver verifies the three `webhook-*` headers with the raw body and the shared secret (every
language has a library for it), and drops a `webhook-id` that it has seen: ours stays the same over
retries.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from core.adapters.notifiers import http_post
from core.adapters.notifiers.channel import Channel
from core.errors import NotificationFailed
from core.ports.notifier import Address, Notification

if TYPE_CHECKING:
    from core.domain.targets import WebhookTarget

SECRET_PREFIX: Final = "whsec_"  # noqa: S105  # a prefix of secrets, and public
MIN_SECRET_BYTES: Final = 24
"""The minimum of Standard Webhooks."""

_ID_CHARS: Final = 255


def addresses(name: str, target: WebhookTarget, values: Mapping[str, str]) -> tuple[Address, ...]:
    """One address, with the secret or secrets that sign what goes there."""
    url, secret = values[target.url_env], values[target.secret_env]
    return (Address(name=name, kind=target.kind, url=url, secret=secret),)


def check(address: Address) -> None:
    http_post.host(address.url)
    keys(address.secret.split())


async def send(notification: Notification, address: Address, timeout: float) -> None:
    """Post the notification as JSON, signed with each of the address's secrets (separated by
    spaces), so that a secret can be rotated without a gap."""
    secrets = address.secret.split()
    text = json.dumps(payload(notification), ensure_ascii=False)
    body = text.encode(errors="replace")
    headers = signed(body, id=webhook_id(notification.key), secrets=secrets)
    await http_post.post(address.url, body, headers, secrets=secrets, timeout=timeout)


def payload(notification: Notification) -> dict[str, Any]:
    """The notification as the JSON object that is posted."""
    return {
        "kind": notification.kind.value,
        "incident_id": notification.incident_id,
        "dedup_key": notification.dedup_key,
        "title": notification.title,
        "body": notification.body,
        "severity": notification.severity,
        "handle": notification.handle,
        "url": notification.url,
        "links": [{"name": name, "url": url} for name, url in notification.links],
    }


def signed(body: bytes, *, id: str, secrets: list[str]) -> dict[str, str]:
    """The headers that sign a body now. Raises `NotificationFailed` for an invalid secret."""
    from standardwebhooks import Webhook

    now = datetime.now(UTC)
    text = body.decode()
    signatures = [Webhook(key).sign(id, now, text) for key in keys(secrets)]
    return {
        "webhook-id": id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def webhook_id(key: str) -> str:
    """A notification's key as a header: printable ASCII without spaces, at most 255 characters."""
    plain = quote(key, safe=":/@#,;=+", errors="replace")
    if len(plain) <= _ID_CHARS:
        return plain
    digest = hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()
    return f"{plain[: _ID_CHARS - len(digest) - 1]}~{digest}"


def keys(secrets: list[str]) -> list[bytes]:
    """The bytes to sign with. Raises `NotificationFailed` for no secret, or an invalid one."""
    if not secrets:
        raise NotificationFailed("it has no secret to sign with")
    return [_key(secret) for secret in secrets]


def _key(secret: str) -> bytes:
    """The secret's bytes. Raises `NotificationFailed` if it is invalid: the library takes anything
    that resembles base64, down to one byte, so a mistyped secret would sign, and no receiver could
    say why it does not match."""
    text = secret.removeprefix(SECRET_PREFIX)
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) < MIN_SECRET_BYTES:
        raise NotificationFailed(
            f"its secret is not {SECRET_PREFIX} with base64 of at least {MIN_SECRET_BYTES} bytes"
        )
    return key


CHANNEL: Final = Channel(addresses=addresses, check=check, send=send)
