"""On Azure a chunked request arrives without its body: its sender hears so, and nothing is kept."""

from __future__ import annotations

import json
from pathlib import Path

import azure.functions as func
import pytest

from core import bootstrap
from core.config.settings import Settings
from functions_azure import runtime, telemetry, webhook_listener

HOOKS = "{version: 1, hooks: {in: {format: message, verify: {scheme: none}}}}"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    file = tmp_path / "webhooks.yaml"
    file.write_text(HOOKS)
    settings = Settings(quarantine=f"file://{tmp_path}/quarantine", webhooks=file)
    monkeypatch.setattr(runtime, "settings", lambda: settings)
    runtime.intake.cache_clear()
    webhook_listener.webhooks.cache_clear()
    return settings


class Counted:
    """A meter that remembers what it counts."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}

    def count(self, name: str, value: int) -> None:
        self.counts[name] = self.counts.get(name, 0) + value

    def observe(self, name: str, value: float, attributes: object) -> None: ...


async def post(headers: dict[str, str], body: bytes = b"") -> func.HttpResponse:
    request = func.HttpRequest(
        method="POST", url="https://host/hooks/in", headers=headers, params={}, body=body
    )
    function = webhook_listener.webhook.build().get_user_function()
    answered: func.HttpResponse = await function(request)
    return answered


async def test_a_request_that_lost_its_body_is_answered_411_and_counted(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    meter = Counted()
    monkeypatch.setattr(telemetry, "meter", lambda: meter)
    answered = await post({"Transfer-Encoding": "chunked", "Content-Type": "application/json"})
    assert answered.status_code == 411
    assert json.loads(answered.get_body())["code"] == "LengthRequired"
    assert meter.counts == {"Refused": 1}
    assert [each async for each in bootstrap.quarantine(settings).records()] == []


async def test_an_empty_request_that_lost_nothing_is_kept(settings: Settings) -> None:
    answered = await post({"Content-Length": "0", "Content-Type": "application/json"})
    assert answered.status_code == 400
    assert len([each async for each in bootstrap.quarantine(settings).records()]) == 1
