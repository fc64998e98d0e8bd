from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from core import bootstrap
from core.config import secrets
from core.config.secrets import GRACE_SECONDS, PAUSE_SECONDS, RECHECK_SECONDS, Secrets
from core.config.settings import Settings
from core.domain.secret_reference import SecretReference
from core.errors import SecretUnavailable, SettingsError
from core.ports.secrets import SecretStore
from core.webhooks.request import Request
from tests.support.eventually import eventually
from tests.support.verifiers import ANY

TTL = 300.0


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class Safe:
    """A store that counts reads, with answers that a test sets."""

    def __init__(self, **values: str) -> None:
        self.values = values
        self.asked: list[str] = []
        self.away = False
        self.opened = asyncio.Event()
        self.opened.set()

    async def read(self, reference: SecretReference) -> str:
        self.asked.append(reference.place)
        await self.opened.wait()
        if self.away:
            raise SecretUnavailable(f"{reference} did not answer")
        if reference.place not in self.values:
            raise SettingsError(f"{reference} is not there", fix="create it")
        return self.values[reference.place]

    async def has_been_asked(self, times: int) -> None:
        async def asked() -> bool:
            return len(self.asked) >= times

        await eventually(asked, f"asked {times} times")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def safe() -> Safe:
    return Safe(A="one", B="two")


@pytest.fixture
def kept(safe: Safe, clock: Clock) -> Secrets:
    return Secrets({"env": lambda: safe}, ttl=TTL, clock=clock)


# ---------------------------------------------------------------------------- keeping


async def test_a_secret_is_fetched_on_first_use_and_then_cached(
    kept: Secrets, safe: Safe, clock: Clock
) -> None:
    assert safe.asked == []
    assert await kept.get("env:A") == "one"
    clock.now += TTL - 1
    assert await kept.get("env:A") == "one"
    assert safe.asked == ["A"]


async def test_an_expired_value_is_fetched_again(kept: Secrets, safe: Safe, clock: Clock) -> None:
    await kept.get("env:A")
    safe.values["A"] = "another"
    clock.now += TTL
    assert await kept.get("env:A") == "another"
    assert safe.asked == ["A", "A"]


async def test_a_clock_that_is_set_back_prolongs_nothing(
    kept: Secrets, safe: Safe, clock: Clock
) -> None:
    await kept.get("env:A")
    safe.values["A"] = "another"
    clock.now -= 86_400
    assert await kept.get("env:A") == "another"


async def test_concurrent_callers_share_one_fetch(kept: Secrets, safe: Safe) -> None:
    safe.opened.clear()
    asking = [asyncio.create_task(kept.get("env:A")) for _ in range(50)]
    await safe.has_been_asked(1)
    safe.opened.set()
    assert await asyncio.gather(*asking) == ["one"] * 50
    assert safe.asked == ["A"]


async def test_a_cancelled_caller_does_not_cancel_the_others(kept: Secrets, safe: Safe) -> None:
    safe.opened.clear()
    first, second = (asyncio.create_task(kept.get("env:A")) for _ in range(2))
    await safe.has_been_asked(1)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    safe.opened.set()
    assert await second == "one"
    assert safe.asked == ["A"]


async def test_several_are_fetched_concurrently_and_returned_in_order(
    kept: Secrets, safe: Safe
) -> None:
    safe.opened.clear()
    asking = asyncio.create_task(kept.get_all(["env:B", "env:A", "env:B"]))

    await safe.has_been_asked(2)
    safe.opened.set()
    assert await asking == ["two", "one", "two"]
    assert safe.asked == ["B", "A"]
    assert await kept.get_all([]) == []


# --------------------------------------------------------------------- a store that fails


