"""Alarms and the dashboard: they watch what exists, and somebody is notified."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from core.intake.receipts import EVENT_AGE, METRICS, REFUSED, Verdict
from tests.support.cloudformation import (
    ALARMS,
    EDGE,
    FRONT_DOOR,
    WORKERS,
    resources,
    template,
    text,
)
from tests.support.deployed_stack import Stack

OURS = {*METRICS.values(), EVENT_AGE, REFUSED}
FRONT = resources(ALARMS, "CloudWatch::Alarm")
WORKING = resources(WORKERS, "CloudWatch::Alarm")
TO_TOPIC = {ALARMS: {"Ref": "Topic"}, EDGE: {"Ref": "Topic"}, WORKERS: {"Ref": "AlarmTopicArn"}}


def dimensions(alarm: dict[str, Any]) -> dict[str, str]:
    return {each["Name"]: text(each["Value"]) for each in alarm.get("Dimensions", [])}


@pytest.mark.parametrize(
    ("metric", "of", "when"),
    [
        ("ApproximateAgeOfOldestMessage", {"QueueName": "${Name}-documents"}, (300, 60, 5)),
        ("ApproximateAgeOfOldestMessage", {"QueueName": "MessagesQueueName"}, (300, 60, 5)),
        (
            "ApproximateNumberOfMessagesVisible",
            {"QueueName": "${Name}-documents-dead-letters"},
            (0, 60, 1),
        ),
        (
            "ApproximateNumberOfMessagesVisible",
            {"QueueName": "MessagesDeadLettersName"},
            (0, 60, 1),
        ),
        ("Errors", {"FunctionName": "${Name}-s3-listener"}, (0, 60, 3)),
        ("Errors", {"FunctionName": "${Name}-message-listener"}, (0, 60, 3)),
        ("Errors", {"FunctionName": "${Name}-webhook-listener"}, (0, 60, 3)),
        ("Throttles", {"FunctionName": "${Name}-s3-listener"}, (0, 300, 3)),
        ("Throttles", {"FunctionName": "${Name}-message-listener"}, (0, 300, 3)),
        ("Throttles", {"FunctionName": "${Name}-webhook-listener"}, (0, 300, 3)),
        ("Quarantined", {"service": "Name"}, (0, 300, 1)),
        ("Retried", {"service": "Name"}, (0, 60, 3)),
        ("Refused", {"service": "Name"}, (20, 300, 1)),
        ("InvocationsSentToDlq", {"RuleName": "RuleName"}, (0, 300, 1)),
        ("InvocationsFailedToBeSentToDlq", {"RuleName": "RuleName"}, (0, 300, 1)),
        ("5xx", {"ApiId": "ApiId"}, (5, 300, 2)),
        # People open links one at a time, and each of them counts.
        ("Errors", {"FunctionName": "${Name}-app"}, (0, 300, 1)),
        ("Throttles", {"FunctionName": "${Name}-app"}, (0, 300, 1)),
        ("5xx", {"ApiId": "AppApiId"}, (2, 300, 1)),
        ("Latency", {"ApiId": "AppApiId"}, (5000, 300, 2)),
        ("AppRefusals", {}, (20, 300, 1)),
    ],
)
def test_there_is_an_alarm(metric: str, of: dict[str, str], when: tuple[int, int, int]) -> None:
    """`when` is what has to be exceeded, in periods of how many seconds, and how many of them."""
    [alarm] = [a for a in FRONT.values() if (a["MetricName"], dimensions(a)) == (metric, of)]
    times = alarm.get("DatapointsToAlarm", alarm["EvaluationPeriods"])
    assert (alarm["Threshold"], alarm["Period"], times) == when
    assert alarm["ComparisonOperator"] == "GreaterThanThreshold"
    assert alarm["TreatMissingData"] == "notBreaching"


def test_alarms_watch_queues_and_functions_that_exist() -> None:
    found = resources(FRONT_DOOR, "SQS::Queue")
    queues = {text(q["QueueName"]) for q in found.values()} | {f"{id}.QueueName" for id in found}
    [application] = resources(FRONT_DOOR, "Serverless::Application").values()
    passed = {name: text(value) for name, value in application["Parameters"].items()}
    functions = resources(FRONT_DOOR, "Serverless::Function").values()
    names = {text(f["FunctionName"]) for f in functions}
    for alarm in FRONT.values():
        of = dimensions(alarm)
        assert passed.get(of.get("QueueName", ""), of.get("QueueName")) in {None, *queues}
        assert of.get("FunctionName") in {None, *names}


def test_the_application_is_watched_where_there_is_one() -> None:
    watched = {"AppErrors", "AppThrottles", "AppFailures", "AppLatency", "AppRefused"}
    for api, expected in (("", set[str]()), ("a1b2c3", watched)):
        made = Stack(ALARMS, {"AppApiId": api})
        alarms = made.resources("CloudWatch::Alarm")
        assert {id for id in alarms if id.startswith("App")} == expected
        assert len(made.resources("Logs::MetricFilter")) == bool(expected)


def test_each_upload_that_eventbridge_gives_up_is_in_the_metric_of_one_alarm() -> None:
    """It is dead-lettered, or could not be. Source: Amazon EventBridge, "Monitoring Amazon
    EventBridge", which does not say that FailedInvocations counts what was dead-lettered."""
    [rule] = resources(FRONT_DOOR, "Events::Rule").values()
    assert all("DeadLetterConfig" in target for target in rule["Targets"])
    watched = {a["MetricName"] for a in FRONT.values() if a["Namespace"] == "AWS/Events"}
    assert watched == {"InvocationsSentToDlq", "InvocationsFailedToBeSentToDlq"}


