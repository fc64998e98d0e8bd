"""The messages queue as the template makes it with MessagesQueueType=FIFO, from its sender to the
workflows: what is in one group arrives in its order, whatever fails in between."""

from __future__ import annotations

import json
import uuid
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from core.config.settings import Settings
from core.domain.event import ALERT, Event
from core.errors import TemporalUnavailable
from functions_aws.message_listener import handler
from infra.local.aws.event_source import EventSource
from infra.local.aws.servers import Aws
from infra.local.processes import wait_until
from tests.support.cloudformation import FRONT_DOOR
from tests.support.deployed_stack import Stack
from tests.support.listeners import fresh_process
from tests.support.workflows_port import MemoryWorkflows

PATIENCE = 120.0
GROUPS = 6
WORDS = ("firing", "resolved", "firing", "resolved", "firing")


@pytest.fixture
def aws(aws_server: str) -> Iterator[Aws]:
    found = Aws(aws_server)
    yield found
    found.close()


@pytest.fixture
def queue(aws: Aws) -> str:
    """The URL of the template's queue, with its dead letters behind it."""
    values = {
        "Name": f"fifo-{uuid.uuid4().hex[:8]}",
        "MessagesQueueType": "FIFO",
        "Encryption": "AWS-managed",
    }
    queues = Stack(FRONT_DOOR, values).resources("SQS::Queue")
    letters = dict(queues["MessagesDeadLetters"])
    del letters["RedriveAllowPolicy"]  # it names an account that is not moto's
    dead = aws.sqs.get_queue_attributes(QueueUrl=made(aws, letters), AttributeNames=["QueueArn"])[
        "Attributes"
    ]["QueueArn"]
    redrive = queues["MessagesQueue"]["RedrivePolicy"] | {"deadLetterTargetArn": dead}
    return made(aws, queues["MessagesQueue"] | {"RedrivePolicy": redrive})


def made(aws: Aws, properties: dict[str, Any]) -> str:
    """The URL of a new queue with these properties of CloudFormation's."""
    attributes = {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in properties.items()
        if name != "QueueName"
    }
    created = aws.sqs.create_queue(
        QueueName=properties["QueueName"],
        Attributes=attributes,  # type: ignore[arg-type]
    )
    return created["QueueUrl"]


def send(aws: Aws, queue: str, group: str, status: str) -> None:
    id = uuid.uuid4().hex
    event = {
        "specversion": "1.0",
        "id": id,
        "source": "/monitor",
        "type": ALERT,
        "data": {"key": group, "status": status, "title": "Down"},
    }
    aws.sqs.send_message(
        QueueUrl=queue,
        MessageBody=json.dumps(event),
        MessageGroupId=group,
        MessageDeduplicationId=id,
    )


class Failing(MemoryWorkflows):
    """Refuses every seventh event, as Temporal does in an outage, before it takes it."""

    def __init__(self) -> None:
        super().__init__(self._refuse)
        self._asked = 0
        self.refused = 0
        self.taken: dict[str, list[str]] = defaultdict(list)

    def _refuse(self, event: Event) -> None:
        self._asked += 1
        if self._asked % 7 == 0:
            self.refused += 1
            raise TemporalUnavailable("unavailable")
        self.taken[event.data["key"]].append(event.data["status"])


def test_a_group_reaches_its_workflow_in_order_while_calls_fail(
    aws: Aws, queue: str, function_settings: Settings
) -> None:
    for group in range(GROUPS):
        for word in WORDS:
            send(aws, queue, f"group-{group}", word)
    workflows = Failing()
    settings = replace(function_settings, trusted_types=(ALERT,))
    with fresh_process(settings, workflows):
        source = EventSource(aws, queue, handler)

        def drained() -> bool:
            if messages := source.receive():
                source.deliver(messages)
            return aws.waiting(queue) == 0

        wait_until(drained, PATIENCE, "the queue to be empty")
    assert workflows.refused > 0
    assert len(workflows.taken) == GROUPS
    assert {tuple(words) for words in workflows.taken.values()} == {WORDS}


def test_what_a_sender_repeats_is_sent_once_and_equal_words_twice(aws: Aws, queue: str) -> None:
    """By the sender's ID, not by the content: a source may say the same thing twice and mean it."""
    for id in ("1", "1", "2"):
        aws.sqs.send_message(
            QueueUrl=queue, MessageBody="{}", MessageGroupId="a", MessageDeduplicationId=id
        )
    assert aws.waiting(queue) == 2
