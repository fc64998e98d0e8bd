from __future__ import annotations

import base64
import hmac
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from core.webhooks.request import Request
from core.webhooks.verifiers.base import NotVerified, Signer
from core.webhooks.verifiers.checks import seconds
from tests.support.verifiers import ANY

NOW = datetime(2025, 6, 1, 12, tzinfo=UTC)
STAMP = str(int(NOW.timestamp()))
BODY = b'{"a": 1}\r\n\xff\x00'


def request(body: bytes = BODY, **headers: str) -> Request:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request(method="POST", path="/hooks/x", headers=named, body=body)


async def verify(
    request: Request,
    *secrets: str,
    now: datetime = NOW,
    **section: Any,
) -> None:
    references = [f"env:SECRET_{n}" for n, _ in enumerate(secrets)]
    await ANY.validate_python({"secrets": references, **section}).verify(request, secrets, now)


def mac(secret: str, text: bytes, algorithm: str = "sha256") -> bytes:
    return hmac.new(secret.encode(), text, algorithm).digest()


async def test_githubs_published_example_verifies() -> None:
    """Source: "Validating webhook deliveries", "Testing the webhook payload validation"."""
    signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    await verify(
        request(b"Hello, World!", x_hub_signature_256=signature),
        "It's a Secret to Everybody",
        scheme="github",
    )


SLACK_SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
SLACK_BODY = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow"
    b"&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner"
    b"&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands"
    b"%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
    b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
)


@pytest.mark.parametrize(
    ("late", "reason"), [(0, None), (300, None), (-300, None), (301, "stale"), (-301, "future")]
)
async def test_slacks_published_example_verifies_for_five_minutes(
    late: int, reason: str | None
) -> None:
    """Source: "Verifying requests from Slack", its example step by step."""
    published = request(
        SLACK_BODY,
        x_slack_request_timestamp="1531420618",
        x_slack_signature="v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
    )
    now = datetime.fromtimestamp(1531420618 + late, UTC)
    if reason is None:
        await verify(published, SLACK_SECRET, scheme="slack", now=now)
    else:
        with pytest.raises(NotVerified, match=reason):
            await verify(published, SLACK_SECRET, scheme="slack", now=now)


GOOD = "v1=" + mac("ours", BODY).hex()
OTHER = "v1=" + mac("another subscription's", BODY).hex()


@pytest.mark.parametrize(
    "value",
    [
        GOOD,
        f"{OTHER},{GOOD}",
        f"{GOOD}, {OTHER}",
        f"v2={'0' * 64},{GOOD}",
        f"nonsense,,{GOOD},",
        ",".join([OTHER] * 9 + [GOOD]),
    ],
)
async def test_one_valid_signature_among_pagerdutys_is_enough(value: str) -> None:
    await verify(request(x_pagerduty_signature=value), "ours", scheme="pagerduty")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (OTHER, "mismatch"),
        (f"{OTHER},{OTHER}", "mismatch"),
        (GOOD.replace("v1", "v2"), "malformed"),
        (",,,", "malformed"),
        (f"{OTHER};{GOOD}", "malformed"),
        (",".join([OTHER] * 10 + [GOOD]), "malformed"),
        (",".join([GOOD] * 1000), "malformed"),
    ],
)
async def test_no_other_list_is_enough_and_a_long_one_is_not_searched(
    value: str, reason: str
) -> None:
    with pytest.raises(NotVerified, match=reason):
        await verify(request(x_pagerduty_signature=value), "ours", scheme="pagerduty")


async def test_pagerduty_signs_with_every_secret_it_has() -> None:
    section = {"scheme": "pagerduty", "secrets": ["env:A", "env:B"]}
    verifier = ANY.validate_python(section)
    assert isinstance(verifier, Signer)
    signed = verifier.sign(request(), ["one", "two"], NOW)
    assert signed.headers["x-pagerduty-signature"] == ",".join(
        "v1=" + mac(secret, BODY).hex() for secret in ("one", "two")
    )


async def test_grafana_signs_the_time_only_if_it_is_configured_to() -> None:
    plain = request(x_grafana_alerting_signature=mac("s", BODY).hex())
    await verify(plain, "s", scheme="grafana")
    with pytest.raises(NotVerified, match="missing"):
        await verify(plain, "s", scheme="grafana", timestamp_header="X-Time")
    stamped = request(
        x_grafana_alerting_signature=mac("s", f"{STAMP}:".encode() + BODY).hex(), x_time=STAMP
    )
    await verify(stamped, "s", scheme="grafana", timestamp_header="X-Time")
    with pytest.raises(NotVerified, match="mismatch"):
        await verify(stamped, "s", scheme="grafana")
    with pytest.raises(NotVerified, match="stale"):
        await verify(
            stamped,
            "s",
            scheme="grafana",
            timestamp_header="X-Time",
            tolerance="30s",
            now=NOW + timedelta(seconds=31),
        )


async def test_sentry_signs_the_body_alone() -> None:
    signed = request(sentry_hook_signature=mac("client secret", BODY).hex())
    await verify(signed, "client secret", scheme="sentry")


