"""The AWS part of the local stack: a bucket that announces its uploads, and the queues behind it.

    S3 bucket --(ObjectCreated, prefix incidents/)--> events queue ---> events dead-letter queue
                                                     messages queue --> messages dead-letter queue

The same parts as in template.yaml, in the memory of moto's server (see `server_main`).

Two numbers differ from a deployment, so that nobody waits on a laptop. A deployed queue hides a
message for six times its function's timeout and dead-letters it after five receives, which gives
Temporal a quarter of an hour to recover. Here a message is redelivered within seconds (see
`event_source`), so the same quarter of an hour takes MAX_RECEIVES receives.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.session import Session as BotocoreSession

from infra.local.aws.account import REGION
from infra.local.cloud import INCIDENTS
from infra.local.loopback import DOCUMENTS_PORT
from infra.local.processes import Processes
from infra.local.servers import Server, start_server

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

AWS: Final = "aws"
"""The name of the server's child."""
BUCKET = "tidegate-documents"
EVENTS_QUEUE, MESSAGES_QUEUE = "tidegate-events", "tidegate-messages"

FUNCTION_TIMEOUT = 10
"""Seconds a listener may take for one batch."""

VISIBILITY_TIMEOUT = 12
"""Seconds after which the batch of a killed listener is redelivered. Above FUNCTION_TIMEOUT, so
that a batch is never redelivered while its listener still works on it."""

MAX_RECEIVES = 200
"""Receives before a message goes to its dead-letter queue: a quarter of an hour, at 5 s each."""

_ACCESS_KEY = "local"


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue and the URL of its dead-letter queue."""

    url: str
    arn: str
    dead_letters: str


class Aws:
    """Clients of the AWS services at an endpoint, and what the stack keeps there."""

    def __init__(self, endpoint: str, *, patience: float = 60.0) -> None:
        """`patience` is how many seconds one answer may take."""
        self.endpoint = endpoint
        self._patience = patience
        self.s3: S3Client = aws_client("s3", endpoint, patience)
        self.sqs: SQSClient = aws_client("sqs", endpoint, patience)

    def close(self) -> None:
        self.s3.close()
        self.sqs.close()

    def create_queue(
        self, name: str, *, visibility: int = VISIBILITY_TIMEOUT, receives: int = MAX_RECEIVES
    ) -> Queue:
        """A queue that dead-letters a message after so many receives."""
        dead = self.sqs.create_queue(QueueName=f"{name}-dlq")["QueueUrl"]
        redrive = {"deadLetterTargetArn": self._arn(dead), "maxReceiveCount": receives}
        url = self.sqs.create_queue(
            QueueName=name,
            Attributes={
                "VisibilityTimeout": str(visibility),
                "RedrivePolicy": json.dumps(redrive),
            },
        )["QueueUrl"]
        return Queue(url, self._arn(url), dead)

    def queue(self, name: str) -> Queue:
        """An existing queue."""
        url = self.sqs.get_queue_url(QueueName=name)["QueueUrl"]
        dead = self.sqs.get_queue_url(QueueName=f"{name}-dlq")["QueueUrl"]
        return Queue(url, self._arn(url), dead)

    def create_bucket(self, events: Queue, *, bridge: bool = False) -> None:
        """The versioned bucket, which announces its uploads under incidents/ to the queue; with
        `bridge` a second time, through EventBridge."""
        self.s3.create_bucket(
            Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}
        )
        self.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        if bridge:
            self._announce_by_eventbridge(events)
        self.s3.put_bucket_notification_configuration(
            Bucket=BUCKET,
            NotificationConfiguration={
                "QueueConfigurations": [
                    {
                        "QueueArn": events.arn,
                        "Events": ["s3:ObjectCreated:*"],
                        "Filter": {
                            "Key": {"FilterRules": [{"Name": "prefix", "Value": INCIDENTS}]}
                        },
                    }
                ],
                **({"EventBridgeConfiguration": {}} if bridge else {}),
            },
        )

    def upload(self, name: str, body: bytes) -> str:
        """Put a document under incidents/; returns its version."""
        return self.s3.put_object(Bucket=BUCKET, Key=INCIDENTS + name, Body=body)["VersionId"]

    def read(self, key: str) -> bytes | None:
        """The content of an object, or None where there is none."""
        try:
            return self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        except ClientError as error:
            if error.response["Error"]["Code"] in {"NoSuchKey", "404"}:
                return None
            raise

    def keys(self, prefix: str) -> list[str]:
        """Keys of all objects under a prefix."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        return [each["Key"] for page in pages for each in page.get("Contents", [])]

    def waiting(self, url: str) -> int:
        """How many messages a queue holds, those in flight included."""
        attributes = self.sqs.get_queue_attributes(
            QueueUrl=url,
            AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
        )["Attributes"]
        return sum(int(count) for count in attributes.values())

    def _announce_by_eventbridge(self, queue: Queue) -> None:
        pattern = {
            "source": ["aws.s3"],
            "detail-type": ["Object Created"],
            "detail": {"bucket": {"name": [BUCKET]}, "object": {"key": [{"prefix": INCIDENTS}]}},
        }
        events: EventBridgeClient = aws_client("events", self.endpoint, self._patience)
        try:
            events.put_rule(Name="tidegate-uploads", EventPattern=json.dumps(pattern))
            events.put_targets(
                Rule="tidegate-uploads", Targets=[{"Id": "events-queue", "Arn": queue.arn}]
            )
        finally:
            events.close()

    def _arn(self, url: str) -> str:
        answer = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return answer["Attributes"]["QueueArn"]


@dataclass(frozen=True, slots=True)
class AwsServer:
    """Moto's server as a child."""

    server: Server

    @property
    def endpoint(self) -> str:
        return self.server.url

    def wait(self) -> None:
        """Return when it answers. Raises `LocalStackError` when it dies or does not in time."""
        self.server.wait("/moto-api/data.json")


def start_aws(processes: Processes, env: Mapping[str, str]) -> AwsServer:
    """Start the server; it may not answer yet (see `AwsServer.wait`)."""
    module = "infra.local.aws.server_main"
    return AwsServer(start_server(processes, AWS, module, env, port=DOCUMENTS_PORT))


def aws_environment(endpoint: str) -> dict[str, str]:
    """Settings that make boto3 in a child call this server, and no real account."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": _ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": _ACCESS_KEY,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


def aws_client(service: Any, endpoint: str, patience: float = 60.0) -> Any:
    """A client of an AWS service at this endpoint, to be closed. `patience` is how many seconds
    one answer may take."""
    session = boto3.session.Session(region_name=REGION, botocore_session=_session())
    return session.client(
        service,
        endpoint_url=endpoint,
        aws_access_key_id=_ACCESS_KEY,
        aws_secret_access_key=_ACCESS_KEY,
        config=Config(proxies={}, read_timeout=patience, retries={"total_max_attempts": 3}),
    )


def _session() -> BotocoreSession:
    """A session that reads no variable and no file of the caller's, such as a profile."""
    variables: dict[str, Any] = {
        name: (in_file, None, default, convert)
        for name, (in_file, _, default, convert) in BotocoreSession.SESSION_VARIABLES.items()
    }
    for name in ("config_file", "credentials_file"):
        variables[name] = (None, None, os.devnull, None)
    return BotocoreSession(variables)
