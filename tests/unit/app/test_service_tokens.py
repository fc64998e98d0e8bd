from __future__ import annotations

import hmac
import json
from pathlib import Path
from typing import Any

import pytest

from core import bootstrap
from core.app.identity.caller import Caller, NotAuthenticated, Role
from core.app.identity.service_tokens import ServiceTokens
from core.config import secrets
from core.config.settings import Settings
from core.errors import SettingsError

OLD, NEW, OTHER = "o" * 32, "n" * 32, "r" * 40


def entry(name: str = "deploys", role: str = "responder", *tokens: str) -> dict[str, Any]:
    return {"name": name, "role": role, "tokens": list(tokens or [OLD])}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "tokens"


def kept(file: Path, content: Any) -> ServiceTokens:
    """The tokens that are kept in a file."""
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return ServiceTokens(f"file:{file}", bootstrap.secrets(Settings()))


async def test_a_token_names_its_caller_and_two_are_live_while_one_is_replaced(file: Path) -> None:
    tokens = kept(file, [entry("deploys", "responder", OLD, NEW), entry("board", "viewer", OTHER)])
    assert await tokens.caller(OLD) == Caller("deploys", Role.RESPONDER)
    assert await tokens.caller(NEW) == Caller("deploys", Role.RESPONDER)
    assert await tokens.caller(OTHER) == Caller("board", Role.VIEWER)


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        ("x" * 32, "unknown"),
        (OLD[:-1], "malformed"),
        (f"{OLD}o", "unknown"),
        ("", "malformed"),
        ("o" * 513, "malformed"),
        (f"{OLD[:-1]}.", "malformed"),
        (f"{OLD}\n", "malformed"),
    ],
)
async def test_any_other_lets_nobody_in(file: Path, token: str, reason: str) -> None:
    with pytest.raises(NotAuthenticated, match=reason):
        await kept(file, [entry()]).caller(token)


async def test_every_token_is_compared_whichever_matches(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = kept(file, [entry("deploys", "responder", OLD, NEW), entry("board", "viewer", OTHER)])
    compared: list[bool] = []
    compare = hmac.compare_digest

    def counted(a: bytes, b: bytes) -> bool:
        compared.append(compare(a, b))
        return compared[-1]

    monkeypatch.setattr(hmac, "compare_digest", counted)
    await tokens.caller(OLD)
    assert compared == [True, False, False]


async def test_a_token_that_was_added_in_place_is_found(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secrets, "RECHECK_SECONDS", 0.0)
    tokens = kept(file, [entry()])
    with pytest.raises(NotAuthenticated):
        await tokens.caller(NEW)
    kept(file, [entry("deploys", "responder", NEW)])
    assert await tokens.caller(NEW) == Caller("deploys", Role.RESPONDER)
    with pytest.raises(NotAuthenticated):
        await tokens.caller(OLD)


@pytest.mark.parametrize(
    "content",
    [
        "not JSON",
        "{}",
        "[]",
        [entry(role="owner")],
        [entry("deploys", "viewer", "s" * 31)],
        [entry("deploys", "viewer", "s" * 513)],
        [entry("deploys", "viewer", f"{'s' * 40}.")],
        [entry("deploys", "viewer", f"{'s' * 40} ")],
        [entry("deploys", "viewer", "a" * 32, "b" * 32, "c" * 32)],
        [{"name": "deploys", "role": "viewer", "tokens": []}],
        [{"name": "deploys", "role": "viewer", "token": OLD}],
        [entry(""), entry()],
        [entry("tidegate")],
        [entry("source:alertmanager")],
        [entry(), entry("deploys", "viewer", NEW)],
        [entry(), entry("board", "viewer", OLD)],
        [entry(f"n{n}", "viewer", f"{n:032}") for n in range(101)],
    ],
)
async def test_a_secret_that_cannot_be_used_is_the_operators_fault_and_is_not_quoted(
    file: Path, content: Any
) -> None:
    with pytest.raises(SettingsError) as refused:
        await kept(file, content).caller(OTHER)
    assert "openssl rand" in refused.value.fix
    shown = f"{refused.value!r} {refused.value} {refused.value.__cause__!r}"
    assert not any(text in shown for text in ("s" * 20, OLD, NEW))
