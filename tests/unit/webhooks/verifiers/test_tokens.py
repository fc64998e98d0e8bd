from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from core.errors import SettingsError
from core.webhooks.request import Request
from core.webhooks.verifiers.base import NotVerified, Reason
from tests.support.verifiers import ANY

NOW = datetime(2025, 6, 1, 12, tzinfo=UTC)
SECRETS = ["env:A"]


async def outcome(
    secret: str, *, body: bytes = b"", query: dict[str, str] | None = None, **section: Any
) -> Reason | None:
    headers = section.pop("headers", {})
    request = Request(method="POST", path="/", headers=headers, query=query or {}, body=body)
    try:
        await ANY.validate_python({"secrets": SECRETS, **section}).verify(request, [secret], NOW)
    except NotVerified as failure:
        return failure.reason
    return None


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("Bearer tok,en", None),
        ("bearer tok,en", None),
        ("BEARER  tok,en", None),
        ("Bearer Tok,en", "mismatch"),
        ("Bearer tok,en2", "mismatch"),
        ("Bearer tok", "mismatch"),
        ("Bearer tok,en Bearer tok,en", "mismatch"),
        ("Bearer\ttok,en", "malformed"),
        ("Bearer \ttok,en", "mismatch"),
        ("Bearer " + "a" * 4089, "mismatch"),
        ("Bearer " + "a" * 4090, "malformed"),
        ("Bearer", "missing"),
        ("Bearer ", "missing"),
        ("tok,en", "malformed"),
        ("Token tok,en", "malformed"),
        ("Bearertok,en", "malformed"),
    ],
)
async def test_a_bearer_token_comes_after_its_word_in_any_case(
    value: str, reason: Reason | None
) -> None:
    assert await outcome("tok,en", scheme="bearer", headers={"authorization": value}) == reason


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"x-api-key": "token"}, None),
        ({"x-api-key": "Bearer token"}, "mismatch"),
        ({"x-api-key": "token, token"}, "mismatch"),
        ({"authorization": "Bearer token"}, "missing"),
    ],
)
async def test_a_header_of_another_name_holds_the_token_alone(
    headers: dict[str, str], reason: Reason | None
) -> None:
    assert await outcome("token", scheme="bearer", header="X-API-Key", headers=headers) == reason
    verifier = ANY.validate_python({"scheme": "bearer", "header": "X-API-Key", "secrets": SECRETS})
    assert verifier.confidential == {"x-api-key"}


async def test_authorization_is_the_same_header_in_any_case() -> None:
    headers = {"authorization": "Bearer token"}
    assert await outcome("token", scheme="bearer", header="Authorization", headers=headers) is None


@pytest.mark.parametrize("secret", ["two words", "tökén", "token\n", "\ttoken"])
@pytest.mark.parametrize(
    "section", [{"scheme": "bearer"}, {"scheme": "event-grid", "header": "X"}], ids=str
)
async def test_a_token_that_no_header_can_carry_is_the_operators_fault(
    secret: str, section: dict[str, Any]
) -> None:
    with pytest.raises(SettingsError, match="the secret at env:A has characters"):
        await outcome(secret, headers={"authorization": "Bearer token"}, **section)


def basic(text: str, charset: str = "utf-8") -> str:
    return base64.b64encode(text.encode(charset)).decode()


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("Basic " + basic("jörg:a:bc"), None),
        ("basic " + basic("jörg:a:bc"), None),
        ("Basic " + basic("jörg:a:bc").rstrip("="), "mismatch"),
        ("Basic " + basic("jörg:a:bc") + "\n", "mismatch"),
        ("Basic " + basic("jörg:a:bc", "latin-1"), "mismatch"),
        ("Basic " + basic("jörg:a:BC"), "mismatch"),
        ("Basic " + basic("a:b"), "mismatch"),
        ("Basic jörg:a:bc", "malformed"),
        ("Basic ", "missing"),
        ("Digest " + basic("jörg:a:bc"), "malformed"),
    ],
)
async def test_basic_credentials_are_a_name_and_a_password(
    value: str, reason: Reason | None
) -> None:
    assert await outcome("jörg:a:bc", scheme="basic", headers={"authorization": value}) == reason


