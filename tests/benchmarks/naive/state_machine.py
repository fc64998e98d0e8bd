"""The smallest Lambda function that starts a Step Functions execution for each message."""

from __future__ import annotations

import os
from typing import Any

import boto3

client = boto3.client("stepfunctions")


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Start one execution per message, named after the message's ID."""
    for record in event["Records"]:
        client.start_execution(
            stateMachineArn=os.environ["STATE_MACHINE"],
            name=record["messageId"],
            input=record["body"],
        )
    return {"batchItemFailures": []}
