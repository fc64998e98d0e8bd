"""`tidegate send` tells what became of what it sent."""

from __future__ import annotations

import json

import pytest

from core.domain.event import ALERT, Event
from core.formats.shared.delivery import Malformed, way_headers
from infra.local.send import expected_of, format_of_queue, refusal
from tests.support.payloads import recorded_json

STARTED = {"verdict": "started", "workflow_id": "incident:webhook:plant:1"}
KEPT = {"verdict": "quarantined", "code": "NotStarted", "reason": "Temporal is unavailable"}


@pytest.mark.parametrize(
    ("receipts", "refused"),
    [
        ([], None),
        ([STARTED], None),
        ([KEPT], "Temporal is unavailable"),
        ([STARTED, KEPT], "Temporal is unavailable (1 of 2 events)"),
    ],
)
def test_what_was_not_accepted_is_said_whatever_the_status(
    receipts: list[dict[str, str]], refused: str | None
) -> None:
    assert refusal(receipts) == refused


@pytest.mark.parametrize(
    ("formats", "body", "expected"),
    [
        ("", {"a": 1}, "tidegate.message"),
        ("messages=cloudwatch", recorded_json("webhooks/cloudwatch/sns-alarm"), ALERT),
        ("messages=cloudwatch", {"a": 1}, None),
        ("messages=mapped:uptime-kuma", recorded_json("webhooks/presets/uptime-kuma/test"), ""),
    ],
)
def test_a_message_is_expected_to_be_read_in_the_format_of_the_stack_s_queue(
    formats: str, body: object, expected: str | None
) -> None:
    headers = {**way_headers("queue:messages"), "message-id": "1"}
    found = expected_of(json.dumps(body), headers, format_of_queue("messages", formats))
    match found:
        case Event():
            assert found.type == expected
        case Malformed():
            assert expected is None
        case None:
            assert expected == ""