@pytest.mark.parametrize("secret", ["password", "name:", ":password", ":", "name: ", " :password"])
async def test_half_a_credential_is_refused(secret: str) -> None:
    with pytest.raises(SettingsError, match="the secret at env:A is not NAME:PASSWORD"):
        await outcome(secret, scheme="basic", headers={"authorization": "Basic " + basic(secret)})


async def test_event_grids_secret_is_read_from_one_place() -> None:
    in_header: dict[str, Any] = {"scheme": "event-grid", "header": "X-Hook-Secret"}
    in_query: dict[str, Any] = {"scheme": "event-grid", "parameter": "code"}
    header, query = {"x-hook-secret": "s"}, {"code": "s"}
    assert await outcome("s", headers=header, **in_header) is None
    assert await outcome("s", query=query, **in_query) is None
    assert await outcome("s", query=query, **in_header) == "missing"
    assert await outcome("s", headers=header, **in_query) == "missing"
    assert await outcome("s", query={"Code": "s"}, **in_query) == "missing"
    assert await outcome("s", query={"code": "S"}, **in_query) == "mismatch"


@pytest.mark.parametrize("place", [{}, {"header": "X", "parameter": "x"}, {"parameter": "a&b"}])
def test_event_grids_secret_has_one_place(place: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        ANY.validate_python({"scheme": "event-grid", "secrets": SECRETS, **place})


DEEP = b'{"routing_key": "k", "a": ' + b"[" * 200 + b"]" * 200 + b"}"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"routing_key": "k", "event_action": "trigger"}', None),
        (b'\xef\xbb\xbf{"routing_key": "k"}', None),
        (b'{"routing_key": "\\u006b"}', None),
        (b'{"routing_key": "K"}', "mismatch"),
        (b'{"routing_key": "k "}', "mismatch"),
        (b'{"routing_key": ""}', "missing"),
        (b'{"routing_key": null}', "missing"),
        (b'{"Routing_Key": "k"}', "missing"),
        (b'{"payload": {"routing_key": "k"}}', "missing"),
        (b'[{"routing_key": "k"}]', "missing"),
        (b'"k"', "missing"),
        (b'{"routing_key": ["k"]}', "malformed"),
        (b'{"routing_key": 1}', "malformed"),
        (b'{"routing_key": "k\xc3\xa9"}', "malformed"),
        (b'{"routing_key": "k\\ud800"}', "malformed"),
        (b'{"routing_key": "k", "n": NaN}', "malformed"),
        (b'{"routing_key": "k"', "malformed"),
        (b"routing_key=k", "malformed"),
        (b"\x1f\x8b\x08\x00routing_key", "malformed"),
        (b"", "missing"),
        (DEEP, "malformed"),
        (b"[" * 100_000, "missing"),
        (b'{"routing_key": "k", "n": ' + b"9" * 10_000 + b"}", "malformed"),
    ],
    ids=lambda value: value[:40] if isinstance(value, bytes) else str(value),
)
async def test_a_routing_key_is_read_from_a_body_that_can_be_read(
    body: bytes, reason: Reason | None
) -> None:
    assert await outcome("k", scheme="routing-key", body=body) == reason


async def test_a_routing_key_in_a_header_wins() -> None:
    body = json.dumps({"routing_key": "k"}).encode()
    for value, reason in (("k", None), ("no", "mismatch"), ("k, k", "mismatch"), ("", None)):
        headers = {"x-routing-key": value}
        assert await outcome("k", scheme="routing-key", body=body, headers=headers) == reason
    assert await outcome("k", scheme="routing-key", headers={"x-routing-key": "k"}) is None
