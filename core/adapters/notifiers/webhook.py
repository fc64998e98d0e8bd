"""Notifications to any web address, signed by Standard Webhooks, so that the receiver knows who
sends them.

The receiver verifies the three `webhook-*` headers with the raw body and the shared secret (every
language has a library for it), and drops a `webhook-id` that it has seen: ours stays the same over
retries.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

from core.adapters.notifiers.http_post import Poster
from core.errors import NotificationFailed
from core.ports.notifier import Notification, Target

SECRET_PREFIX: Final = "whsec_"  # noqa: S105  # a prefix of secrets, and public
LEAST_SECRET_BYTES: Final = 24
"""What Standard Webhooks asks for."""

_ID_CHARS: Final = 255


class WebhookNotifier:
    """Posts JSON: `kind` (page, acknowledged, resolved), `incident_id`, `dedup_key`, `title`,
    `body`, `severity`."""

    def __init__(self, poster: Poster) -> None:
        self._poster = poster

    async def send(self, notification: Notification, target: Target) -> None:
        """Deliver to one web address.

        A target with several secrets, separated by blanks, is signed with each: so a secret is
        changed without a gap. Raises `NotificationFailed`.
        """
        secrets = target.secret.split()
        text = json.dumps(payload(notification), ensure_ascii=False)
        body = text.encode(errors="replace")
        headers = signed(body, id=webhook_id(notification.key), secrets=secrets)
        await self._poster.post(target.address, body, headers, secrets=secrets)


def payload(notification: Notification) -> dict[str, str]:
    return {
        "kind": notification.kind.value,
        "incident_id": notification.incident_id,
        "dedup_key": notification.dedup_key,
        "title": notification.title,
        "body": notification.body,
        "severity": notification.severity,
    }


def signed(body: bytes, *, id: str, secrets: list[str]) -> dict[str, str]:
    """The headers that sign a body now. Raises `NotificationFailed` for a secret that is none."""
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
    """A page's key as a header's value: printable ASCII without blanks, at most 255 characters."""
    plain = quote(key, safe=":/@#,;=+", errors="replace")
    if len(plain) <= _ID_CHARS:
        return plain
    digest = hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()
    return f"{plain[: _ID_CHARS - len(digest) - 1]}~{digest}"


def keys(secrets: list[str]) -> list[bytes]:
    """What the secrets sign with. Raises `NotificationFailed` where there is none, or a bad one."""
    if not secrets:
        raise NotificationFailed("it has no secret to sign with")
    return [_key(secret) for secret in secrets]


def _key(secret: str) -> bytes:
    """The bytes to sign with. The library takes anything that resembles base64, down to one byte;
    a secret with a slip in it would sign, and no receiver could tell why it does not match."""
    text = secret.removeprefix(SECRET_PREFIX)
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) < LEAST_SECRET_BYTES:
        raise NotificationFailed(
            f"its secret is not {SECRET_PREFIX} with base64 of at least {LEAST_SECRET_BYTES} bytes"
        )
    return key
