from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import ValidationError

from core.errors import TransientError
from core.webhooks.request import Request
from core.webhooks.verifiers.base import NotVerified, Reason, Signer
from core.webhooks.verifiers.sns import SnsVerifier, canonical
from tests.support.signing import (
    CERTIFICATE_URL,
    SIGNED,
    TOPIC,
    certificate,
    sns_message,
    sns_signed,
)

NOW = datetime(2025, 6, 1, 12, 0, 0, 123_000, tzinfo=UTC)


class Aws:
    """Returns configured content and records the requests."""

    def __init__(self, content: bytes | Exception | None = None) -> None:
        self.content = certificate() if content is None else content
        self.asked: list[str] = []

    def __call__(self, url: str) -> bytes:
        self.asked.append(url)
        if isinstance(self.content, Exception):
            raise self.content
        return self.content


def verifier(aws: Aws, **section: Any) -> SnsVerifier:
    section = {"scheme": "sns", "topic_arns": [TOPIC], **section}
    return SnsVerifier.model_validate(section).fetching(aws)


async def reason(
    body: bytes | dict[str, Any], aws: Aws | None = None, *, now: datetime = NOW, **section: Any
) -> Reason | None:
    if isinstance(body, dict):
        body = json.dumps(body).encode()
    request = Request(method="POST", path="/hooks/alarms", body=body)
    try:
        await verifier(aws or Aws(), **section).verify(request, (), now)
    except NotVerified as failure:
        return failure.reason
    return None


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("kind", SIGNED)
@pytest.mark.parametrize("more", [{}, {"Subject": "ALARM: cpu"}, {"Subject": None}], ids=str)
async def test_a_message_of_any_kind_verifies(
    version: str, kind: str, more: dict[str, Any]
) -> None:
    message = sns_message('{"text": "Übergröße\\n\\r🌊"}\n', NOW, kind, **more)
    assert await reason(sns_signed(message, version=version)) is None


def test_the_signed_text_is_the_documented_one() -> None:
    """Source: the Developer Guide's two examples of a string to sign."""
    notification = {
        "Type": "Notification",
        "MessageId": "da41e39f-ea4d-435a-b922-c6aae3915ebe",
        "TopicArn": "arn:aws:sns:us-west-2:123456789012:MyTopic",
        "Subject": "test",
        "Message": "test message",
        "Timestamp": "2012-04-25T21:49:25.719Z",
        "UnsubscribeURL": "https://sns.us-west-2.amazonaws.com/?Action=Unsubscribe",
    }
    assert canonical(notification) == (
        b"Message\ntest message\nMessageId\nda41e39f-ea4d-435a-b922-c6aae3915ebe\n"
        b"Subject\ntest\nTimestamp\n2012-04-25T21:49:25.719Z\n"
        b"TopicArn\narn:aws:sns:us-west-2:123456789012:MyTopic\nType\nNotification\n"
    )
    confirmation = {
        "Type": "SubscriptionConfirmation",
        "MessageId": "3d891288-136d-417f-bc05-901c108273ee",
        "Token": "233641",
        "TopicArn": "arn:aws:sns:us-west-2:123456789012:MyTopic",
        "Message": "You have chosen to subscribe",
        "SubscribeURL": "https://sns.us-west-2.amazonaws.com/?Action=ConfirmSubscription",
        "Timestamp": "2012-04-25T21:49:25.719Z",
    }
    assert canonical(confirmation) == (
        b"Message\nYou have chosen to subscribe\n"
        b"MessageId\n3d891288-136d-417f-bc05-901c108273ee\n"
        b"SubscribeURL\nhttps://sns.us-west-2.amazonaws.com/?Action=ConfirmSubscription\n"
        b"Timestamp\n2012-04-25T21:49:25.719Z\nToken\n233641\n"
        b"TopicArn\narn:aws:sns:us-west-2:123456789012:MyTopic\nType\nSubscriptionConfirmation\n"
    )


@pytest.mark.parametrize("field", ["Message", "MessageId", "Subject", "Timestamp", "Type"])
async def test_every_signed_field_is_covered(field: str) -> None:
    other = {"Type": "UnsubscribeConfirmation", "Timestamp": "2025-06-01T12:00:00.124Z"}
    message = sns_message("text", NOW, Subject="s", Token="t", SubscribeURL="https://x")
    signed = json.loads(sns_signed(message))
    assert await reason({**signed, field: other.get(field, "other")}) == "mismatch"


async def test_a_subject_does_not_pass_for_part_of_the_id() -> None:
    """The same bytes divided into fields differently: a replay under another ID."""
    signed = json.loads(sns_signed(sns_message("text", NOW, Subject="s")))
    forged = {**signed, "MessageId": f"{signed['MessageId']}\nSubject\ns"}
    del forged["Subject"]
    assert canonical(signed).count(b"\n") == 12
    assert await reason(signed) is None
    assert await reason(forged) == "malformed"


