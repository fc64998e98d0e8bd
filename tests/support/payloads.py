"""Recorded payloads, and new ones made by changing recorded ones.

What is in `tests/events` is kept byte for byte; tests that need an upload of their own take a
recorded one and change its bucket, key and sequencer.
"""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus
from uuid import uuid4

from core.formats.shared.delivery import Delivery

EVENTS = Path(__file__).parents[1] / "events"
NAMES = sorted(path.stem for path in EVENTS.glob("*.json"))

BUCKET = "example-documents"
QUEUE_ARN = "arn:aws:sqs:eu-west-1:111122223333:"


def recorded(name: str) -> bytes:
    """The recorded payload with this name, byte for byte."""
    return (EVENTS / f"{name}.json").read_bytes()


def recorded_json(name: str) -> Any:
    return json.loads(recorded(name))


def delivery(format: str, body: object, *, unique: str = "unique", **headers: str) -> Delivery:
    """A delivery of bytes as they are, or of anything else as JSON. Underscores in the names of
    headers stand for hyphens."""
    return Delivery(
        format=format,
        body=body if isinstance(body, bytes) else json.dumps(body).encode(),
        headers={name.replace("_", "-"): value for name, value in headers.items()},
        unique=unique,
    )


def as_started(event: Any, key: str, way: str, scope: str | None = None) -> Any:
    """A CloudEvent as its workflow gets it."""
    return event | {
        "tidegatekey": key,
        "tidegateway": way,
        "tidegatescope": scope or way,
    }


def new_key(name: str = "outage.json") -> str:
    """An object key that no other test uses."""
    return f"incidents/{uuid4().hex}/{name}"


def new_sequencer() -> str:
    return f"00{secrets.token_hex(8).upper()}"


def put(key: str, sequencer: str, *, bucket: str = BUCKET) -> Any:
    """S3's notification of one upload; `key` is unencoded."""
    event = recorded_json("s3-put")
    s3 = event["Records"][0]["s3"]
    s3["bucket"]["name"] = bucket
    s3["object"] |= {"key": quote_plus(key, safe="/"), "sequencer": sequencer}
    return event


def eventbridge_put(key: str, sequencer: str, *, bucket: str = BUCKET) -> Any:
    """EventBridge's event of the same upload."""
    event = recorded_json("eventbridge-object-created")
    event["detail"]["bucket"]["name"] = bucket
    event["detail"]["object"] |= {"key": key, "sequencer": sequencer}
    return event


def sns(message: object) -> Any:
    """A message in the envelope of SNS."""
    return recorded_json("sns-s3-put") | {"Message": json.dumps(message)}


def sqs_record(
    body: object,
    *,
    queue: str = "uploads-queue",
    message_id: str | None = None,
    attributes: dict[str, str] | None = None,
) -> Any:
    """One record of an SQS batch; `body` as it is when it is text, else as JSON."""
    record = recorded_json("lambda-sqs-s3-put")["Records"][0]
    sent = {
        name: {"stringValue": v, "dataType": "String"} for name, v in (attributes or {}).items()
    }
    return record | {
        "messageId": message_id or str(uuid4()),
        "body": body if isinstance(body, str) else json.dumps(body),
        "messageAttributes": sent,
        "eventSourceARN": QUEUE_ARN + queue,
    }


def sqs_batch(*bodies: object, queue: str = "uploads-queue") -> Any:
    """An invocation with one record per body."""
    return {"Records": [sqs_record(body, queue=queue) for body in bodies]}


def message_ids(batch: Any) -> list[str]:
    return [record["messageId"] for record in batch["Records"]]


def failures(*ids: str) -> Any:
    """The answer to a batch of which these messages must be redelivered."""
    return {"batchItemFailures": [{"itemIdentifier": id} for id in ids]}
