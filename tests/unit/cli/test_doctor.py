"""`tidegate doctor` as it ends: what counts as healthy."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from core.operations.doctor import examine
from core.operations.doctor.checks import Check, Code, Outcome
from tests.support.cli import Tidegate


@pytest.mark.parametrize(
    ("outcome", "healthy"),
    [("ok", True), ("skipped", True), ("warning", True), ("failed", False)],
)
def test_only_a_failed_check_is_unhealthy(
    outcome: Outcome, healthy: bool, tidegate: Tidegate, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def found() -> AsyncIterator[Check]:
        yield Check(Code.SETTINGS, "settings", outcome, "")
        yield Check(Code.ROUTES, "routes", "ok", "")

    monkeypatch.setattr(examine, "examine", found)
    result = tidegate("doctor", "--json")
    assert (result.code, result.json["healthy"]) == (0 if healthy else 1, healthy)
    assert tidegate("doctor").code == result.code
