"""An event-source mapping: what Lambda does between an SQS queue and a function.

It long-polls the queue, invokes the real handler with up to ten messages, in the real event shape
and with a Lambda context, deletes the messages that the handler settled and leaves the rest to the
queue, which dead-letters a message after too many receives. If a function raises, times out or
returns what Lambda would not understand, its whole batch is redelivered.

One thing differs: on Lambda a failed message is redelivered after its visibility timeout, which is
minutes. Here that takes 1, 2, 4, then 5 seconds, so that a short outage of Temporal delays nothing.

    python -m infra.local.aws.event_source --queue URL --handler MODULE:FUNCTION --function NAME

Source: AWS Lambda Developer Guide, "Using Lambda with Amazon SQS" and "Handling errors for an SQS
event source".
"""

from __future__ import annotations

import argparse
import base64
import json
import logging
import os
import signal
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from infra.local.aws.lambda_function import Handler, LambdaContext, load_handler
from infra.local.aws.servers import FUNCTION_TIMEOUT, Aws

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import MessageTypeDef

BATCH_SIZE = 10
WAIT_SECONDS = 1
"""Seconds of one long poll. Short, because the server keeps the poll of a killed process and may
give it a message."""

_SLOWEST_RETRY = 5
_PAUSE = 0.5

log = logging.getLogger("event-source")


class FunctionTimeout(BaseException):
    """The function timed out. Not an `Exception`, so that the function cannot catch it."""


class _Stopped(BaseException):
    """SIGTERM arrived while no batch was in flight."""


@dataclass(slots=True)
class EventSource:
    """One mapping from a queue to a handler. `timeout` is the function's, in seconds."""

    aws: Aws
    queue_url: str
    handler: Handler
    function: str = "function"
    timeout: float = FUNCTION_TIMEOUT
    _arn: str = field(init=False)

    def __post_init__(self) -> None:
        answer = self.aws.sqs.get_queue_attributes(
            QueueUrl=self.queue_url, AttributeNames=["QueueArn"]
        )
        self._arn = answer["Attributes"]["QueueArn"]

    def receive(self) -> Sequence[MessageTypeDef]:
        """Wait for messages, for at most `WAIT_SECONDS`."""
        return self.aws.sqs.receive_message(
            QueueUrl=self.queue_url,
            MaxNumberOfMessages=BATCH_SIZE,
            WaitTimeSeconds=WAIT_SECONDS,
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
        ).get("Messages", [])

    def deliver(self, messages: Sequence[MessageTypeDef]) -> int:
        """Invoke the handler with a batch and settle it; returns how many messages failed."""
        sent = {message["MessageId"] for message in messages}
        try:
            failed = failures(self._invoke(messages), sent)
        except (Exception, FunctionTimeout):
            log.exception("%s failed: its whole batch is redelivered", self.function)
            failed = sent
        for message in messages:
            if message["MessageId"] in failed:
                self._retry(message)
            else:
                self.aws.sqs.delete_message(
                    QueueUrl=self.queue_url, ReceiptHandle=message["ReceiptHandle"]
                )
        return len(failed)

    def _invoke(self, messages: Sequence[MessageTypeDef]) -> Any:
        event = {"Records": [_record(message, self._arn) for message in messages]}
        context = LambdaContext(
            self.function, str(uuid.uuid4()), deadline=time.monotonic() + self.timeout
        )
        with _time_limit(self.timeout):
            answer = self.handler(event, context)
        return json.loads(json.dumps(answer))  # as the runtime would serialise it

    def _retry(self, message: MessageTypeDef) -> None:
        try:
            self.aws.sqs.change_message_visibility(
                QueueUrl=self.queue_url,
                ReceiptHandle=message["ReceiptHandle"],
                VisibilityTimeout=retry_delay(_receives(message)),
            )
        except ClientError as error:  # its visibility timeout has expired: it is visible already
            log.warning("message %s: %s", message["MessageId"], error)


def failures(answer: object, sent: set[str]) -> set[str]:
    """The IDs of the messages that failed, by a function's response. Raises ValueError for a
    response that Lambda would treat as the failure of the whole batch."""
    if answer is None or answer == {}:
        return set()
    if not isinstance(answer, dict):
        raise ValueError(f"the function returned {answer!r}, not an object")
    items = answer.get("batchItemFailures")
    if items is None:
        return set()
    if not isinstance(items, list):
        raise ValueError(f"batchItemFailures is {items!r}, not a list")
    failed = set()
    for item in items:
        id = item.get("itemIdentifier") if isinstance(item, dict) else None
        if id not in sent:
            raise ValueError(f"batchItemFailures names {item!r}, which is not in the batch")
        failed.add(id)
    return failed


def retry_delay(receives: int) -> int:
    """Seconds until a failed message that was received so many times is redelivered."""
    return min(1 << (receives - 1), _SLOWEST_RETRY)


def _record(message: MessageTypeDef, arn: str) -> dict[str, Any]:
    """One message as Lambda passes it to a function."""
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": dict(message.get("Attributes", {})),
        "messageAttributes": {
            name: _attribute(value) for name, value in message.get("MessageAttributes", {}).items()
        },
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": arn,
        "awsRegion": arn.split(":")[3],
    }


def _attribute(value: Mapping[str, Any]) -> dict[str, Any]:
    attribute: dict[str, Any] = {
        "stringListValues": [],
        "binaryListValues": [],
        "dataType": value["DataType"],
    }
    if "StringValue" in value:
        attribute["stringValue"] = value["StringValue"]
    if "BinaryValue" in value:
        attribute["binaryValue"] = base64.b64encode(value["BinaryValue"]).decode()
    return attribute


def _receives(message: MessageTypeDef) -> int:
    return int(message.get("Attributes", {}).get("ApproximateReceiveCount", "1"))


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    def expire(*_: object) -> None:
        raise FunctionTimeout(f"task timed out after {seconds:g} seconds")

    before = signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class _Stop:
    """SIGTERM ends the wait for messages immediately, and lets a batch in flight finish."""

    def __init__(self) -> None:
        self.asked = False
        self.waiting = False
        signal.signal(signal.SIGTERM, self._ask)

    def _ask(self, *_: object) -> None:
        self.asked = True
        if self.waiting:
            raise _Stopped


def run(source: EventSource) -> None:
    """Poll and deliver until SIGTERM."""
    stop = _Stop()
    while not stop.asked:
        try:
            stop.waiting = True
            messages = source.receive()
            stop.waiting = False
            if messages:
                failed = source.deliver(messages)
                log.info("%s: %d messages, %d failed", source.function, len(messages), failed)
        except _Stopped:
            return
        except (BotoCoreError, ClientError) as error:
            stop.waiting = False
            log.warning("the queue is unavailable: %s", error)
            time.sleep(_PAUSE)


def main() -> None:
    """Run one mapping as a process; the endpoint comes from AWS_ENDPOINT_URL."""
    parser = argparse.ArgumentParser(prog="python -m infra.local.aws.event_source")
    parser.add_argument("--queue", required=True, help="the queue's URL")
    parser.add_argument("--handler", required=True, help="MODULE:FUNCTION")
    parser.add_argument("--function", required=True, help="the function's name")
    options = parser.parse_args()
    logging.basicConfig(format="%(asctime)s %(name)s %(levelname)s %(message)s", level="INFO")
    handler = load_handler(options.handler)
    source = EventSource(
        Aws(os.environ["AWS_ENDPOINT_URL"]), options.queue, handler, options.function
    )
    log.info("%s listens to %s", options.function, options.queue)
    run(source)


if __name__ == "__main__":
    main()
