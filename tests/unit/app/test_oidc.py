from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.app.identity.caller import Caller, NotAuthenticated, Role
from core.app.identity.issuer_keys import (
    FRESH_SECONDS,
    GRACE_SECONDS,
    Fetch,
    IssuerKeys,
    download,
)
from core.app.identity.oidc import OidcTokens
from core.config.settings import Settings
from core.domain.expressions.expression import compiled
from core.errors import TransientError
from tests.support.issuer import ATTACKS, AUDIENCE, Issuer, issuing, key


class Clock:
    def __init__(self) -> None:
        self.later = 0.0

    def __call__(self) -> float:
        return time.time() + self.later


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with issuing() as issuer:
        yield issuer


@pytest.fixture
def clock() -> Clock:
    return Clock()


def tokens(
    issuer: Issuer,
    clock: Clock,
    role: str = "roles",
    name: str = Settings().oidc_name,
    fetch: Fetch = download,
) -> OidcTokens:
    """Tokens of the issuer; only the age of its keys is counted by the clock."""
    return OidcTokens(
        issuer=issuer.url,
        audience=AUDIENCE,
        role=compiled(role),
        name=compiled(name),
        keys=IssuerKeys(issuer.url, fetch=fetch, clock=clock),
    )


ANA = Caller("ana@example.com", Role.RESPONDER)


@pytest.mark.parametrize(
    ("by", "alg"),
    [(("first",), "RS256"), (("first",), "PS256"), (("ec", "EC"), "ES256")],
)
async def test_a_token_of_the_issuer_names_its_caller(
    issuer: Issuer, clock: Clock, by: tuple[str, ...], alg: str
) -> None:
    issuer.publish(key("first"), key("ec", "EC"))
    token = issuer.token(key(*by), alg=alg)
    assert await tokens(issuer, clock).caller(token) == ANA


@pytest.mark.parametrize("attack", ATTACKS)
async def test_a_token_lets_nobody_in_that_is(issuer: Issuer, clock: Clock, attack: str) -> None:
    issuer.publish(key("first"), key("second"))
    token, reason = ATTACKS[attack]
    with pytest.raises(NotAuthenticated) as refused:
        await tokens(issuer, clock).caller(token(issuer))
    assert refused.value.reason == reason


@pytest.mark.parametrize("times", [{"exp": -50}, {"nbf": 50}, {"iat": 50}])
async def test_clocks_may_differ_by_a_minute(
    issuer: Issuer, clock: Clock, times: dict[str, int]
) -> None:
    now = int(time.time())
    claims: dict[str, Any] = {name: now + after for name, after in times.items()}
    token = issuer.token(**claims)
    assert await tokens(issuer, clock).caller(token) == ANA


async def test_every_changed_character_of_a_signature_counts(issuer: Issuer, clock: Clock) -> None:
    by_issuer = tokens(issuer, clock)
    token = issuer.token()
    claims_end = token.rindex(".")
    for place in range(claims_end + 1, len(token) - 1):
        changed = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        with pytest.raises(NotAuthenticated):
            await by_issuer.caller(changed)


@pytest.mark.parametrize(
    ("expression", "claims", "role"),
    [
        ("roles", {"roles": ["viewer", "responder", "other"]}, Role.RESPONDER),
        ("roles", {"roles": "viewer"}, Role.VIEWER),
        ("roles", {"roles": ["admin", "viewer"]}, Role.ADMIN),
        ("realm_access.roles", {"realm_access": {"roles": ["responder"]}}, Role.RESPONDER),
        ('"https://x.example/role"', {"https://x.example/role": "responder"}, Role.RESPONDER),
        (
            "contains(groups, 'sre') && 'responder' || 'viewer'",
            {"groups": ["sre"]},
            Role.RESPONDER,
        ),
    ],
)
async def test_the_role_is_where_the_setting_says(
    issuer: Issuer, clock: Clock, expression: str, claims: dict[str, Any], role: Role
) -> None:
    found = await tokens(issuer, clock, role=expression).caller(issuer.token(**claims))
    assert found.role is role


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({}, "ana@example.com"),
        ({"email_verified": False}, "0b1c"),
        ({"email": None, "email_verified": None}, "0b1c"),
    ],
)
async def test_the_documented_name_is_an_address_that_is_verified_or_else_the_subject(
    issuer: Issuer, clock: Clock, claims: dict[str, Any], name: str
) -> None:
    document = (Path(__file__).parents[3] / "docs" / "api.md").read_text(encoding="utf-8")
    [expression] = re.findall(r"set another: ``(.*?)``\.", document)
    found = await tokens(issuer, clock, name=expression).caller(issuer.token(**claims))
    assert found.name == name


async def test_an_expression_that_cannot_be_evaluated_lets_nobody_in(
    issuer: Issuer, clock: Clock
) -> None:
    with pytest.raises(NotAuthenticated, match="role"):
        await tokens(issuer, clock, role="contains(groups, 'sre')").caller(issuer.token())