async def test_while_its_store_is_unavailable_the_last_value_is_used_for_an_hour(
    kept: Secrets, safe: Safe, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    await kept.get("env:A")
    safe.away = True
    clock.now += TTL
    assert await kept.get("env:A") == "one"
    assert caplog.messages == [
        "env:A did not answer (it is retried; check the network path to it and the "
        "permission to read there); the last value is used"
    ]
    clock.now += GRACE_SECONDS - 1
    assert await kept.get("env:A") == "one"
    clock.now += 1
    with pytest.raises(SecretUnavailable, match="env:A did not answer"):
        await kept.get("env:A")


async def test_a_store_that_failed_is_not_asked_again_for_a_moment(
    kept: Secrets, safe: Safe, clock: Clock
) -> None:
    safe.away = True
    for _ in range(100):
        with pytest.raises(SecretUnavailable):
            await kept.get("env:A")
    assert safe.asked == ["A"]
    safe.away = False
    clock.now += PAUSE_SECONDS
    assert await kept.get("env:A") == "one"


async def test_nor_is_one_whose_last_value_is_still_used(
    kept: Secrets, safe: Safe, clock: Clock
) -> None:
    await kept.get("env:A")
    safe.away = True
    clock.now += TTL
    for _ in range(100):
        assert await kept.get("env:A") == "one"
    assert safe.asked == ["A", "A"]


async def test_an_error_that_is_raised_often_does_not_grow(kept: Secrets, safe: Safe) -> None:
    safe.away = True
    lengths = set()
    for _ in range(3):
        with pytest.raises(SecretUnavailable) as caught:
            await kept.get("env:A")
        lengths.add(len(caught.traceback))
    assert len(lengths) == 1


async def test_a_store_that_hangs_is_unavailable(
    kept: Secrets, safe: Safe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secrets, "FETCH_SECONDS", 0.01)
    safe.opened.clear()
    with pytest.raises(SecretUnavailable, match=r"the secret env:A did not answer within 0\.01 s"):
        await kept.get("env:A")


async def test_a_deleted_secret_is_not_used_once_its_store_says_so(
    kept: Secrets, safe: Safe, clock: Clock
) -> None:
    await kept.get("env:A")
    del safe.values["A"]
    clock.now += TTL
    with pytest.raises(SettingsError, match="env:A is not there"):
        await kept.get("env:A")
    safe.away = True
    clock.now += PAUSE_SECONDS
    with pytest.raises(SecretUnavailable):
        await kept.get("env:A")


async def test_one_of_two_may_be_missing(
    kept: Secrets, safe: Safe, caplog: pytest.LogCaptureFixture
) -> None:
    assert await kept.get_all(["env:NEW", "env:A"]) == ["one"]
    assert caplog.messages == ["env:NEW is not there (create it)"]
    with pytest.raises(SettingsError, match="env:NEW is not there"):
        await kept.get_all(["env:NEW", "env:NEWER"])


@pytest.mark.parametrize("value", ["", " ", "\n\t"])
async def test_an_empty_secret_is_refused(kept: Secrets, safe: Safe, value: str) -> None:
    safe.values["A"] = value
    with pytest.raises(SettingsError, match="the secret env:A is empty"):
        await kept.get("env:A")


async def test_a_value_that_cannot_be_encoded_is_refused(kept: Secrets, safe: Safe) -> None:
    safe.values["A"] = "hunter2\udcff"
    with pytest.raises(SettingsError, match="the secret env:A is not UTF-8") as caught:
        await kept.get("env:A")
    assert caught.value.__context__ is None


async def test_an_invalid_reference_is_the_operators_fault(kept: Secrets, safe: Safe) -> None:
    with pytest.raises(SettingsError) as caught:
        await kept.get_all(["env:A", "hunter2"])
    assert str(caught.value) == (
        "a secret cannot be found: not a reference to a secret: env:NAME, file:/PATH, aws:... or "
        "azure:... (correct the reference)"
    )
    assert safe.asked == []


async def test_a_package_that_is_not_installed_is_named(clock: Clock) -> None:
    def maker() -> SecretStore:
        raise ModuleNotFoundError("No module named 'boto3'", name="boto3")

    kept = Secrets({"aws": maker}, ttl=TTL, clock=clock)
    with pytest.raises(SettingsError) as caught:
        await kept.get("aws:hook")
    cause = "the secret aws:hook cannot be read: boto3 is not installed"
    assert str(caught.value).startswith(f"{cause} (")
    assert str(caught.value).endswith(" 'tidegate[aws]')")


# ------------------------------------------------------------------------- exchanged secrets


async def test_after_a_wrong_signature_the_store_is_asked_for_a_newer_value(
    kept: Secrets, safe: Safe, clock: Clock
) -> None:
    tried = await kept.get_all(["env:A", "env:B"])
    safe.values["A"] = "another"
    clock.now += RECHECK_SECONDS
    assert await kept.newer(["env:A", "env:B"], tried) == ["another", "two"]
    assert await kept.get_all(["env:A", "env:B"]) == ["another", "two"]


async def test_a_recent_value_is_not_fetched_again_whatever_arrives(
    kept: Secrets, safe: Safe, clock: Clock
) -> None:
    tried = await kept.get_all(["env:A"])
    clock.now += RECHECK_SECONDS - 1
    for _ in range(100):
        assert await kept.newer(["env:A"], tried) is None
    assert safe.asked == ["A"]
    clock.now += 1
    for _ in range(100):
        assert await kept.newer(["env:A"], tried) is None
    assert safe.asked == ["A", "A"]


async def test_a_request_that_tried_the_old_value_gets_what_another_has_fetched(
    kept: Secrets, safe: Safe, clock: Clock
) -> None:
    tried = await kept.get_all(["env:A"])
    safe.values["A"] = "another"
    clock.now += RECHECK_SECONDS
    for _ in range(3):
        assert await kept.newer(["env:A"], tried) == ["another"]
    assert safe.asked == ["A", "A"]


async def test_while_a_secret_is_unavailable_no_signature_counts_as_wrong(
    kept: Secrets, safe: Safe, clock: Clock
) -> None:
    tried = await kept.get_all(["env:A"])
    safe.away = True
    clock.now += RECHECK_SECONDS
    for _ in range(100):
        with pytest.raises(SecretUnavailable):
            await kept.newer(["env:A"], tried)
    assert await kept.get_all(["env:A"]) == tried
    assert safe.asked == ["A", "A"]
    safe.away = False
    clock.now += RECHECK_SECONDS
    assert await kept.newer(["env:A"], tried) is None


async def test_one_missing_secret_of_two_does_not_hinder_the_other(
    kept: Secrets,
) -> None:
    tried = await kept.get_all(["env:A", "env:NEW"])
    assert await kept.newer(["env:A", "env:NEW"], tried) is None


async def test_a_secret_is_rotated_while_two_are_live(tmp_path: Path, clock: Clock) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_text("one\n")
    new.write_text("two\n")
    references = [f"file:{old}", f"file:{new}"]
    kept = Secrets(bootstrap.SECRET_STORES, ttl=TTL, clock=clock)
    assert await kept.get_all(references) == ["one", "two"]
    old.write_text("three\n")
    clock.now += TTL - 1
    assert await kept.get_all(references) == ["one", "two"]
    clock.now += 1
    assert await kept.get_all(references) == ["three", "two"]


async def test_the_settings_say_how_long_a_secret_is_cached(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept = bootstrap.secrets(Settings(secrets_ttl=3600))
    monkeypatch.setenv("HOOK", "one")
    assert await kept.get("env:HOOK") == "one"
    monkeypatch.setenv("HOOK", "two")
    assert await kept.get("env:HOOK") == "one"
    kept = bootstrap.secrets(Settings(secrets_ttl=0))
    assert await kept.get("env:HOOK") == "two"
    monkeypatch.setenv("HOOK", "three")
    assert await kept.get("env:HOOK") == "three"


# ---------------------------------------------------------------------------- silence


def shown(thing: Any) -> str:
    """Everything that a debugger, a log line or an error report might show of an object."""
    inside = vars(thing) if hasattr(thing, "__dict__") else {}
    return " ".join([repr(thing), str(thing), *map(repr, inside.values())])


async def test_no_value_is_ever_shown(
    kept: Secrets, safe: Safe, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    safe.values["A"] = "hunter2"
    tried = await kept.get_all(["env:A"])
    safe.away = True
    clock.now += TTL
    await kept.get("env:A")
    with pytest.raises(SecretUnavailable) as caught:
        await kept.newer(["env:A"], tried)
    inside = {name: value for name, value in vars(kept).items() if name != "_stores"}
    for text in (shown(kept), repr(inside), shown(caught.value), caplog.text):
        assert "hunter2" not in text
    assert "env:A" in caplog.text


def test_every_form_of_a_reference_has_its_store() -> None:
    makers: Mapping[str, Callable[[], SecretStore]] = bootstrap.SECRET_STORES
    assert list(makers) == ["env", "file", "aws", "azure"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n", ""])
@pytest.mark.parametrize("store", ["env", "file", "aws", "azure"])
async def test_line_breaks_at_the_end_are_no_part_of_a_secret_in_any_store(
    store: str, end: str, clock: Clock
) -> None:
    class Everything(Safe):
        async def read(self, reference: SecretReference) -> str:
            return f" hunter2\nand more {end}"

    reference = {"file": "file:/run/secrets/x", "azure": "azure:vault/x"}.get(store, f"{store}:X")
    kept = Secrets({store: Everything}, ttl=TTL, clock=clock)
    assert await kept.get(reference) == " hunter2\nand more "


@pytest.mark.parametrize("store", ["env", "file"])
async def test_a_token_that_was_stored_with_a_line_break_verifies(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text("hunter2\n")
    monkeypatch.setenv("TOKEN", "hunter2\n")
    reference = {"env": "env:TOKEN", "file": f"file:{tmp_path}/token"}[store]
    verifier = ANY.validate_python({"scheme": "bearer", "secrets": [reference]})
    request = Request(method="POST", path="/", headers={"authorization": "Bearer hunter2"})
    held = await bootstrap.secrets(Settings()).get_all(verifier.references)
    await verifier.verify(request, held, datetime.now(UTC))
