"""What monitoring systems send through EventBridge, SNS and a queue becomes the alerts that their
webhooks would make of it, signalled to the incidents of that queue."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from core import bootstrap
from core.config.settings import Settings
from core.domain.alert import read_alert
from core.domain.event import Event
from core.domain.validation import EventValidationService
from core.formats.registry import read
from core.formats.shared.delivery import Arrival, Malformed
from core.intake.accept import Intake
from functions_aws.sqs import deliveries
from tests.support.payloads import EVENTS, recorded_json, sns, sqs_batch
from tests.support.workflows_port import MemoryWorkflows

PRESETS: Final = EVENTS / "webhooks" / "presets"
BY_EVENTBRIDGE: Final = ("aws-health", "guardduty", "security-hub")


def tables(name: str) -> dict[str, Any]:
    table = yaml.safe_load((PRESETS / name / "expected.yaml").read_text(encoding="utf-8"))
    assert isinstance(table, dict)
    return table


PAYLOADS: Final = [(name, file) for name in BY_EVENTBRIDGE for file in tables(name)]


def arrivals(format: str, *bodies: object) -> list[Arrival]:
    """Of messages in the queue `alarms`, which has this format."""
    settings = Settings(queue_formats=(("alarms", format),))
    found = deliveries("message", sqs_batch(*bodies, queue="alarms"), settings)
    assert found is not None
    return [arrival for delivery in found for arrival in read(delivery)]


@pytest.mark.parametrize("wrap", [lambda event: event, sns], ids=["eventbridge", "sns"])
@pytest.mark.parametrize(("name", "file"), PAYLOADS)
def test_a_preset_reads_in_a_queue_what_it_reads_in_a_request(
    name: str, file: str, wrap: Any
) -> None:
    body = recorded_json(f"webhooks/presets/{name}/{file.removesuffix('.json')}")
    case = tables(name)[file]
    found = [arrival.item for arrival in arrivals(f"mapped:{name}", wrap(body))]
    alerts = [read_alert(item) for item in found if isinstance(item, Event)]
    refusals = [item.error.message for item in found if isinstance(item, Malformed)]
    assert [a.model_dump(mode="json", exclude_defaults=True) for a in alerts] == case.get(
        "alerts", []
    )
    assert len(refusals) == ("refused" in case)
    assert all(case["refused"] in refusal for refusal in refusals)


@pytest.mark.parametrize(
    ("format", "payload"),
    [
        ("cloudwatch", "cloudwatch/eventbridge-alarm"),
        ("cloudwatch", "cloudwatch/sns-alarm"),
        ("alertmanager", "alertmanager/firing"),
        ("mapped:aws-health", "presets/aws-health/issue"),
        ("mapped:guardduty", "presets/guardduty/finding"),
        ("mapped:security-hub", "presets/security-hub/failed"),
    ],
)
async def test_what_comes_by_sns_and_a_queue_is_signalled_to_incidents(
    format: str, payload: str, tmp_path: Path
) -> None:
    body = recorded_json(f"webhooks/{payload}")
    settings = Settings(quarantine=f"file://{tmp_path}/")
    workflows = MemoryWorkflows()
    intake = Intake(
        workflows=workflows,
        router=bootstrap.router(settings),
        quarantine=bootstrap.quarantine(settings),
        validation=EventValidationService(documents=(), max_bytes=64 * 1024),
    )
    found = arrivals(format, body if "TopicArn" in body else sns(body))
    receipts = await intake.accept(found)
    assert {receipt.verdict for receipt in receipts} <= {"started", "delivered"}
    assert workflows.signals
    assert all(id.startswith("incident:queue:alarms:") for id, _, _ in workflows.signals)
    assert {read_alert(event).status for event in workflows.calls} == {"firing"}


def test_an_event_that_eventbridge_repeats_is_the_same_event() -> None:
    body = recorded_json("webhooks/presets/guardduty/finding")
    once, twice = arrivals("mapped:guardduty", body, body)
    assert isinstance(once.item, Event)
    assert isinstance(twice.item, Event)
    assert once.item.key == twice.item.key
    other = json.loads(json.dumps(body)) | {"id": "another"}
    [again] = arrivals("mapped:guardduty", other)
    assert isinstance(again.item, Event)
    assert again.item.key != once.item.key