@pytest.mark.parametrize("algorithm", ["sha256", "sha512", "sha1"])
@pytest.mark.parametrize("encoding", ["hex", "base64"])
@pytest.mark.parametrize("prefix", ["", "sig=", "t: "])
@pytest.mark.parametrize("signed", ["{body}", "v1.{timestamp}.{body}", "{body}|{timestamp}|é"])
async def test_hmac_signs_as_the_endpoint_says(
    algorithm: str, encoding: str, prefix: str, signed: str
) -> None:
    before, _, after = signed.replace("{timestamp}", STAMP).partition("{body}")
    digest = mac("s", before.encode() + BODY + after.encode(), algorithm)
    text = digest.hex() if encoding == "hex" else base64.b64encode(digest).decode()
    section: dict[str, Any] = {
        "scheme": "hmac",
        "header": "X-Sig",
        "algorithm": algorithm,
        "encoding": encoding,
        "prefix": prefix,
        "signed": signed,
    }
    if "{timestamp}" in signed:
        section["timestamp_header"] = "X-Time"
    sent = request(x_sig=prefix + text, x_time=STAMP)
    await verify(sent, "s", **section)
    for other in ({"algorithm": "sha512" if algorithm == "sha1" else "sha1"}, {"prefix": "x"}):
        with pytest.raises(NotVerified, match="malformed"):
            await verify(sent, "s", **{**section, **other})


@pytest.mark.parametrize(
    "wrong",
    [
        {"signed": "{timestamp}.{body}"},
        {"signed": "body"},
        {"signed": "{body}{body}"},
        {"signed": "{body}{id}"},
        {"signed": "{body}}"},
        {"signed": "{body!r}"},
        {"timestamp_header": "X-Time"},
        {"timestamp_header": "X-Time", "signed": "{timestamp}"},
        {"timestamp_header": "X-Time", "signed": "{timestamp}{timestamp}{body}"},
        {"timestamp_header": "x-sig", "signed": "{timestamp}{body}"},
        {"algorithm": "md5"},
        {"encoding": "base32"},
        {"header": "X Sig"},
        {"header": "X-Sig:"},
        {"header": ""},
        {"header": "é"},
        {"prefix": "é"},
        {"tolerance": "0s"},
        {"secret": "in the file itself"},
    ],
)
def test_an_impossible_recipe_is_refused(wrong: dict[str, str]) -> None:
    good = {"scheme": "hmac", "header": "X-Sig", "secrets": ["env:SECRET"]}
    ANY.validate_python(good)
    with pytest.raises(ValidationError):
        ANY.validate_python({**good, **wrong})


@pytest.mark.parametrize("stamp", ["", "١٧٤٨٧٧٩٢٠٠", "²", "-1", "1.0", "12345678901"])
def test_a_time_has_only_digits_and_at_most_ten(stamp: str) -> None:
    assert seconds("0123456789") == 123456789
    with pytest.raises(NotVerified, match="malformed"):
        seconds(stamp)


@pytest.mark.parametrize("position", [0, 1], ids=["the first matches", "the second matches"])
async def test_every_live_secret_is_compared_whichever_matches(
    position: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared = []
    compare = hmac.compare_digest

    def counting(one: bytes, other: bytes) -> bool:
        compared.append(one)
        return compare(one, other)

    monkeypatch.setattr(hmac, "compare_digest", counting)
    secrets = ["no", "no either"]
    secrets[position] = "s"
    signature = "sha256=" + mac("s", BODY).hex()
    await verify(request(x_hub_signature_256=signature), *secrets, scheme="github")
    assert len(compared) == len(secrets)


# ---------------------------------------------------------------------- spellings of hex

HEX = mac("ours", BODY).hex()


@pytest.mark.parametrize(
    ("scheme", "header", "prefix"),
    [
        ("github", "x-hub-signature-256", "sha256="),
        ("pagerduty", "x-pagerduty-signature", "v1="),
        ("sentry", "sentry-hook-signature", ""),
        ("grafana", "x-grafana-alerting-signature", ""),
    ],
)
async def test_hex_may_be_in_upper_case(scheme: str, header: str, prefix: str) -> None:
    def signed(digest: str) -> Request:
        return Request(method="POST", path="/", headers={header: prefix + digest}, body=BODY)

    for digest in (HEX, HEX.upper(), HEX[:9].upper() + HEX[9:]):
        await verify(signed(digest), "ours", scheme=scheme)
    with pytest.raises(NotVerified, match="mismatch"):
        await verify(signed(HEX.upper()), "theirs", scheme=scheme)


@pytest.mark.parametrize("blanks", [" ", "   "])
@pytest.mark.parametrize("encoding", ["hex", "base64"])
async def test_a_blank_may_follow_the_prefix(encoding: str, blanks: str) -> None:
    digest = mac("ours", BODY)
    text = digest.hex() if encoding == "hex" else base64.b64encode(digest).decode()
    await verify(
        request(x_s=f"sha256={blanks}{text}"),
        "ours",
        scheme="hmac",
        header="X-S",
        prefix="sha256=",
        encoding=encoding,
    )


async def test_the_case_of_base64_counts() -> None:
    text = base64.b64encode(mac("ours", BODY)).decode()
    with pytest.raises(NotVerified, match="mismatch"):
        await verify(
            request(x_s=text.swapcase()), "ours", scheme="hmac", header="X-S", encoding="base64"
        )
