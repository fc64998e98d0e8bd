from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook

from core.errors import SettingsError
from core.webhooks.request import Request
from core.webhooks.verifiers.base import NotVerified, Signer, Verifier
from tests.support.verifiers import ANY, WHSEC, WHSEC_NEXT, WHSEC_WRONG

NOW = datetime(2025, 6, 1, 12, tzinfo=UTC)
BODY = '{"text": "Übergröße 🌊"}'.encode()


def verifier(secrets: int = 1) -> Verifier:
    references = ["env:A", "env:B"][:secrets]
    return ANY.validate_python({"scheme": "standard-webhooks", "secrets": references})


def sent(*, secret: str = WHSEC, now: datetime = NOW, name: str = "msg_1") -> Request:
    headers = {
        "webhook-id": name,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign(name, now, BODY.decode()),
    }
    return Request(method="POST", path="/hooks/x", headers=headers, body=BODY)


def with_header(request: Request, name: str, value: str) -> Request:
    return replace(request, headers={**request.headers, name: value})


async def test_the_published_example_verifies() -> None:
    """Source: the Standard Webhooks reference libraries, in their tests of `sign`."""
    request = Request(
        method="POST",
        path="/hooks/x",
        headers={
            "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "webhook-timestamp": "1614265330",
            "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        },
        body=b'{"test": 2432232314}',
    )
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    now = datetime.fromtimestamp(1614265330, UTC)
    await verifier().verify(request, [secret], now)
    await verifier().verify(request, [secret.removeprefix("whsec_")], now)
    assert verifier().delivery_id(request) == "msg_p5jXN8AQM9LWM0D4loKWxJek"


async def test_the_library_verifies_ours_and_we_verify_the_librarys() -> None:
    now = datetime.now(UTC)
    ours = verifier(2)
    assert isinstance(ours, Signer)
    signed = ours.sign(Request(method="POST", path="/", body=BODY), [WHSEC, WHSEC_NEXT], now)
    for secret in (WHSEC, WHSEC_NEXT):
        Webhook(secret).verify(signed.body, dict(signed.headers))
        await verifier().verify(signed, [secret], now)
        await verifier().verify(sent(secret=secret, now=now), [secret], now)


async def test_a_redelivery_keeps_its_id() -> None:
    ours = verifier()
    assert isinstance(ours, Signer)
    signed = ours.sign(sent(name="msg_again"), [WHSEC], NOW)
    assert ours.delivery_id(signed) == "msg_again"
    fresh = [ours.sign(Request(method="POST", path="/"), [WHSEC], NOW) for _ in range(2)]
    assert ours.delivery_id(fresh[0]) != ours.delivery_id(fresh[1])


@pytest.mark.parametrize(
    "wrap",
    [
        "{wrong} {good}",
        "{good} {wrong}",
        "v1a,{asymmetric} {good}",
        "v1 {good}",
        "{good}, {good}",
        " ,, v1,v1, {good} v1,=== v2",
        "{wrong} {wrong} {wrong} {wrong} {wrong} {wrong} {wrong} {wrong} {wrong} {good}",
    ],
)
async def test_one_valid_signature_is_enough_whatever_the_others_are(wrap: str) -> None:
    """The library fails on what it cannot parse, before it reaches the valid one."""
    request = sent()
    value = wrap.format(
        good=request.headers["webhook-signature"],
        wrong=sent(secret=WHSEC_WRONG).headers["webhook-signature"],
        asymmetric=base64.b64encode(b"x" * 64).decode(),
    )
    await verifier().verify(with_header(request, "webhook-signature", value), [WHSEC], NOW)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("webhook-signature", "v1", "malformed"),
        ("webhook-signature", "v1,", "malformed"),
        ("webhook-signature", "v1,%%%", "malformed"),
        ("webhook-signature", "v1," + "A" * 43 + "=", "mismatch"),
        ("webhook-signature", "{good},{good}", "malformed"),
        ("webhook-signature", "x " * 10 + "{good}", "malformed"),
        ("webhook-id", "", "missing"),
        ("webhook-id", "msg_2", "mismatch"),
        ("webhook-id", "msg_1, msg_1", "mismatch"),
        ("webhook-id", "mșg", "malformed"),
        ("webhook-timestamp", "1748779200.0", "malformed"),
        ("webhook-timestamp", "nan", "malformed"),
    ],
)
async def test_what_is_malformed_is_only_not_verified(name: str, value: str, reason: str) -> None:
    request = sent()
    value = value.replace("{good}", request.headers["webhook-signature"])
    with pytest.raises(NotVerified, match=reason):
        await verifier().verify(with_header(request, name, value), [WHSEC], NOW)


async def test_a_body_may_be_any_bytes() -> None:
    plain = replace(sent(), body=b"\xff\x00packed")
    signing = verifier()
    assert isinstance(signing, Signer)
    signed = signing.sign(plain, [WHSEC], NOW)
    await verifier().verify(signed, [WHSEC], NOW)
    with pytest.raises(NotVerified, match="mismatch"):
        await verifier().verify(replace(signed, body=b"\xff\x00Packed"), [WHSEC], NOW)


@pytest.mark.parametrize("secret", ["whsec_", "whsec_=", "a secret", "whsec_aaaa_bbbb", "whsec_é"])
async def test_a_secret_that_is_not_a_key_is_the_operators_fault(secret: str) -> None:
    with pytest.raises(SettingsError, match="the secret at env:A is not base64") as caught:
        await verifier().verify(sent(), [secret], NOW)
    assert secret not in str(caught.value).replace("with or without the prefix whsec_", "")


# ------------------------------------------------------------------------- Svix's headers


def as_svix(request: Request) -> Request:
    headers = {n.replace("webhook-", "svix-"): value for n, value in request.headers.items()}
    return replace(request, headers=headers)


async def test_headers_of_svix_verify_and_identify_like_the_standard_s() -> None:
    request = as_svix(sent(name="msg_svix"))
    await verifier().verify(request, [WHSEC], NOW)
    assert verifier().delivery_id(request) == "msg_svix"


@pytest.mark.parametrize("missing", ["svix-id", "svix-timestamp", "svix-signature"])
async def test_each_of_them_is_required(missing: str) -> None:
    request = as_svix(sent())
    headers = {name: value for name, value in request.headers.items() if name != missing}
    with pytest.raises(NotVerified, match="missing"):
        await verifier().verify(replace(request, headers=headers), [WHSEC], NOW)


async def test_the_two_sets_are_never_mixed() -> None:
    standard, svix = sent(name="msg_1"), as_svix(sent(name="msg_2"))
    both = replace(standard, headers={**standard.headers, **svix.headers})
    await verifier().verify(both, [WHSEC], NOW)
    assert verifier().delivery_id(both) == "msg_1"
    forged = with_header(svix, "webhook-id", "msg_of_my_own")
    await verifier().verify(forged, [WHSEC], NOW)
    assert verifier().delivery_id(forged) == "msg_2"
    unsigned = with_header(svix, "webhook-signature", "v1,")
    with pytest.raises(NotVerified):
        await verifier().verify(unsigned, [WHSEC], NOW)
