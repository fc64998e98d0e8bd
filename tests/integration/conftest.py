"""What the tests of the listeners share: settings as a deployed function has them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.settings import Settings
from infra.local.temporal import TemporalServer
from tests.support.listeners import fresh_process
from tests.support.payloads import BUCKET


@pytest.fixture
def function_settings(
    temporal_server: TemporalServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Settings]:
    """A function's environment, and a process that has not yet read it."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", temporal_server.address)
    monkeypatch.setenv("TIDEGATE_DOCUMENTS", f"s3://{BUCKET}/")
    monkeypatch.setenv("TIDEGATE_QUARANTINE", f"file://{tmp_path}/quarantine/")
    monkeypatch.setenv("TIDEGATE_MAX_EVENT_BYTES", "8192")
    with fresh_process():
        yield Settings.from_env()
