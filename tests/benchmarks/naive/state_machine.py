"""The least that a Lambda function can be that starts a workflow of AWS's own for each message."""

from __future__ import annotations

import os
from typing import Any

import boto3

client = boto3.client("stepfunctions")


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Start one execution a message, under the message's name."""
    for record in event["Records"]:
        client.start_execution(
            stateMachineArn=os.environ["STATE_MACHINE"],
            name=record["messageId"],
            input=record["body"],
        )
    return {"batchItemFailures": []}
