"""AWS as a local stack's cloud: moto's server, a poller for each queue, and an HTTP API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from infra.local.aws.serverless import LAMBDA
from infra.local.aws.servers import (
    AWS,
    BUCKET,
    EVENTS_QUEUE,
    MESSAGES_QUEUE,
    Aws,
    aws_environment,
    start_aws,
)
from infra.local.cloud import INCIDENTS, CloudName
from infra.local.loopback import WEBHOOKS_PORT, answers
from infra.local.processes import Child, LocalStackError, Processes, python

_S3_LISTENER, _MESSAGE_LISTENER, _WEBHOOK_LISTENER = (
    "s3-listener",
    "message-listener",
    "webhook-listener",
)
PATIENCE: Final = 20.0
"""Seconds for one answer at the start. A server that dies does not refuse a request: its socket
stays open."""
_QUEUES: Final = {_S3_LISTENER: EVENTS_QUEUE, _MESSAGE_LISTENER: MESSAGES_QUEUE}


class AwsCloud:
    """`endpoint` is the URL of moto's server."""

    name: CloudName = "aws"
    store = f"s3://{BUCKET}"
    servers = (AWS, LAMBDA)
    upload_listener = _S3_LISTENER
    message_listener = _MESSAGE_LISTENER
    webhook_listener = _WEBHOOK_LISTENER
    announcing = "by S3 to SQS, and through EventBridge to the same queue"

    def __init__(self, endpoint: str, gateway: str) -> None:
        self.aws = Aws(endpoint)
        self.endpoint = endpoint
        self.gateway = gateway

    @property
    def address(self) -> dict[str, Any]:
        return {"name": self.name, "endpoint": self.endpoint, "gateway": self.gateway}

    @property
    def env(self) -> dict[str, str]:
        return aws_environment(self.endpoint)

    @property
    def message_queue(self) -> str:
        return self.aws.queue(MESSAGES_QUEUE).url

    def upload(self, name: str, body: bytes) -> str:
        return self.aws.upload(name, body)

    def upload_key(self, name: str) -> str:
        return f"s3:{BUCKET}/{INCIDENTS}{name}@"

    def send(self, body: str) -> tuple[str, str]:
        queue = self.aws.queue(MESSAGES_QUEUE)
        id = self.aws.sqs.send_message(QueueUrl=queue.url, MessageBody=body)["MessageId"]
        return queue.arn.removeprefix("arn:aws:"), id

    def keys(self, folder: str) -> list[str]:
        return self.aws.keys(folder)

    def read(self, key: str) -> bytes | None:
        return self.aws.read(key)

    def waiting(self) -> int:
        return self.aws.waiting(self.aws.queue(EVENTS_QUEUE).url)

    def dead_lettered(self) -> int:
        queues = (EVENTS_QUEUE, MESSAGES_QUEUE)
        return sum(self.aws.waiting(self.aws.queue(name).dead_letters) for name in queues)

    def close(self) -> None:
        self.aws.close()


class AwsServers:
    """Moto's server and the Lambda listeners."""

    def __init__(self, processes: Processes, env: Mapping[str, str], *, bridge: bool) -> None:
        self._processes = processes
        self._bridge = bridge
        self._server = start_aws(processes, env)
        self._gateway = processes.ports.listen(WEBHOOKS_PORT)

    def prepare(self) -> AwsCloud:
        self._server.wait()
        cloud = AwsCloud(self._server.endpoint, self._gateway.url)
        with self._calls("create the bucket and the queues") as aws:
            events = aws.create_queue(EVENTS_QUEUE)
            aws.create_queue(MESSAGES_QUEUE)
            aws.create_bucket(events, bridge=self._bridge)
        return cloud

    def start_listeners(self, env: Mapping[str, str]) -> None:
        with self._calls("find the queues") as aws:
            urls = {name: aws.queue(queue).url for name, queue in _QUEUES.items()}
        for name, url in urls.items():
            source = python("infra.local.aws.event_source", "--queue", url, *_function(name))
            self._processes.start(name, source, env)
        gateway = python(
            "infra.local.aws.gateway", *self._gateway.option, *_function(_WEBHOOK_LISTENER)
        )
        self._processes.start(_WEBHOOK_LISTENER, gateway, env, self._gateway)

    @contextmanager
    def _calls(self, what: str) -> Iterator[Aws]:
        """Calls of the server. Raises `LocalStackError` when one fails."""
        with closing(Aws(self._server.endpoint, patience=PATIENCE)) as aws:
            try:
                yield aws
            except (BotoCoreError, ClientError) as error:
                child = self._server.server.child
                child.check()
                raise LocalStackError(f"cannot {what}: {error}", fix=child.see_log) from error

    def is_listening(self, child: Child) -> bool:
        if child.name == _WEBHOOK_LISTENER:
            return answers(f"{self._gateway.url}/healthz")
        return child.name not in _QUEUES or "listens to" in child.output()


def _function(name: str) -> tuple[str, ...]:
    """The options that name a listener's function."""
    return "--handler", f"functions_aws.{name.replace('-', '_')}:handler", "--function", name