async def test_only_pinned_topics_are_trusted_and_nothing_is_fetched_for_others() -> None:
    aws = Aws()
    for topic in (TOPIC + "2", TOPIC.upper(), TOPIC.replace("111122223333", "444455556666")):
        assert (
            await reason(sns_signed(sns_message("text", NOW, TopicArn=topic)), aws) == "untrusted"
        )
    assert aws.asked == []


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        (timedelta(hours=1), None),
        (timedelta(hours=1, seconds=1), "stale"),
        (timedelta(minutes=-5), None),
        (timedelta(minutes=-5, seconds=-1), "future"),
    ],
)
async def test_a_message_is_valid_for_an_hour(age: timedelta, expected: Reason | None) -> None:
    aws = Aws()
    assert await reason(sns_signed(sns_message("text", NOW - age)), aws) == expected
    assert len(aws.asked) == (0 if expected else 1)


async def test_the_operator_says_how_old_a_message_may_be() -> None:
    body = sns_signed(sns_message("text", NOW - timedelta(hours=2)))
    assert await reason(body, tolerance="3h") is None


@pytest.mark.parametrize(
    "time", ["2025-06-01 12:00:00Z", "2025-06-01T12:00:00", "2025-02-30T12:00:00Z", "1748779200"]
)
async def test_a_time_has_one_form(time: str) -> None:
    assert await reason(sns_signed(sns_message("text", NOW, Timestamp=time))) == "malformed"


HOST = "https://sns.eu-west-1.amazonaws.com"


@pytest.mark.parametrize(
    "url",
    [
        CERTIFICATE_URL.replace("https", "http"),
        CERTIFICATE_URL.replace("https", "HTTPS"),
        CERTIFICATE_URL.replace("sns.", "sqs."),
        CERTIFICATE_URL.replace("sns.", "x.sns."),
        CERTIFICATE_URL.replace(".com/", ".com.evil.example/"),
        CERTIFICATE_URL.replace(".com/", ".com:443/"),
        CERTIFICATE_URL.replace(".com/", ".com@evil.example/"),
        CERTIFICATE_URL.replace("//", "//user@"),
        CERTIFICATE_URL.replace("eu-west-1", "s3-eu-west-1"),
        CERTIFICATE_URL.replace("eu-west-1", "s3"),
        CERTIFICATE_URL.replace("eu-west-1.amazonaws", "evil"),
        CERTIFICATE_URL.replace(".pem", ".pem?Action=ListTopics"),
        CERTIFICATE_URL.replace(".pem", ".pem#x"),
        CERTIFICATE_URL.replace(".pem", ".crt"),
        CERTIFICATE_URL + "\n",
        f"{HOST}/?Action=ListTopics&x=.pem",
        f"{HOST}/a/../x.pem",
        f"{HOST}/%2e%2e/x.pem",
        f"{HOST}\\@evil.example/x.pem",
        f"{HOST}/{'a' * 300}.pem",
        CERTIFICATE_URL.replace("west", "w" * 300),
        "https://evil.example/https://sns.eu-west-1.amazonaws.com/x.pem",
        "file:///etc/ssl/x.pem",
        "https://169.254.169.254/x.pem",
        "",
    ],
)
async def test_a_certificate_from_anywhere_else_is_not_even_fetched(url: str) -> None:
    aws = Aws(certificate("somebody else"))
    body = sns_signed(sns_message("text", NOW, SigningCertURL=url), owner="somebody else")
    assert await reason(body, aws) == "untrusted"
    assert aws.asked == []


@pytest.mark.parametrize(
    "region", ["us-gov-west-1", "ap-southeast-5", "cn-north-1", "il-central-1"]
)
async def test_a_certificate_comes_from_the_topics_region_whichever_that_is(region: str) -> None:
    china = ".cn" if region.startswith("cn-") else ""
    topic = TOPIC.replace("eu-west-1", region)
    url = f"https://sns.{region}.amazonaws.com{china}/SimpleNotificationService-0.pem"
    aws = Aws()
    body = sns_signed(sns_message("text", NOW, TopicArn=topic, SigningCertURL=url))
    assert await reason(body, aws, topic_arns=[topic]) is None
    assert aws.asked == [url]


@pytest.mark.parametrize("region", ["us-east-1", "xx-nowhere-7", "eu-west-12", "eu-west-1-a-1"])
async def test_a_certificate_from_another_region_than_the_topics_is_not_fetched(
    region: str,
) -> None:
    aws = Aws(TransientError("no such host"))
    url = CERTIFICATE_URL.replace("eu-west-1", region)
    body = sns_signed(sns_message("text", NOW, SigningCertURL=url))
    assert await reason(body, aws) == "untrusted"
    assert aws.asked == []


async def test_a_certificate_is_fetched_once_and_only_a_few_are_cached() -> None:
    aws = Aws()
    asking = verifier(aws)
    urls = [f"{HOST}/SimpleNotificationService-{n}.pem" for n in range(20)]
    for url in [*urls, urls[-1], urls[0]]:
        body = sns_signed(sns_message("text", NOW, SigningCertURL=url))
        for _ in range(2):
            await asking.verify(Request(method="POST", path="/", body=body), (), NOW)
    assert aws.asked == [*urls, urls[0]]


