"""The filter patterns of the runbook find the lines that the functions and the API really log."""

from __future__ import annotations

import io
import json
import re

import pytest

from core.errors import InvalidEvent
from core.formats.shared.delivery import Arrival, Delivery, Malformed
from core.intake.receipts import Receipt, Verdict
from functions_aws import telemetry
from tests.support.azure_snapshot import ROOT
from tests.support.cloudformation import FRONT_DOOR, resources
from tests.unit.infra.log_filters import matches

RUNBOOK = (ROOT / "docs" / "operate.md").read_text(encoding="utf-8")
LOOKS = sorted(set(re.findall(r"logs (/aws/\S+) \w+ '(\{.*?\})'", RUNBOOK)))
"""Log groups and patterns. Words after `?` are any words: no pattern of them can be wrong."""


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> dict[str, list[str]]:
    """By log group: what listeners write of an event that is given back and of a request that is
    refused, and what the APIs write of requests that are answered 4xx and 5xx."""
    arrival = Arrival(
        Malformed(InvalidEvent("no JSON")), Delivery(format="json", body=b"", unique="1")
    )
    retried = Receipt(verdict=Verdict.RETRY, key="k", code="TemporalUnavailable", reason="refused")
    logged, handler = io.StringIO(), telemetry.logger.registered_handler
    before = handler.stream  # type: ignore[attr-defined]
    handler.stream = logged  # type: ignore[attr-defined]
    try:
        telemetry.record(arrival, retried)
        telemetry.record_request(hook="alerts", code="CannotVerify", status=503)
        telemetry._end_line()
    finally:
        handler.stream = before  # type: ignore[attr-defined]
    apis = resources(FRONT_DOOR, "Serverless::HttpApi").values()
    formats = [json.loads(api["AccessLogSettings"]["Format"]) for api in apis]
    return {
        "/aws/lambda": [*logged.getvalue().splitlines(), *capsys.readouterr().out.splitlines()],
        "/aws/vendedlogs": [
            json.dumps({**access, "status": each}) for access in formats for each in ("401", "503")
        ],
    }


def test_the_runbook_looks_into_the_logs_of_the_functions_and_of_the_api() -> None:
    assert {group.rpartition("/")[0] for group, _ in LOOKS} == {"/aws/lambda", "/aws/vendedlogs"}


@pytest.mark.parametrize(("group", "pattern"), LOOKS, ids=[pattern for _, pattern in LOOKS])
def test_a_pattern_finds_a_line(group: str, pattern: str, lines: dict[str, list[str]]) -> None:
    assert [each for each in lines[group.rpartition("/")[0]] if matches(pattern, each)]
