"""Who besides this account's own roles may send and upload: nobody, or who a parameter names. A
grant is in two policies, the resource's and the key's, or SNS drops what it may not encrypt."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.cloudformation import FRONT_DOOR
from tests.support.deployed_stack import Stack

TOPIC = "arn:aws:sns:eu-west-1:444455556666:alarms"
RULE = "arn:aws:events:eu-west-1:111122223333:rule/nightly"
ACCOUNTS = ["444455556666", "777788889999"]
CRYPT = ["kms:Decrypt", "kms:GenerateDataKey"]

Statement = dict[str, Any]


def grants(kind: str, id: str, given: dict[str, str], document: str) -> dict[str, Statement]:
    """What the policy of a resource allows, by the statements' names."""
    policy = Stack(FRONT_DOOR, given).resources(kind)[id][document]
    return {each["Sid"]: each for each in policy["Statement"] if each["Effect"] == "Allow"}


def queue(given: dict[str, str]) -> dict[str, Statement]:
    return grants("SQS::QueuePolicy", "MessagesQueuePolicy", given, "PolicyDocument")


def key(given: dict[str, str]) -> dict[str, Statement]:
    return grants("KMS::Key", "Key", given, "KeyPolicy")


def bucket(given: dict[str, str]) -> dict[str, Statement]:
    return grants("S3::BucketPolicy", "DocumentsBucketPolicy", given, "PolicyDocument")


def test_by_default_nobody_else_may_send_or_upload() -> None:
    assert queue({}) == bucket({}) == {}
    assert set(key({})) == {
        "TheAccountDecides",
        "NotificationsIntoQueues",
        "AlarmsIntoTheirTopic",
        "Logs",
    }


def test_services_of_aws_encrypt_for_this_account_only() -> None:
    own = {"StringEquals": {"aws:SourceAccount": "111122223333"}}
    services = {
        "NotificationsIntoQueues": ["s3.amazonaws.com", "events.amazonaws.com"],
        "AlarmsIntoTheirTopic": "cloudwatch.amazonaws.com",
    }
    for sid, service in services.items():
        statement = key({})[sid]
        assert statement["Principal"] == {"Service": service}
        assert statement["Action"] == CRYPT
        assert statement["Condition"] == own


def test_a_topic_that_is_named_may_send_and_encrypt() -> None:
    given = {"SenderTopicArns": TOPIC}
    [sends], [encrypts] = queue(given).values(), new(key(given))
    for statement in (sends, encrypts):
        assert statement["Principal"] == {"Service": "sns.amazonaws.com"}
        assert statement["Condition"] == {"ArnEquals": {"aws:SourceArn": [TOPIC]}}
    assert sends["Action"] == "sqs:SendMessage"
    assert sends["Resource"] == {"Fn::GetAtt": ["MessagesQueue", "Arn"]}
    assert encrypts["Action"] == CRYPT


def test_a_rule_that_is_named_may_send_and_every_rule_of_the_account_may_encrypt() -> None:
    given = {"SenderRuleArns": RULE}
    [sends] = queue(given).values()
    assert sends["Principal"] == {"Service": "events.amazonaws.com"}
    assert sends["Action"] == "sqs:SendMessage"
    assert sends["Condition"] == {
        "StringEquals": {"aws:SourceAccount": "111122223333"},
        "ArnEquals": {"aws:SourceArn": [RULE]},
    }
    encrypts = key(given)["NotificationsIntoQueues"]
    assert "events.amazonaws.com" in encrypts["Principal"]["Service"]
    assert encrypts["Action"] == CRYPT


def test_accounts_that_are_named_may_send_and_encrypt_by_way_of_sqs() -> None:
    given = {"SenderAccountIds": ",".join(ACCOUNTS)}
    [sends], [encrypts] = queue(given).values(), new(key(given))
    assert sends["Principal"] == encrypts["Principal"] == {"AWS": ACCOUNTS}
    assert sends["Action"] == "sqs:SendMessage"
    assert encrypts["Action"] == CRYPT
    assert encrypts["Condition"] == {
        "StringEquals": {"kms:ViaService": "sqs.eu-west-1.amazonaws.com"}
    }


def test_accounts_that_are_named_may_upload_and_encrypt_by_way_of_s3_and_read_nothing() -> None:
    given = {"UploaderAccountIds": ",".join(ACCOUNTS)}
    [uploads], [encrypts] = bucket(given).values(), new(key(given))
    assert uploads["Principal"] == encrypts["Principal"] == {"AWS": ACCOUNTS}
    assert uploads["Action"] == ["s3:PutObject", "s3:AbortMultipartUpload"]
    assert uploads["Resource"] == {"Fn::Sub": "${DocumentsBucket.Arn}/*"}
    assert encrypts["Condition"] == {
        "StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}
    }


def new(statements: dict[str, Statement]) -> list[Statement]:
    """The statements of the key that it does not have by default."""
    return [each for sid, each in statements.items() if sid not in key({})]


@pytest.mark.parametrize(
    "given",
    [{"SenderTopicArns": TOPIC}, {"SenderAccountIds": "444455556666"}],
)
def test_without_a_key_of_its_own_the_queues_policy_is_enough(given: dict[str, str]) -> None:
    stack = Stack(FRONT_DOOR, given | {"Encryption": "AWS-managed"})
    assert stack.resources("KMS::Key") == {}
    assert len(queue(given | {"Encryption": "AWS-managed"})) == 1
