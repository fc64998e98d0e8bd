"""What `make sam-local` invokes, and which effects of an event it reports as problems."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.local.aws.sam.events import event_file, expectations, function_of, problems
from infra.local.aws.sam.invoke import Invocation, prepare
from tests.support.cloudformation import resources

DONE = {"batchItemFailures": list[Any]()}
STARTED = {"verdict": "started", "workflow_id": "s3:a"}
KEPT = {"verdict": "quarantined"}


def invocation(answer: Any, *receipts: dict[str, str]) -> Invocation:
    return Invocation(answer=answer, lines=[{"receipts": list(receipts)}], seconds=1.0)


@pytest.mark.parametrize("name", expectations())
def test_every_event_is_for_a_function_of_the_template(name: str) -> None:
    assert function_of(name) in resources("template.yaml", "Serverless::Function")
    assert json.loads(event_file(name).read_text())


@pytest.mark.parametrize(
    ("name", "found", "kept"),
    [
        ("s3-listener.sqs-s3", invocation(DONE, STARTED), 0),
        ("s3-listener.s3", invocation([STARTED], STARTED), 0),
        ("s3-listener.sqs-s3-test-event", invocation(DONE), 0),
        ("message-listener.sqs-malformed", invocation(DONE, KEPT), 1),
        ("webhook-listener.forged", invocation({"statusCode": 401}), 0),
        ("app.healthz", invocation({"statusCode": 200}), 0),
    ],
)
def test_an_events_expected_effects_are_no_problem(name: str, found: Invocation, kept: int) -> None:
    assert problems(name, expectations()[name], found, kept) == []


@pytest.mark.parametrize(
    ("name", "found", "kept", "said"),
    [
        ("s3-listener.sqs-s3", invocation(DONE), 0, "0 started, not 1"),
        ("s3-listener.sqs-s3", invocation(DONE, STARTED, STARTED), 0, "2 started, not 1"),
        ("s3-listener.sqs-s3-test-event", invocation(DONE, STARTED), 0, "1 started, not 0"),
        (
            "s3-listener.sqs-s3",
            invocation(DONE, {"verdict": "duplicate", "workflow_id": "s3:a"}),
            0,
            "receipts say duplicate",
        ),
        (
            "message-listener.sqs-malformed",
            invocation(DONE, KEPT),
            0,
            "0 more in quarantine, not 1",
        ),
        ("s3-listener.s3", invocation([STARTED], STARTED), 1, "1 more in quarantine, not 0"),
        (
            "webhook-listener.forged",
            invocation({"statusCode": 202}),
            0,
            "answered 202, not 401",
        ),
        ("app.cut-link", invocation({"statusCode": 200}), 0, "answered 200, not 404"),
        (
            "s3-listener.s3",
            invocation({"errorType": "NotAccepted"}, STARTED),
            0,
            'answered {"errorType": "NotAccepted"}, not 1',
        ),
        ("s3-listener.sqs-s3", invocation(None, STARTED), 0, "answered null, not "),
    ],
)
def test_any_other_effect_is_a_problem(name: str, found: Invocation, kept: int, said: str) -> None:
    assert said in " | ".join(problems(name, expectations()[name], found, kept))


def test_sam_passes_the_variables_of_the_file_and_no_empty_ones(tmp_path: Path) -> None:
    absent = {"Fn::If": ["ByApiKey", "secret", {"Ref": "AWS::NoValue"}]}
    named = {"TEMPORAL_ADDRESS": {"Ref": "TemporalAddress"}, "TEMPORAL_API_KEY": absent, "A": "b"}
    built = tmp_path / "template.yaml"
    built.write_text(
        yaml.safe_dump({"Globals": {"Function": {"Environment": {"Variables": named}}}})
    )
    given = {"TEMPORAL_ADDRESS": "192.0.2.1:7233", "LOCAL_HOOK_TOKEN": "local-token"}
    copy, values = prepare(built, given)
    environment = yaml.safe_load(copy.read_text())["Globals"]["Function"]["Environment"]
    assert set(environment["Variables"]) == {"TEMPORAL_ADDRESS", "LOCAL_HOOK_TOKEN", "A"}
    assert json.loads(values.read_text()) == {"Parameters": given}
    assert yaml.safe_load(built.read_text())["Globals"]["Function"]["Environment"] == {
        "Variables": named
    }
