"""Messages signed as SNS signs them, with keys and certificates of the tests' own."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

TOPIC = "arn:aws:sns:eu-west-1:111122223333:alarms"
CERTIFICATE_URL = (
    "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-"
    "9c6465fa7f48f5cacd23014631ec1136.pem"
)
_CONFIRMATION = "Message MessageId SubscribeURL Timestamp Token TopicArn Type"
SIGNED = {
    "Notification": "Message MessageId Subject Timestamp TopicArn Type",
    "SubscriptionConfirmation": _CONFIRMATION,
    "UnsubscribeConfirmation": _CONFIRMATION,
}


@cache
def key(owner: str = "AWS") -> RSAPrivateKey:
    """One key for each owner, made on first use."""
    del owner
    return generate_private_key(public_exponent=65537, key_size=2048)


@cache
def certificate(
    owner: str = "AWS",
    *,
    since: datetime = datetime(2000, 1, 1, tzinfo=UTC),
    until: datetime = datetime(2100, 1, 1, tzinfo=UTC),
    key: Any = key,
) -> bytes:
    """A certificate of the owner's key, signed with that key."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    private = key(owner)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(1)
        .not_valid_before(since)
        .not_valid_after(until)
        .sign(private, SHA256())
        .public_bytes(Encoding.PEM)
    )


def sns_message(
    text: str, now: datetime, kind: str = "Notification", **more: str | None
) -> dict[str, Any]:
    """A message as SNS posts it, not signed yet."""
    message = {
        "Type": kind,
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": TOPIC,
        "Message": text,
        "Timestamp": f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03}Z",
        "SigningCertURL": CERTIFICATE_URL,
    }
    if kind != "Notification":
        message |= {
            "Token": "2336412f37fb687f5d51e6e2425c464de12884d217e7e9b97a3cee2aa2a5a1a7",
            "SubscribeURL": "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription",
        }
    return {**message, **more}


def sns_signed(message: dict[str, Any], *, owner: str = "AWS", version: str = "2") -> bytes:
    """The message with the owner's signature, as a body. What is missing is not signed."""
    names = [name for name in SIGNED[message["Type"]].split() if message.get(name) is not None]
    text = "".join(f"{name}\n{message[name]}\n" for name in names).encode()
    algorithm = SHA256() if version == "2" else SHA1()  # noqa: S303
    signature = base64.b64encode(key(owner).sign(text, PKCS1v15(), algorithm)).decode()
    return json.dumps({**message, "SignatureVersion": version, "Signature": signature}).encode()
