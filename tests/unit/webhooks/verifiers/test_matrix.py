"""Every verifier against every attack."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest
from pydantic import ValidationError

from core.errors import SettingsError
from core.webhooks.request import Request
from core.webhooks.verifiers.base import NotVerified, Reason, SharedSecret, Signer
from tests.support.attacks import ATTACKS
from tests.support.verifiers import ANY, EXAMPLES, OPEN, REFERENCES, Example

NOW = datetime(2025, 6, 1, 12, 0, 0, 250_000, tzinfo=UTC)
BODY = '{"alert": "Zahlungen schlagen fehl - überall", "n": 1}'.encode()
every = pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
WITH_SECRETS = [example for example in EXAMPLES if example.secrets]
with_secrets = pytest.mark.parametrize("example", WITH_SECRETS, ids=lambda example: example.name)


async def refused(example: Example, request: Request, now: datetime = NOW) -> Reason:
    with pytest.raises(NotVerified) as caught:
        await example.verifier.verify(request, example.secrets, now)
    return caught.value.reason


def test_there_is_an_example_of_every_scheme() -> None:
    mapping = ANY.json_schema()["discriminator"]["mapping"]
    assert {example.section["scheme"] for example in (*EXAMPLES, OPEN)} == set(mapping)


@every
async def test_a_request_from_the_sender_is_verified(example: Example) -> None:
    await example.verifier.verify(example.authentic(BODY, NOW), example.secrets, NOW)


@every
@pytest.mark.parametrize("name", ATTACKS)
async def test_an_attack_is_not(example: Example, name: str) -> None:
    forged = ATTACKS[name](example, BODY, NOW)
    if forged is None:
        return
    reason = await refused(example, forged)
    assert reason in get_args(Reason)
    if name == "no header":
        assert reason == "missing"
    if name in ("stale", "future"):
        assert reason == name


@pytest.mark.parametrize("name", ATTACKS)
def test_no_attack_is_empty(name: str) -> None:
    requests = [ATTACKS[name](example, BODY, NOW) for example in EXAMPLES]
    assert len([request for request in requests if request is not None]) >= 4


@with_secrets
async def test_either_of_two_secrets_is_good(example: Example) -> None:
    first, second = example.secrets
    for live in ((first, example.wrong), (example.wrong, first), (second, first)):
        request = example.authentic(BODY, NOW)
        await example.verifier.verify(request, live, NOW)
    for others in ((example.wrong, second), (second,)):
        with pytest.raises(NotVerified, match="mismatch"):
            await example.verifier.verify(example.authentic(BODY, NOW), others, NOW)


@with_secrets
@pytest.mark.parametrize("empty", ["", " ", "\n"])
async def test_an_empty_secret_verifies_nothing_and_is_named(example: Example, empty: str) -> None:
    request = example.authentic(BODY, NOW)
    with pytest.raises(SettingsError, match="the secret at env:HOOK_SECRET_NEXT is empty"):
        await example.verifier.verify(request, (example.secrets[0], empty), NOW)
    with pytest.raises(SettingsError, match="the secret at env:HOOK_SECRET is empty"):
        await example.verifier.verify(request, (empty, example.secrets[0]), NOW)
    verifier = example.verifier
    assert isinstance(verifier, Signer)
    with pytest.raises(SettingsError):
        verifier.sign(request, (empty, example.secrets[0]), NOW)


@with_secrets
@pytest.mark.parametrize("wrong", ["\udcff-a-lone-surrogate", "two words \udcff"])
async def test_what_is_wrong_with_a_secret_is_said_without_quoting_it(
    example: Example, wrong: str
) -> None:
    request = example.authentic(BODY, NOW)
    with pytest.raises(SettingsError, match=r"env:HOOK_SECRET_NEXT (is|has)") as caught:
        await example.verifier.verify(request, (example.secrets[0], wrong), NOW)
    assert "surrogate" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@with_secrets
async def test_one_of_two_secrets_is_enough_but_none_is_not(example: Example) -> None:
    request = example.authentic(BODY, NOW)
    await example.verifier.verify(request, example.secrets[:1], NOW)
    places = "env:HOOK_SECRET or env:HOOK_SECRET_NEXT"
    with pytest.raises(SettingsError, match=f"there is no secret at {places}"):
        await example.verifier.verify(request, (), NOW)
    with pytest.raises(SettingsError, match=f"the secret at {places} is empty"):
        await example.verifier.verify(request, ("",), NOW)


@with_secrets
def test_a_verifier_has_one_secret_or_two(example: Example) -> None:
    for references in ([], [*REFERENCES, "env:THIRD"]):
        with pytest.raises(ValidationError):
            ANY.validate_python({**example.section, "secrets": references})
    verifier = example.verifier
    assert isinstance(verifier, SharedSecret)
    assert verifier.references == verifier.secrets == REFERENCES


@pytest.mark.parametrize("name", ["sns", "none"])
def test_a_scheme_without_a_secret_accepts_none(name: str) -> None:
    [example] = [example for example in (*EXAMPLES, OPEN) if example.name == name]
    assert example.verifier.references == ()
    with pytest.raises(ValidationError):
        ANY.validate_python({**example.section, "secrets": ["env:HOOK_SECRET"]})


@every
def test_a_header_that_holds_a_secret_is_confidential(example: Example) -> None:
    request = example.authentic(BODY, NOW)
    holding = {
        name
        for name, value in request.headers.items()
        if any(secret in value for secret in example.secrets) or value.startswith("Basic ")
    }
    assert holding <= example.verifier.confidential


@every
@pytest.mark.parametrize("seconds", [-300, -299, 299, 300])
async def test_clocks_may_differ_by_five_minutes(example: Example, seconds: int) -> None:
    now = NOW.replace(microsecond=0)
    request = example.authentic(BODY, now)
    await example.verifier.verify(request, example.secrets, now + timedelta(seconds=seconds))


STAMPS = {
    "none": "malformed",
    "": "missing",
    "soon": "malformed",
    "-1748779200": "malformed",
    "+1748779200": "malformed",
    "1748779200.5": "malformed",
    "1.7e9": "malformed",
    "1_748_779_200": "malformed",
    "1748779200, 1748779200": "malformed",
    "١٧٤٨٧٧٩٢٠٠": "malformed",
    "²": "malformed",
    "1748779200\n": "malformed",
    "17487792001": "malformed",
    "9" * 5000: "malformed",
    "9999999999": "mismatch",
    "0000000000": "mismatch",
}


@pytest.mark.parametrize("stamp", STAMPS, ids=lambda stamp: stamp[:20])
@pytest.mark.parametrize(
    "example", [e for e in EXAMPLES if e.timestamp_header], ids=lambda example: example.name
)
async def test_a_timestamp_is_seconds_in_digits(example: Example, stamp: str) -> None:
    request = example.authentic(BODY, NOW)
    headers = {**request.headers, str(example.timestamp_header): stamp}
    assert await refused(example, replace(request, headers=headers)) == STAMPS[stamp]
    del headers[str(example.timestamp_header)]
    assert await refused(example, replace(request, headers=headers)) == "missing"


async def test_the_scheme_none_verifies_every_request() -> None:
    request = OPEN.authentic(BODY, NOW)
    await OPEN.verifier.verify(request, (), NOW)
    assert request.headers == {"content-type": "application/json"}


def test_an_endpoint_must_say_how_it_verifies() -> None:
    for section in ({}, {"scheme": None}, {"scheme": "None"}, {"scheme": "gitlab"}, None):
        with pytest.raises(ValidationError):
            ANY.validate_python(section)