async def test_invented_urls_evict_no_certificate() -> None:
    aws = Aws()
    asking = verifier(aws)
    good = Request(method="POST", path="/", body=sns_signed(sns_message("text", NOW)))
    await asking.verify(good, (), NOW)
    aws.content = NotVerified("untrusted")
    for n in range(40):
        message = sns_message("text", NOW, SigningCertURL=f"{HOST}/{n}.pem")
        with pytest.raises(NotVerified):
            await asking.verify(Request(method="POST", path="/", body=sns_signed(message)), (), NOW)
    await asking.verify(good, (), NOW)
    assert len(aws.asked) == 41


@pytest.mark.parametrize(
    "content",
    [
        certificate("AWS", until=datetime(2025, 5, 31, tzinfo=UTC)),
        certificate("AWS", since=datetime(2025, 6, 2, tzinfo=UTC)),
        b"",
        b"<html>404</html>",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        Ed25519PrivateKey.generate()
        .public_key()
        .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    ],
    ids=["expired", "not yet valid", "empty", "a page", "no certificate in it", "a bare key"],
)
async def test_what_is_not_a_certificate_in_force_is_not_trusted(content: bytes) -> None:
    assert await reason(sns_signed(sns_message("text", NOW)), Aws(content)) == "untrusted"


async def test_a_signature_by_another_key_is_a_mismatch() -> None:
    body = sns_signed(sns_message("text", NOW))
    assert await reason(body, Aws(certificate("somebody else"))) == "mismatch"


async def test_an_unavailable_certificate_is_transient() -> None:
    """SNS does not retry after 401."""
    with pytest.raises(TransientError, match="away"):
        await reason(sns_signed(sns_message("text", NOW)), Aws(TransientError("away")))


async def test_concurrent_messages_share_one_fetch() -> None:
    aws = Aws()
    asking = verifier(aws)
    request = Request(method="POST", path="/", body=sns_signed(sns_message("text", NOW)))
    await asyncio.gather(*(asking.verify(request, (), NOW) for _ in range(50)))
    assert len(aws.asked) == 1


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"Type": None}, "missing"),
        ({"Type": "Other"}, "malformed"),
        ({"Type": ["Notification"]}, "malformed"),
        ({"Signature": None}, "missing"),
        ({"Signature": ""}, "missing"),
        ({"Signature": 1}, "malformed"),
        ({"Signature": "no base64!"}, "malformed"),
        ({"Signature": "AAAA"}, "mismatch"),
        ({"SignatureVersion": "1"}, "mismatch"),
        ({"SignatureVersion": "3"}, "malformed"),
        ({"SignatureVersion": 2}, "malformed"),
        ({"SignatureVersion": None}, "malformed"),
        ({"SigningCertURL": None}, "missing"),
        ({"SigningCertURL": {}}, "missing"),
        ({"Message": None}, "malformed"),
        ({"Message": {"default": "x"}}, "malformed"),
        ({"MessageId": None}, "malformed"),
        ({"Timestamp": None}, "malformed"),
        ({"TopicArn": None}, "missing"),
        ({"Subject": "two\nlines"}, "malformed"),
    ],
    ids=str,
)
async def test_an_incomplete_message_is_only_not_verified(
    change: dict[str, Any], expected: Reason
) -> None:
    signed = json.loads(sns_signed(sns_message("text", NOW, Subject="s")))
    changed = {name: value for name, value in {**signed, **change}.items() if value is not None}
    assert await reason(changed) == expected


@pytest.mark.parametrize("body", [b"", b"text", b"[]", b"null", b'"x"', b"\xff", b"[" * 100_000])
async def test_what_is_not_a_message_is_malformed_where_it_names_the_topic_at_all(
    body: bytes,
) -> None:
    assert await reason(body) == "missing"
    named = b'"TopicArn": "' + json.loads(sns_signed(sns_message("text", NOW)))["TopicArn"].encode()
    assert await reason(body + named) == "malformed"


async def test_raw_delivery_has_no_signature_and_is_refused() -> None:
    assert await reason(b'{"AlarmName": "cpu", "NewStateValue": "ALARM"}') == "missing"


def test_the_delivery_id_is_the_messages() -> None:
    asking = verifier(Aws())
    body = sns_signed(sns_message("text", NOW))
    request = Request(method="POST", path="/", body=body)
    assert asking.delivery_id(request) == "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324"
    assert not isinstance(asking, Signer)


@pytest.mark.parametrize(
    "section",
    [
        {},
        {"topic_arns": []},
        {"topic_arns": ["*"]},
        {"topic_arns": ["arn:aws:sns:eu-west-1:111122223333:*"]},
        {"topic_arns": ["arn:aws:sqs:eu-west-1:111122223333:queue"]},
        {"topic_arns": TOPIC},
    ],
    ids=str,
)
def test_a_topic_cannot_be_a_pattern(section: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SnsVerifier.model_validate({"scheme": "sns", **section})
