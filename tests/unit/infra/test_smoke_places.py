"""Where `tidegate smoke` sends is where the templates make something that takes it, whatever their
parameters."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import boto3
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from core import bootstrap
from core.adapters.deployments import aws_calls
from core.domain import smoke
from core.ports.deployment import Places
from tests.support import azure_snapshot, cloudformation
from tests.support.iam import resolved
from tests.support.nested_stack import NO_VALUE


@pytest.mark.parametrize("example", azure_snapshot.PLATFORMS)
async def test_each_place_on_azure_is_a_resource_of_the_platform(example: str) -> None:
    places = await bootstrap.azure_deployment(azure_snapshot.outputs(example)).places()
    assert all(places)
    ids = [each.id for each in azure_snapshot.resources(example)]

    def is_made(end: str) -> bool:
        return any(id.endswith(end) for id in ids)

    for uri in (places.documents, places.quarantine):
        account, container = str(uri).removeprefix("azure://").split("/")[:2]
        assert is_made(f"/storageAccounts/{account}/blobServices/default/containers/{container}")
    bus = urlsplit(places.queue or "")
    namespace = str(bus.hostname).removesuffix(".servicebus.windows.net")
    assert is_made(f"/namespaces/{namespace}/queues{bus.path}")
    app = str(urlsplit(places.webhooks or "").hostname).removesuffix(".azurewebsites.net")
    assert is_made(f"/Microsoft.Web/sites/{app}")


async def test_each_place_on_aws_is_an_output_of_the_template(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    template = cloudformation.template(cloudformation.FRONT_DOOR)
    outputs = [{"OutputKey": name, "OutputValue": f"<{name}>"} for name in template["Outputs"]]

    async def described(name: str, region: str | None, **steps: str) -> dict[str, Any]:
        return {"Outputs": outputs}

    monkeypatch.setattr(aws_calls, "stack", described)
    assert await bootstrap.aws_deployment("tidegate").places() == Places(
        documents="s3://<DocumentsBucketName>/incidents/",
        queue="<MessagesQueueUrl>",
        webhooks="<WebhooksUrl>",
        quarantine="s3://<RecordsBucketName>/quarantine/",
    )


def _decided_by(value: Any) -> set[str]:
    """The conditions that a value depends on."""
    nodes = [each for each in cloudformation.walk(value) if isinstance(each, dict)]
    return {each["Fn::If"][0] for each in nodes if "Fn::If" in each}


QUEUE = cloudformation.resources(cloudformation.FRONT_DOOR, "SQS::Queue")["MessagesQueue"]
KINDS = cloudformation.template(cloudformation.FRONT_DOOR)["Parameters"]["MessagesQueueType"]


def test_what_the_queue_on_aws_accepts_depends_on_its_type_alone() -> None:
    """A key changes what a sender may do, and not what a message must have."""
    assert _decided_by(QUEUE) == {"Fifo", "OwnKey"}
    keyed = {name for name, value in QUEUE.items() if "OwnKey" in _decided_by(value)}
    assert keyed == {"KmsMasterKeyId", "SqsManagedSseEnabled"}


@pytest.mark.usefixtures("aws_settings")
@pytest.mark.parametrize("kind", KINDS["AllowedValues"])
async def test_the_queue_on_aws_accepts_each_smoke_event_whatever_its_type(kind: str) -> None:
    values = {
        "Name": f"tidegate-{uuid4().hex}",
        "MessagesDeadLetters.Arn": "",
        NO_VALUE["Ref"]: None,
    }
    made = resolved(QUEUE, values, {"Fifo": kind == "FIFO", "OwnKey": False})
    attributes = {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in made.items()
        if name not in ("QueueName", "RedrivePolicy") and value is not None
    }
    sqs = boto3.client("sqs")
    url = sqs.create_queue(QueueName=made["QueueName"], Attributes=attributes)["QueueUrl"]
    sent = [smoke.body(f"{number:032x}") for number in range(2)]
    for number, body in enumerate(sent):
        await bootstrap.aws_deployment("any").send(url, f"{number:032x}", body)
    got = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    assert sorted(each["Body"].encode() for each in got) == sent


BUS = (azure_snapshot.AZURE / "modules" / "service-bus.bicep").read_text(encoding="utf-8")


def test_what_the_queue_on_azure_accepts_depends_on_sessions_alone() -> None:
    queue = BUS.partition("resource messages '")[2].partition("\n}\n")[0]
    properties = dict(re.findall(r"^    (\w+): (.+)$", queue, re.MULTILINE))
    varying = {
        name for name, value in properties.items() if re.fullmatch(r"(?!true|false)\w+", value)
    }
    assert varying == {"requiresSession", "maxDeliveryCount"}
    assert properties["requiresSession"] == "orderedMessages"


@pytest.mark.parametrize("requires_session", [False, True])
async def test_the_queue_on_azure_accepts_the_smoke_event_with_and_without_sessions(
    requires_session: bool,
) -> None:
    """Microsoft Learn, "Message sessions": a message to an entity with sessions must have one."""
    got: list[bytes] = []

    async def messages(request: web.Request) -> web.Response:
        broker = json.loads(request.headers["BrokerProperties"])
        if requires_session and not broker.get("SessionId"):
            return web.Response(status=400)
        got.append(await request.read())
        return web.Response(status=201)

    app = web.Application()
    app.router.add_post("/messages/messages", messages)
    async with TestServer(app, host="127.0.0.1") as bus:
        queue = f"http://127.0.0.1:{bus.port}/messages"
        await bootstrap.azure_deployment({}).send(queue, "0" * 32, smoke.body("0" * 32))
    assert got == [smoke.body("0" * 32)]
