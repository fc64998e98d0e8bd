"""What an unproven request may cost, and how long a proven one can be sent again."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from core.config.settings import Settings
from core.errors import TransientError
from core.operations.doctor import examine
from core.webhooks.verifiers import sns, tokens
from core.webhooks.verifiers.base import NotVerified
from core.webhooks.verifiers.certificates import Certificates
from tests.support.webhooks import NOW, Harness
from tests.support.workflows_port import MemoryWorkflows

TOPIC = "arn:aws:sns:eu-west-1:111122223333:alarms"
URL = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0.pem"
SCHEMES: dict[str, dict[str, Any]] = {
    "sns": {"format": "cloudwatch", "verify": {"scheme": "sns", "topic_arns": [TOPIC]}},
    "routing-key": {
        "format": "pagerduty",
        "verify": {"scheme": "routing-key", "secrets": ["env:TOKEN"]},
    },
}


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The bodies that the verifiers of these schemes parse."""
    bodies: list[bytes] = []
    for module in (sns, tokens):
        monkeypatch.setattr(module, "load_json", bodies.append)
    return bodies


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_an_unproven_large_body_is_refused_before_it_is_parsed(
    scheme: str, tmp_path: Path, parsed: list[bytes]
) -> None:
    harness = Harness(MemoryWorkflows(), tmp_path, {scheme: SCHEMES[scheme]})
    body = b'{"routing_key": "k", "TopicArn": "%s", "a": "%s"}' % (TOPIC.encode(), b"x" * 700_000)
    outcome = await harness.post(body, hook=scheme, signed=False)
    assert outcome.response.status == 413
    assert parsed == []


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_a_body_that_names_neither_topic_nor_key_is_not_parsed(
    scheme: str, tmp_path: Path, parsed: list[bytes]
) -> None:
    harness = Harness(MemoryWorkflows(), tmp_path, {scheme: SCHEMES[scheme]})
    outcome = await harness.post(b'{"a": "%s"}' % (b"x" * 100_000), hook=scheme, signed=False)
    assert outcome.response.status == 401
    assert parsed == []


@pytest.mark.parametrize("failure", [NotVerified("untrusted"), TransientError("no answer")])
async def test_a_certificate_that_cannot_be_fetched_is_fetched_once_a_minute(
    failure: Exception,
) -> None:
    asked = []

    def fetch(url: str) -> bytes:
        asked.append(url)
        raise failure

    certificates = Certificates(fetch)
    for seconds in (0, 1, 59, 60, 61):
        with pytest.raises(type(failure)):
            await certificates.get(URL, NOW + timedelta(seconds=seconds))
    assert len(asked) == 2


HMAC = {"scheme": "hmac", "secrets": ["env:TOKEN"], "header": "x-signature"}


@pytest.mark.parametrize(
    ("verify", "outcome"),
    [
        ({"scheme": "grafana", "secrets": ["env:TOKEN"]}, "warning"),
        ({"scheme": "grafana", "secrets": ["env:TOKEN"], "timestamp_header": "x-time"}, "ok"),
        (HMAC, "warning"),
        (HMAC | {"timestamp_header": "x-time", "signed": "{timestamp}.{body}"}, "ok"),
        ({"scheme": "standard-webhooks", "secrets": ["env:TOKEN"]}, "ok"),
        ({"scheme": "bearer", "secrets": ["env:TOKEN"]}, "ok, and says so"),
        ({"scheme": "pagerduty", "secrets": ["env:TOKEN"]}, "ok, and says so"),
        ({"scheme": "github", "secrets": ["env:TOKEN"]}, "ok, and says so"),
    ],
    ids=str,
)
async def test_doctor_says_of_which_webhooks_a_recorded_request_never_expires(
    verify: dict[str, Any], outcome: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import yaml

    monkeypatch.setenv("TOKEN", "a-token-nobody-guesses")
    file = tmp_path / "webhooks.yaml"
    hook = {"format": "alertmanager", "verify": verify}
    file.write_text(yaml.safe_dump({"version": 1, "hooks": {"in": hook}}))
    settings = Settings(quarantine=f"file://{tmp_path}", webhooks=file)
    [_, check] = [each async for each in examine._webhooks(settings)]
    assert check.outcome == outcome.partition(",")[0]
    assert ("signs no time" in check.detail) == ("says so" in outcome)
    assert ("never expires" in check.detail) == (outcome == "warning")