def test_our_own_metrics_are_those_that_the_listeners_emit() -> None:
    named = {a["MetricName"] for a in FRONT.values() if a["Namespace"] == "Tidegate"}
    assert named == {METRICS[Verdict.QUARANTINED], METRICS[Verdict.RETRY], REFUSED}
    variables = template(FRONT_DOOR)["Globals"]["Function"]["Environment"]["Variables"]
    assert variables["POWERTOOLS_SERVICE_NAME"] == {"Ref": "Name"}


def queues() -> list[dict[str, Any]]:
    """The queues that a listener reads."""
    return [q for q in resources(FRONT_DOOR, "SQS::Queue").values() if "RedrivePolicy" in q]


def test_an_outage_of_temporal_raises_an_alarm_within_minutes_that_lasts() -> None:
    """Even with a single message, which is redelivered once in each visibility timeout."""
    alarm = FRONT["Retried"]
    times, window = alarm["DatapointsToAlarm"], alarm["EvaluationPeriods"] * alarm["Period"]
    assert (alarm["Threshold"], alarm["Period"]) == (0, 60)
    assert times > 1  # once is a coincidence
    for queue in queues():
        again = queue["VisibilityTimeout"]
        assert (times - 1) * again + 2 * alarm["Period"] < 600
        assert times * again + alarm["Period"] <= window
        assert window < queue["RedrivePolicy"]["maxReceiveCount"] * again / 4


def test_the_alarm_on_a_queues_age_goes_off_before_sqs_excludes_messages_from_it() -> None:
    """A message that was received three times does not count. Source: Amazon SQS, "Available
    CloudWatch metrics", ApproximateAgeOfOldestMessage."""
    ages = [a for a in FRONT.values() if a["MetricName"] == "ApproximateAgeOfOldestMessage"]
    assert len(ages) == len(queues()) == 2
    for alarm in ages:
        assert alarm["Threshold"] < min(2 * queue["VisibilityTimeout"] for queue in queues())


@pytest.mark.parametrize("name", [ALARMS, WORKERS, EDGE])
def test_every_alarm_and_its_end_are_notified(name: str) -> None:
    for id, alarm in resources(name, "CloudWatch::Alarm").items():
        assert alarm["AlarmActions"] == alarm["OKActions"] == [TO_TOPIC[name]], id
        assert len(alarm["AlarmDescription"].split()) >= 10, id


@pytest.mark.parametrize("name", [ALARMS, EDGE])
def test_alarms_of_this_account_alone_may_write_to_the_topic_and_the_named_key_encrypts_it(
    name: str,
) -> None:
    key = "arn:aws:kms:us-east-1:111122223333:key/0a1b2c3d"
    [topic] = Stack(name, {"KeyArn": key}).resources("SNS::Topic").values()
    assert topic["KmsMasterKeyId"] == key
    [attached] = Stack(name).resources("SNS::TopicPolicy").values()
    assert attached["Topics"] == [{"Ref": "Topic"}]
    allow, deny = attached["PolicyDocument"]["Statement"]
    assert (allow["Effect"], allow["Action"]) == ("Allow", "sns:Publish")
    assert allow["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert allow["Condition"] == {"StringEquals": {"aws:SourceAccount": "111122223333"}}
    assert (deny["Effect"], deny["Principal"]) == ("Deny", "*")


def test_the_workers_have_their_alarms() -> None:
    assert {(alarm["MetricName"], alarm["TreatMissingData"]) for alarm in WORKING.values()} == {
        ("PageFailures", "notBreaching"),
        ("RootGivenUp", "notBreaching"),
        ("IncidentGivenUp", "notBreaching"),
        ("RootBacklogAge", "notBreaching"),
        ("IncidentBacklogAge", "notBreaching"),
        ("RunningTaskCount", "breaching"),
    }


def test_the_workers_own_metrics_come_from_filters() -> None:
    filters = resources(WORKERS, "Logs::MetricFilter").values()
    made = {
        (text(m["MetricNamespace"]), m["MetricName"])
        for each in filters
        for m in each["MetricTransformations"]
    }
    for alarm in WORKING.values():
        if text(alarm["Namespace"]).startswith("Tidegate"):
            assert (text(alarm["Namespace"]), alarm["MetricName"]) in made


def test_the_dashboard_shows_every_alarm_and_real_metrics() -> None:
    [dashboard] = resources(ALARMS, "CloudWatch::Dashboard").values()
    body = text(dashboard["DashboardBody"])
    widgets = json.loads(body)["widgets"]
    alarms = {name for w in widgets for name in w["properties"].get("alarms", [])}
    shown = {re.sub(r"\$\{(\w+)\.Arn\}", r"\1", alarm) for alarm in alarms}
    optional = {
        id
        for id, each in template(ALARMS)["Resources"].items()
        if each.get("Condition") in ("Ruled", "Served")
    }
    assert shown == set(FRONT) - optional
    metrics = [m for w in widgets for m in w["properties"].get("metrics", [])]
    assert {name for space, name, *_ in metrics if space == "Tidegate"} == OURS


def test_widgets_do_not_overlap() -> None:
    [dashboard] = resources(ALARMS, "CloudWatch::Dashboard").values()
    taken: set[tuple[int, int]] = set()
    for widget in json.loads(text(dashboard["DashboardBody"]))["widgets"]:
        x, y, width, height = (widget[side] for side in ("x", "y", "width", "height"))
        cells = {(c, r) for c in range(x, x + width) for r in range(y, y + height)}
        assert not cells & taken
        assert max(c for c, _ in cells) < 24
        taken |= cells
