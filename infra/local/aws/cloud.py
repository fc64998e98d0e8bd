"""AWS as a local stack's cloud: moto's server, SQS behind both queues, an HTTP API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from infra.local.answers import answers
from infra.local.aws.servers import (
    BUCKET,
    EVENTS_QUEUE,
    MESSAGES_QUEUE,
    Aws,
    aws_environment,
    start_aws,
    wait_for_aws,
)
from infra.local.cloud import INCIDENTS
from infra.local.processes import Child, Processes, python

_SERVER: Final = "aws"
_LISTENERS: Final = {
    "s3-listener": ("s3_listener", EVENTS_QUEUE),
    "message-listener": ("message_listener", MESSAGES_QUEUE),
}


class AwsCloud:
    """With `bridge` each upload is announced twice, by S3 itself and through EventBridge."""

    name = "aws"
    title = "AWS (moto)"
    store = f"s3://{BUCKET}"
    servers = (_SERVER,)
    upload_listener, message_listener = _LISTENERS
    webhook_listener = "webhook-listener"
    announcing = "by S3 to SQS, and through EventBridge to the same queue"

    def __init__(self, port: int, gateway_port: int, *, bridge: bool = False) -> None:
        self.aws = Aws(f"http://127.0.0.1:{port}")
        self.gateway = f"http://127.0.0.1:{gateway_port}"
        self._port = port
        self._gateway_port = gateway_port
        self._bridge = bridge
        self._server: Child

    @property
    def endpoint(self) -> str:
        return self.aws.endpoint

    @property
    def address(self) -> dict[str, Any]:
        return {"name": self.name, "store": self._port, "gateway": self._gateway_port}

    @property
    def env(self) -> dict[str, str]:
        return aws_environment(self.endpoint)

    def start(self, processes: Processes, env: Mapping[str, str]) -> None:
        self._server = start_aws(processes, env, port=self._port)

    def prepare(self) -> None:
        wait_for_aws(self._server, self.endpoint)
        events = self.aws.create_queue(EVENTS_QUEUE)
        self.aws.create_queue(MESSAGES_QUEUE)
        self.aws.create_bucket(events, bridge=self._bridge)

    def start_listeners(self, processes: Processes, env: Mapping[str, str]) -> None:
        for name, (module, queue) in _LISTENERS.items():
            command = python(
                "infra.local.aws.event_source",
                *("--queue", self.aws.queue(queue).url),
                *("--handler", f"functions_aws.{module}:handler"),
                *("--function", name),
            )
            processes.start(name, command, env)
        command = python(
            "infra.local.aws.gateway",
            *("--port", str(self._gateway_port)),
            *("--handler", "functions_aws.webhook_listener:handler"),
            *("--function", self.webhook_listener),
        )
        processes.start(self.webhook_listener, command, env)

    def is_listening(self, child: Child) -> bool:
        if child.name == self.webhook_listener:
            return answers(f"{self.gateway}/healthz")
        return child.name not in _LISTENERS or "listens to" in child.output()

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
