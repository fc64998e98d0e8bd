from __future__ import annotations

import pytest

from workers.runtime import health, probe


def test_a_worker_that_is_up_is_healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    with health.serving("127.0.0.1:0", lambda: "waiting for Temporal") as port:
        monkeypatch.setenv("TIDEGATE_HEALTH_ADDRESS", f"127.0.0.1:{port}")
        assert probe.main() is None
        assert "503" in (probe.main("/readyz") or "")


def test_no_proxy_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://192.0.2.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with health.serving("0.0.0.0:0", lambda: health.READY) as port:
        monkeypatch.setenv("TIDEGATE_HEALTH_ADDRESS", f"0.0.0.0:{port}")
        assert probe.main("/readyz") is None


def test_an_unreachable_worker_is_named_by_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    with health.serving("127.0.0.1:0", lambda: health.READY) as port:
        pass
    monkeypatch.setenv("TIDEGATE_HEALTH_ADDRESS", f"127.0.0.1:{port}")
    assert (probe.main() or "").startswith(f"http://127.0.0.1:{port}/healthz: ")


def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEGATE_HEALTH_ADDRESS", "8080")
    assert "TIDEGATE_HEALTH_ADDRESS: not an address" in (probe.main() or "")
