"""Tokens of links: what one states is what was signed, and nothing else is ever read from one."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import bootstrap
from core.adapters.secrets.env import EnvSecretStore
from core.config.secrets import Secrets
from core.config.settings import Settings
from core.errors import ExpiredLink, InvalidLink, SecretUnavailable, SettingsError
from core.links import (
    LIFETIME,
    LONGEST_TOKEN,
    Link,
    LinkCommand,
    LinkKeys,
    PageLinks,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ID = "incident:alertmanager:5f2e@20260102T030405.678Z"
KEY, OTHER = "a" * 32, "b" * 43
LINK = Link(
    incident_id=ID,
    person="ana",
    command=LinkCommand.ACKNOWLEDGE,
    expires=int((NOW + LIFETIME).timestamp()),
)


@contextmanager
def keys(*values: str) -> Iterator[LinkKeys]:
    """Keys in variables of this process."""
    with pytest.MonkeyPatch.context() as patch:
        for number, value in enumerate(values):
            patch.setenv(f"LINK_KEY_{number}", value)
        references = [f"env:LINK_KEY_{number}" for number in range(len(values))]
        yield LinkKeys(references, Secrets({"env": EnvSecretStore}, ttl=300))


async def token(link: Link = LINK, key: str = KEY) -> str:
    with keys(key) as signing:
        return await signing.sign(link)


async def read(text: str, *values: str, now: datetime = NOW) -> Link:
    with keys(*values or (KEY,)) as reading:
        return await reading.read(text, now)


def encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def decoded(part: str) -> dict[str, Any]:
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return claims


def forged(
    header: dict[str, Any],
    claims: object,
    key: str = KEY,
    digest: Callable[..., Any] = hashlib.sha256,
) -> str:
    """A token with this header, signed so by hand."""
    parts = (json.dumps(part, separators=(",", ":")).encode() for part in (header, claims))
    signed = ".".join(map(encoded, parts))
    return f"{signed}.{encoded(hmac.new(key.encode(), signed.encode(), digest).digest())}"


@pytest.mark.parametrize(
    "link",
    [
        LINK,
        LINK.model_copy(update={"person": None, "target": "on-call"}),
        LINK.model_copy(update={"command": LinkCommand.SHOW}),
        LINK.model_copy(update={"incident_id": "ü" * 255 + "@20260102T030405.678Z"}),
    ],
)
async def test_a_token_states_what_was_signed(link: Link) -> None:
    text = await token(link)
    assert len(text) <= LONGEST_TOKEN
    assert await read(text) == link


async def test_a_token_is_a_jws_by_hs256_whose_header_does_not_give_the_key_away() -> None:
    header, claims, _ = (await token()).split(".")
    assert decoded(header).keys() == {"alg", "kid"}
    assert decoded(header)["alg"] == "HS256"
    kid = base64.urlsafe_b64decode(decoded(header)["kid"])
    assert len(kid) == 6
    assert kid not in KEY.encode()
    assert decoded(claims) == {
        "sub": ID,
        "person": "ana",
        "cmd": "acknowledge",
        "exp": LINK.expires,
    }


async def test_what_this_test_forges_with_the_right_key_and_header_is_read() -> None:
    header, claims, _ = (await token()).split(".")
    assert await read(forged(decoded(header), decoded(claims))) == LINK


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": "incident:alertmanager:other@20260102T030405.678Z"},
        {"person": "ben"},
        {"person": None, "target": "on-call"},
        {"cmd": "show"},
        {"exp": LINK.expires + 1},
    ],
    ids=["another incident", "another person", "a target", "another command", "a later end"],
)
async def test_no_claim_can_be_exchanged(claims: dict[str, Any]) -> None:
    header, own, signature = (await token()).split(".")
    changed = encoded(json.dumps(decoded(own) | claims, separators=(",", ":")).encode())
    with pytest.raises(InvalidLink):
        await read(f"{header}.{changed}.{signature}")


async def test_the_parts_of_two_tokens_do_not_fit_together() -> None:
    mine = (await token()).split(".")
    other = (await token(LINK.model_copy(update={"person": "ben"}))).split(".")
    for number in (1, 2):
        mixed = [*mine]
        mixed[number] = other[number]
        with pytest.raises(InvalidLink):
            await read(".".join(mixed))


async def test_a_token_expires() -> None:
    text = await token()
    end = datetime.fromtimestamp(LINK.expires, UTC)
    assert await read(text, now=end - timedelta(seconds=1)) == LINK
    with pytest.raises(ExpiredLink) as expired:
        await read(text, now=end)
    assert expired.value.link == LINK


def test_a_link_may_be_used_for_as_long_as_the_documentation_says() -> None:
    documentation = Path(__file__).parents[2] / "docs" / "links.md"
    days = re.findall(r"(\d+) days", documentation.read_text(encoding="utf-8"))
    assert {*days} == {str(LIFETIME.days)}


async def test_a_token_of_another_key_is_refused() -> None:
    text = await token(key=OTHER)
    with pytest.raises(InvalidLink):
        await read(text)


async def test_another_key_does_not_sign_under_the_kid_of_ours() -> None:
    header, claims, _ = (await token()).split(".")
    with pytest.raises(InvalidLink):
        await read(forged(decoded(header), decoded(claims), key=OTHER))


@pytest.mark.parametrize("kid", ["", "AAAAAAAA", None, 7, ["a"], {"a": 1}, "../../etc/passwd"])
async def test_a_kid_of_none_of_our_keys_is_refused(kid: object) -> None:
    with pytest.raises(InvalidLink):
        await read(forged({"alg": "HS256", "kid": kid}, decoded((await token()).split(".")[1])))


@pytest.mark.parametrize(
    "changes",
    [
        {"alg": "none"},
        {"alg": "None"},
        {"alg": "HS384"},
        {"alg": "HS512"},
        {"alg": "RS256"},
        {"alg": "ES256"},
        {"alg": "EdDSA"},
        {"alg": None},
        {"alg": ["HS256"]},
        {"jwk": {"kty": "oct", "k": encoded(KEY.encode())}},
        {"jku": "https://evil.example/keys"},
        {"b64": False, "crit": ["b64"]},
        {"typ": "JWT"},
    ],
    ids=str,
)
async def test_no_header_but_ours_is_read_however_it_is_signed(changes: dict[str, Any]) -> None:
    header, claims, _ = (await token()).split(".")
    for digest in (hashlib.sha256, hashlib.sha384, hashlib.sha512):
        with pytest.raises(InvalidLink):
            await read(forged(decoded(header) | changes, decoded(claims), digest=digest))


async def test_a_token_without_a_signature_is_refused() -> None:
    header, claims, _ = (await token()).split(".")
    none = encoded(b'{"alg":"none"}')
    for text in (
        f"{none}.{claims}.",
        f"{none}.{claims}",
        f"{header}.{claims}.",
        f"{header}.{claims}",
    ):
        with pytest.raises(InvalidLink):
            await read(text)


async def test_a_token_of_which_any_character_is_another_is_refused() -> None:
    text = await token()
    with keys(KEY) as reading:
        for place, character in enumerate(text):
            for other in {"A", "B", "_", ".", "=", " ", "é", "\n"} - {character}:
                with pytest.raises(InvalidLink):
                    await reading.read(text[:place] + other + text[place + 1 :], NOW)


async def test_a_signature_has_one_spelling() -> None:
    text = await token()
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = letters.index(text[-1])
    assert last % 4 == 0
    same = text[:-1] + letters[last + 1]
    assert base64.urlsafe_b64decode(same[-43:] + "=") == base64.urlsafe_b64decode(text[-43:] + "=")
    for other in (same, f"{text}=", f"{text}\n", f"{text}%3D"):
        with pytest.raises(InvalidLink):
            await read(other)


async def test_a_token_that_is_cut_is_refused() -> None:
    text = await token()
    with keys(KEY) as reading:
        for length in range(len(text)):
            with pytest.raises(InvalidLink):
                await reading.read(text[:length], NOW)


@pytest.mark.parametrize("length", [LONGEST_TOKEN + 1, 10_000_000])
async def test_nothing_longer_than_a_token_is_looked_at(length: int) -> None:
    header, _, signature = (await token()).split(".")
    with pytest.raises(InvalidLink, match="form of a token"):
        await read(f"{header}.{'A' * (length - len(header) - len(signature) - 2)}.{signature}")


@pytest.mark.parametrize(
    "claims",
    [
        {},
        [],
        None,
        "text",
        {"sub": ID, "cmd": "acknowledge", "exp": LINK.expires},
        {"sub": ID, "person": "ana", "target": "on-call", "cmd": "show", "exp": LINK.expires},
        {"sub": ID, "person": "ana", "cmd": "close", "exp": LINK.expires},
        {"sub": ID, "person": "ana", "cmd": "show", "exp": str(LINK.expires)},
        {"sub": ID, "person": "ana", "cmd": "show", "exp": LINK.expires, "admin": True},
        {"sub": "x" * 301, "person": "ana", "cmd": "show", "exp": LINK.expires},
        {"sub": ID, "person": "a b\n", "cmd": "show", "exp": LINK.expires},
    ],
    ids=str,
)
async def test_claims_of_another_shape_are_refused_although_they_are_signed(claims: object) -> None:
    header = decoded((await token()).split(".")[0])
    with pytest.raises(InvalidLink):
        await read(forged(header, claims))


@given(st.text() | st.from_regex(r"[\w-]{1,200}\.[\w-]{1,200}\.[\w-]{42}A", fullmatch=True))
async def test_any_text_is_refused_as_no_token(text: str) -> None:
    with keys(KEY) as reading, pytest.raises(InvalidLink):
        await reading.read(text, NOW)


@given(st.from_regex(r"[A-Za-z0-9_-]{1,200}", fullmatch=True), st.booleans())
async def test_any_payload_under_our_header_is_refused(payload: str, signed: bool) -> None:
    header, _, signature = (await token()).split(".")
    if signed:
        made = hmac.new(KEY.encode(), f"{header}.{payload}".encode(), hashlib.sha256)
        signature = encoded(made.digest())
    with pytest.raises(InvalidLink):
        await read(f"{header}.{payload}.{signature}")


async def test_two_keys_verify_while_they_are_rotated_and_the_first_one_signs() -> None:
    old = await token(key=KEY)
    with keys(OTHER, KEY) as both:
        new = await both.sign(LINK)
        assert [await both.read(text, NOW) for text in (old, new)] == [LINK, LINK]
    assert await read(new, OTHER) == LINK
    with pytest.raises(InvalidLink):
        await read(old, OTHER)


class Store:
    """A secret store whose one secret is rotated in place, and which may be unavailable."""

    def __init__(self, value: str) -> None:
        self.value: str | None = value

    async def read(self, reference: object) -> str:
        if self.value is None:
            raise SecretUnavailable("no answer")
        return self.value


async def test_a_key_that_was_rotated_in_place_verifies_what_it_signed_meanwhile() -> None:
    store, time = Store(KEY), [0.0]
    reading = LinkKeys(["env:A"], Secrets({"env": lambda: store}, ttl=300, clock=lambda: time[0]))
    assert await reading.read(await token(), NOW) == LINK
    store.value, time[0] = OTHER, 60.0
    assert await reading.read(await token(key=OTHER), NOW) == LINK


async def test_while_a_key_is_unavailable_no_token_is_called_wrong() -> None:
    store, time = Store(KEY), [0.0]
    reading = LinkKeys(["env:A"], Secrets({"env": lambda: store}, ttl=300, clock=lambda: time[0]))
    await reading.check()
    store.value, time[0] = None, 60.0
    with pytest.raises(SecretUnavailable):
        await reading.read(await token(key=OTHER), NOW)
    assert await reading.read(await token(), NOW) == LINK


@pytest.mark.parametrize("values", [("x" * 31,), (KEY, "short"), ("ü" * 15,)])
async def test_a_key_that_is_too_short_signs_and_verifies_nothing(values: tuple[str, ...]) -> None:
    text = await token()
    with keys(*values) as short:
        for trying in (short.sign(LINK), short.read(text, NOW), short.check()):
            with pytest.raises(SettingsError, match="openssl rand -base64 32") as refused:
                await trying
            assert not any(value in str(refused.value) for value in values)


@pytest.mark.parametrize(
    ("person", "claims"), [("ana", {"person": "ana"}), (None, {"target": "on-call"})]
)
async def test_a_page_has_a_link_to_acknowledge_and_one_to_the_incident(
    person: str | None, claims: dict[str, str]
) -> None:
    with keys(KEY) as signing:
        links = PageLinks("https://app.example/tide", signing)
        named = dict(await links.of(ID, person=person, target="on-call", now=NOW))
        read = [await signing.read(url.rpartition("/i/")[2], NOW) for url in named.values()]
    assert [*named] == ["I have it", "The incident's page"]
    assert all(url.startswith("https://app.example/tide/i/") for url in named.values())
    assert read == [
        Link(incident_id=ID, command=command, expires=LINK.expires, **claims)
        for command in (LinkCommand.ACKNOWLEDGE, LinkCommand.SHOW)
    ]


async def test_a_page_has_no_links_while_no_key_is_available(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = Store(KEY)
    store.value = None
    signing = LinkKeys(["env:A"], Secrets({"env": lambda: store}, ttl=300))
    links = PageLinks("https://app.example", signing)
    assert await links.of(ID, person="ana", target="ana/push", now=NOW) == ()
    assert "a page has no links" in caplog.text


@pytest.mark.parametrize(
    ("id", "target"), [("\x01" * 300, "on-call"), ("x" * 301, "on-call"), (ID, "No Name")]
)
async def test_a_page_has_no_links_if_none_could_be_used(
    caplog: pytest.LogCaptureFixture, id: str, target: str
) -> None:
    with keys(KEY) as signing:
        links = PageLinks("https://app.example", signing)
        assert await links.of(id, person=None, target=target, now=NOW) == ()
    assert "a page has no links" in caplog.text


APP = {"TIDEGATE_APP_URL": "https://app.example", "TIDEGATE_LINK_KEYS": "env:LINK_KEY"}


def test_without_an_address_of_the_application_pages_have_no_links() -> None:
    assert bootstrap.page_links(Settings.from_env({"TIDEGATE_LINK_KEYS": "env:LINK_KEY"})) is None
    bootstrap.check_link_keys(Settings())


def test_an_address_without_keys_is_refused() -> None:
    settings = Settings.from_env({"TIDEGATE_APP_URL": "https://app.example"})
    with pytest.raises(SettingsError, match=r"TIDEGATE_LINK_KEYS is not set .*openssl rand"):
        bootstrap.page_links(settings)


def test_a_worker_starts_with_a_key_that_can_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINK_KEY", KEY)
    bootstrap.check_link_keys(Settings.from_env(APP))


@pytest.mark.parametrize(
    ("value", "why"), [("short", "has 5 bytes"), ("", "env:LINK_KEY is empty")]
)
def test_a_worker_does_not_start_with_a_key_that_cannot(
    monkeypatch: pytest.MonkeyPatch, value: str, why: str
) -> None:
    monkeypatch.setenv("LINK_KEY", value)
    with pytest.raises(SettingsError, match=why):
        bootstrap.check_link_keys(Settings.from_env(APP))


def test_a_worker_starts_although_the_store_of_its_key_is_unavailable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = Store(KEY)
    store.value = None
    monkeypatch.setitem(bootstrap.SECRET_STORES, "env", lambda: store)
    bootstrap.check_link_keys(Settings.from_env(APP))