async def test_keys_are_fetched_with_the_first_token_and_then_cached(
    issuer: Issuer, clock: Clock
) -> None:
    by_issuer = tokens(issuer, clock)
    assert issuer.asked == 0
    for _ in range(3):
        await by_issuer.caller(issuer.token())
    assert issuer.asked == 1


async def test_a_new_key_is_fetched_when_a_token_names_it_at_most_once_a_minute(
    issuer: Issuer, clock: Clock
) -> None:
    by_issuer = tokens(issuer, clock)
    await by_issuer.caller(issuer.token())
    issuer.publish(key("second"))
    token = issuer.token(key("second"))
    for _ in range(10):
        with pytest.raises(NotAuthenticated, match="unknown"):
            await by_issuer.caller(token)
    assert issuer.asked == 1
    clock.later = 61
    assert await by_issuer.caller(token) == ANA
    with pytest.raises(NotAuthenticated, match="unknown"):  # the first key was withdrawn
        await by_issuer.caller(issuer.token())
    assert issuer.asked == 2


async def test_a_withdrawn_key_is_used_no_longer_than_an_hour(issuer: Issuer, clock: Clock) -> None:
    by_issuer = tokens(issuer, clock)
    token = issuer.token()
    await by_issuer.caller(token)
    issuer.publish(key("second"))
    clock.later = FRESH_SECONDS - 10
    assert await by_issuer.caller(token) == ANA
    clock.later = FRESH_SECONDS
    with pytest.raises(NotAuthenticated, match="unknown"):
        await by_issuer.caller(token)


async def test_cached_keys_serve_while_the_issuer_is_unavailable(
    issuer: Issuer, clock: Clock
) -> None:
    by_issuer = tokens(issuer, clock)
    await by_issuer.caller(issuer.token())
    issuer.stop()
    clock.later = FRESH_SECONDS + GRACE_SECONDS - 100
    assert await by_issuer.caller(issuer.token()) == ANA
    with pytest.raises(TransientError):  # it may be a key that it has made meanwhile
        await by_issuer.caller(issuer.token(key("second")))
    clock.later = FRESH_SECONDS + GRACE_SECONDS + 100
    with pytest.raises(TransientError):
        await by_issuer.caller(issuer.token())


async def test_without_any_key_it_cannot_be_decided_until_the_issuer_answers(
    issuer: Issuer, clock: Clock
) -> None:
    by_issuer = tokens(issuer, clock)
    issuer.status = 503
    for _ in range(3):
        with pytest.raises(TransientError):
            await by_issuer.caller(issuer.token())
    issuer.status = 200
    clock.later = 61
    assert await by_issuer.caller(issuer.token()) == ANA


@pytest.mark.parametrize(
    "about",
    [
        {"issuer": "https://login.example"},
        {"jwks_uri": "http://login.example/keys"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": 7},
        {"jwks_uri": None},
    ],
)
async def test_an_issuer_that_sends_us_elsewhere_is_not_followed(
    issuer: Issuer, clock: Clock, about: dict[str, Any]
) -> None:
    issuer.about = about
    fetched: list[str] = []

    def fetch(url: str) -> bytes:
        fetched.append(url)
        return download(url)

    with pytest.raises(TransientError):
        await tokens(issuer, clock, fetch=fetch).caller(issuer.token())
    assert fetched == [f"{issuer.url}/.well-known/openid-configuration"]


async def test_a_redirect_of_the_issuer_is_not_followed(issuer: Issuer, clock: Clock) -> None:
    with issuing() as elsewhere:
        issuer.redirect = f"{elsewhere.url}/keys"
        with pytest.raises(TransientError):
            await tokens(issuer, clock).caller(issuer.token())
        assert elsewhere.asked == 0


@pytest.mark.filterwarnings("ignore:Key size:joserfc.errors.SecurityWarning")
@pytest.mark.parametrize(
    "published",
    [
        {"kty": "oct", "kid": "first", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"},
        {**key("first").as_dict(private=False), "use": "enc"},
        {**key("first").as_dict(private=False), "alg": "RS512"},
        {**key("first").as_dict(private=False), "n": "AQAB"},
        None,
        {"kid": "first"},
        "first",
    ],
    ids=["shared", "to encrypt", "of another algorithm", "tiny", "weak", "of no kind", "no object"],
)
async def test_a_published_key_verifies_nothing_that_is(
    issuer: Issuer, clock: Clock, published: Any
) -> None:
    by = key("first") if published else key("weak", size=1024)
    issuer.published = [published or {**by.as_dict(private=False), "kid": "first"}]
    with pytest.raises(NotAuthenticated, match="unknown"):
        await tokens(issuer, clock).caller(issuer.token(by, kid="first"))
