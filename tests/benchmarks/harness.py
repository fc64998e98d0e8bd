"""What the benchmarks share: a Temporal server of their own, Lambda's environment, S3's events.

Each benchmark is a process of its own (see `__main__`), so it may change its environment.
"""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from core.domain.event import Event
from core.formats.registry import read
from core.formats.shared.delivery import Delivery
from infra.local.aws.lambda_function import LambdaContext
from infra.local.environment import outside_environment
from infra.local.processes import Processes
from infra.local.signals import interruptible, uninterrupted
from infra.local.temporal import NAMESPACE, TemporalServer, start_temporal

BUCKET = "documents"


@contextmanager
def servers(folder: Path) -> Iterator[tuple[Processes, TemporalServer]]:
    """A Temporal server with its state in memory, and a place to start more processes; all stop
    after the block."""
    processes = Processes(folder / "logs")
    try:
        with interruptible():
            server = start_temporal(processes, outside_environment())
            server.wait()
            yield processes, server
    finally:
        with uninterrupted():
            processes.stop()


def lambda_environment(folder: Path, address: str) -> dict[str, str]:
    """The environment of a listener in Lambda, tracing included; addresses are this machine's."""
    empty = folder / "temporal.toml"
    empty.touch()
    return {
        "AWS_LAMBDA_FUNCTION_NAME": "tidegate-s3",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:2000",
        "LAMBDA_TASK_ROOT": str(folder),
        "_X_AMZN_TRACE_ID": (
            "Root=1-5e1b4151-5ac6c58f3d1f2b0a4d2e3f10;Parent=53995c3f42cd8ad8;Sampled=0"
        ),
        "TEMPORAL_ADDRESS": address,
        "TEMPORAL_NAMESPACE": NAMESPACE,
        "TEMPORAL_CONFIG_FILE": str(empty),
        "TIDEGATE_DOCUMENTS": f"s3://{BUCKET}",
        "TIDEGATE_QUARANTINE": f"file://{folder}/quarantine/",
    }


def notification(key: str | None = None) -> dict[str, Any]:
    """S3's notification of one upload. Each call is another one, its key of the same length."""
    key = key or f"incidents/{uuid.uuid4()}.json"
    return {
        "Records": [
            {
                "eventVersion": "2.1",
                "eventSource": "aws:s3",
                "awsRegion": "eu-west-1",
                "eventTime": "2026-03-01T10:00:00.000Z",
                "eventName": "ObjectCreated:Put",
                "userIdentity": {"principalId": "AWS:AIDAEXAMPLE"},
                "requestParameters": {"sourceIPAddress": "192.0.2.10"},
                "responseElements": {
                    "x-amz-request-id": "C3D13FE58DE4C810",
                    "x-amz-id-2": "FMyUVURIY8/IgAtTv8xRjskZQpcIZ9KG4V5Wp6S7S/JRWeUW",
                },
                "s3": {
                    "s3SchemaVersion": "1.0",
                    "configurationId": "tidegate",
                    "bucket": {
                        "name": BUCKET,
                        "ownerIdentity": {"principalId": "A3NL1KOZZKExample"},
                        "arn": f"arn:aws:s3:::{BUCKET}",
                    },
                    "object": {
                        "key": key,
                        "size": 1024,
                        "eTag": "d41d8cd98f00b204e9800998ecf8427e",
                        "sequencer": f"{time.time_ns():018X}",
                    },
                },
            }
        ]
    }


def batch(notifications: list[dict[str, Any]]) -> dict[str, Any]:
    """Lambda's event for an SQS batch, one notification per message."""
    arn = "arn:aws:sqs:eu-west-1:123456789012:tidegate-events"
    return {
        "Records": [
            {
                "messageId": str(uuid.uuid4()),
                "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a",
                "body": json.dumps(body),
                "attributes": {
                    "ApproximateReceiveCount": "1",
                    "SentTimestamp": str(int(time.time() * 1000)),
                    "SenderId": "AIDAEXAMPLE",
                    "ApproximateFirstReceiveTimestamp": str(int(time.time() * 1000)),
                },
                "messageAttributes": {},
                "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
                "eventSource": "aws:sqs",
                "eventSourceARN": arn,
                "awsRegion": "eu-west-1",
            }
            for body in notifications
        ]
    }


def as_event(body: dict[str, Any]) -> Event:
    """The event that the handler makes of a notification, for the baseline to start with."""
    [arrival] = read(Delivery(format="s3", body=json.dumps(body).encode(), unique="1"))
    assert isinstance(arrival.item, Event)
    return arrival.item


def context(seconds: float = 60.0) -> LambdaContext:
    """The context of an invocation that may take that many seconds."""
    return LambdaContext("tidegate-s3", str(uuid.uuid4()), deadline=time.monotonic() + seconds)


def settled(answer: Any) -> None:
    """Raises `RuntimeError` unless the handler accepted its whole batch."""
    if answer != {"batchItemFailures": []}:
        raise RuntimeError(f"the handler answered {answer!r}; its log says why")
