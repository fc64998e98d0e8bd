"""Amazon SNS over HTTPS: each message is signed with a certificate of AWS.

There is no secret. A signature of AWS does not prove whose topic a message comes from, so topics
are pinned, and with them the region of the certificate. What AWS does not sign
(`MessageAttributes`, `UnsubscribeURL`, headers) is not proven.
Source: "Verifying the signatures of Amazon SNS messages", Amazon SNS Developer Guide.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal

from pydantic import Field, PrivateAttr

from core.domain.durations import Duration
from core.errors import InvalidEvent
from core.formats.shared.json_body import load_json
from core.webhooks.request import Request
from core.webhooks.verifiers import checks
from core.webhooks.verifiers.base import NotVerified, Verifier
from core.webhooks.verifiers.certificates import Certificates, Fetch

TopicArn = Annotated[
    str,
    Field(
        pattern=r"^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}(\.fifo)?$",
        examples=["arn:aws:sns:eu-west-1:111122223333:alarms"],
    ),
]

_CONFIRMATION: Final = (
    "Message",
    "MessageId",
    "SubscribeURL",
    "Timestamp",
    "Token",
    "TopicArn",
    "Type",
)
_SIGNED: Final[Mapping[str, tuple[str, ...]]] = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": _CONFIRMATION,
    "UnsubscribeConfirmation": _CONFIRMATION,
}
"""The signed fields of each type of message, in order."""
_OPTIONAL: Final = "Subject"
_VERSIONS: Final = ("1", "2")
_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z")

_MAX_BYTES: Final = 600_000
"""SNS takes messages of 256 KiB, and hardly more than doubles one by quoting it in JSON."""
_SHARED: Final = Certificates()


class SnsVerifier(Verifier):
    """Messages of the pinned topics. Raw message delivery, which is not signed, is refused."""

    scheme: Literal["sns"]
    topic_arns: tuple[TopicArn, ...] = Field(min_length=1, max_length=100)
    tolerance: Duration = Field(
        timedelta(hours=1),
        description="How old a message may be. SNS retries for as long as the subscription's "
        "delivery policy says, an hour at most.",
    )

    _certificates: Certificates | None = PrivateAttr(None)

    @property
    def max_unproven_bytes(self) -> int:
        return _MAX_BYTES

    @property
    def dates(self) -> bool:
        return True

    @property
    def covers_headers(self) -> bool:
        return False

    def fetching(self, fetch: Fetch) -> SnsVerifier:
        """The same verifier, fetching its certificates by `fetch`."""
        other = self.model_copy()
        other._certificates = Certificates(fetch)
        return other

    async def verify(self, request: Request, secrets: Sequence[str], now: datetime) -> None:
        """Returns if the request is from SNS and of one of the topics. Raises `NotVerified` if not,
        `TransientError` if the certificate cannot be fetched."""
        # Before anything is parsed: whoever makes us do so has to know a topic.
        if b"TopicArn" not in request.body:
            raise NotVerified("missing")
        if not any(arn.encode() in request.body for arn in self.topic_arns):
            raise NotVerified("untrusted")
        message = _message(request.body)
        text = canonical(message)
        signature = _signature(message)
        # Whatever needs no fetch is checked first.
        if message["TopicArn"] not in self.topic_arns:
            raise NotVerified("untrusted")
        sent = _time(message["Timestamp"])
        checks.require_fresh(sent.timestamp(), now, past=self.tolerance)
        url = message.get("SigningCertURL")
        if not isinstance(url, str):
            raise NotVerified("missing")
        # SNS signs where the topic is, so nobody can make us look for another host.
        if not url.startswith(f"https://sns.{message['TopicArn'].split(':')[3]}.amazonaws.com"):
            raise NotVerified("untrusted")
        certificate = await (self._certificates or _SHARED).get(url, now)
        _require_signed(certificate, signature, text, message["SignatureVersion"])

    def delivery_id(self, request: Request) -> str | None:
        try:
            name = _message(request.body).get("MessageId")
        except NotVerified:
            return None
        return name if isinstance(name, str) else None

    def operator_action(self, request: Request) -> str | None:
        """A person confirms subscriptions, on purpose: the right to subscribe this URL to a topic
        must not be enough to start workflows."""
        message = _message(request.body)
        if message["Type"] == "Notification":
            return None
        if message["Type"] != "SubscriptionConfirmation":
            return f"the subscription to {message['TopicArn']} has ended"
        return (
            f"SNS asks whether {message['TopicArn']} may post here. If so: aws sns "
            f"confirm-subscription --topic-arn {message['TopicArn']} --token {message['Token']}"
        )


def canonical(message: Mapping[str, Any]) -> bytes:
    """The bytes of a message that SNS signs. Raises `NotVerified` if a field is missing.

    Only `Message` may have line breaks: here they end a field, so with one in another field, part
    of a subject could pass for the ID, and a replay for a new message.
    """
    kind = message.get("Type")
    if not isinstance(kind, str) or kind not in _SIGNED:
        raise NotVerified("malformed" if kind else "missing")
    lines = []
    for name in _SIGNED[kind]:
        value = message.get(name)
        if value is None and name == _OPTIONAL:
            continue
        if not isinstance(value, str) or (name != "Message" and "\n" in value):
            raise NotVerified("malformed")
        lines += [name, value]
    return "".join(f"{line}\n" for line in lines).encode()


def _message(body: bytes) -> dict[str, Any]:
    try:
        value = load_json(body)
    except InvalidEvent as error:
        raise NotVerified("malformed") from error
    if not isinstance(value, dict):
        raise NotVerified("malformed")
    return value


def _signature(message: Mapping[str, Any]) -> bytes:
    text = message.get("Signature")
    if text is None:
        raise NotVerified("missing")
    if not isinstance(text, str) or message.get("SignatureVersion") not in _VERSIONS:
        raise NotVerified("malformed")
    try:
        return base64.b64decode(checks.credential(text), validate=True)
    except ValueError as error:
        raise NotVerified("malformed") from error


def _time(text: str) -> datetime:
    if not _TIME.fullmatch(text):
        raise NotVerified("malformed")
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise NotVerified("malformed") from error


def _require_signed(certificate: Any, signature: bytes, text: bytes, version: str) -> None:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.hashes import SHA1, SHA256

    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise NotVerified("untrusted") from error
    if not isinstance(key, RSAPublicKey):
        raise NotVerified("untrusted")
    try:
        key.verify(signature, text, PKCS1v15(), SHA256() if version == "2" else SHA1())  # noqa: S303
    except InvalidSignature as error:
        raise NotVerified("mismatch") from error
