"""`tidegate smoke`: what it says of a deployment that works, and of each way in which one does not.

The deployment is a stand-in here, with a real Temporal server and the root worker behind it; whole
stacks of both clouds are tried in `tests.e2e.test_scenarios`.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import threading
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import boto3
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from azure.core.exceptions import (
    AzureError,
    HttpResponseError,
    IncompleteReadError,
    ServiceRequestError,
)
from azure.storage.blob.aio import BlobClient
from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.common import RawValue

from core import bootstrap
from core.adapters.temporal.run_history import read_run
from core.config.settings import Settings
from core.contracts import ROOT_WORKFLOW
from core.domain.event import DOCUMENT_CREATED, DocumentRef, Event
from core.domain.identity import workflow_id
from core.domain.smoke import document_name, event_in, smoke_key
from core.errors import (
    DeploymentUnavailable,
    InvalidEvent,
    SettingsError,
    TemporalUnavailable,
)
from core.formats.shared.delivery import Arrival, Delivery, Malformed
from core.intake.quarantine import Quarantine
from core.operations.smoke import Plan, Tried, smoke
from core.ports.deployment import Answer, Deployment, Places, Way
from infra.local.azure.service_bus import ServiceBus
from tests.support.cli import Tidegate
from tests.support.documents import new_bucket, new_container
from tests.support.orchestrator import Harness, harness
from tests.support.web import Site

Door = Literal["open", "deaf", "no worker", "quarantines", "refuses", "no credentials"]


@pytest.fixture(scope="module")
async def root(
    temporal_client: Client, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Harness]:
    async with harness(temporal_client, tmp_path_factory.mktemp("root")) as started:
        yield started


@dataclass
class StandIn:
    """A deployment whose listeners start the root orchestrator, or fail as a test sets it to."""

    root: Harness
    doors: dict[Way, Door] = field(default_factory=dict)
    table: str | None = None
    answer: Answer = Answer(404, b'{"code": "NotFound"}')  # noqa: RUF009  # it is a tuple
    removable: bool = True
    documents: list[str] = field(default_factory=list)

    async def places(self) -> Places:
        return Places("s3://docs/", "queue", "https://gateway/hooks/", None)

    async def upload(self, uri: str, body: bytes) -> DocumentRef:
        document = DocumentRef(uri=uri)
        self.documents.append(uri)
        name = uri.rpartition("/")[2]
        event = Event(
            id="1",
            source="/s",
            type=DOCUMENT_CREATED,
            subject=name,
            key=smoke_key(name.rpartition("-")[2]),
            way="bucket:docs",
            data={"document": document.to_wire()},
        )
        await self._listen(Way.UPLOAD, event, body)
        return document

    async def remove(self, document: DocumentRef) -> str:
        if not self.removable:
            raise DeploymentUnavailable("cannot remove it")
        self.documents.remove(document.uri)
        return ""

    async def send(self, queue: str, id: str, body: bytes) -> None:
        event = event_in(body)
        assert event is not None
        await self._listen(Way.MESSAGE, replace(event, way=f"queue:{queue}"), body)

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        if event := event_in(body):
            await self._listen(Way.WEBHOOK, replace(event, way="webhook:x"), body)
            return Answer(202, b"")
        return self.answer

    async def written(self, prefix: str, *, since: datetime) -> list[str]:
        return [document.uri async for document in bootstrap.STORES["file"]().list(prefix)]

    async def _listen(self, way: Way, event: Event, body: bytes) -> None:
        door = self.doors.get(way, "open")
        match door:
            case "open" | "no worker":
                table = self.table or bootstrap.router(self.root.settings).digest
                await self.root.client.start_workflow(
                    ROOT_WORKFLOW,
                    {**event.to_wire(), "tidegatetable": table},
                    id=workflow_id(event.key),
                    task_queue=self.root.task_queue if door == "open" else uuid4().hex,
                )
            case "deaf":
                pass
            case "quarantines":
                delivery = Delivery(format="message", body=body, unique="u")
                error = InvalidEvent("it is not liked")
                kept = bootstrap.quarantine(self.root.settings)
                await kept.keep(Arrival(Malformed(error), delivery), error)
            case "refuses":
                raise DeploymentUnavailable("cannot send: AccessDenied")
            case "no credentials":
                raise SettingsError("there are no credentials")


async def tried(
    deployment: Deployment,
    *ways: Way,
    settings: Settings,
    timeout: float = 20.0,
    **plan: Any,
) -> list[Tried]:
    places = await deployment.places()
    return await smoke(
        deployment,
        Plan(ways=ways, places=places, timeout=timeout, **plan),
        settings,
        report=lambda *_: None,
    )


@pytest.fixture
def settings(root: Harness, temporal_settings: None) -> Settings:
    return root.settings


async def test_each_way_is_followed_to_the_end_of_its_workflow(
    root: Harness, settings: Settings
) -> None:
    deployment = StandIn(root)
    places = await deployment.places()
    steps: list[tuple[str, str]] = []
    upload, message, webhook = await smoke(
        deployment,
        Plan(ways=tuple(Way), places=places),
        settings,
        report=lambda way, step, *_: steps.append((way, step)),
    )
    digest = bootstrap.router(root.settings).digest
    for each in (upload, message):
        assert each.outcome == "ok", each
        assert each.workflow_id is not None
        assert each.workflow_id.startswith("smoke:")
        assert (each.table, each.listener_table) == (digest, digest)
        assert f"routes={digest}" in (each.worker or "")
        assert 0 < each.seconds["accepted"] <= each.seconds["ended"] < 20
        assert await read_run(root.client, each.workflow_id)
    assert [step for way, step in steps if way == "upload"] == [
        "sent",
        "accepted",
        "ended",
        "removed",
    ]
    assert deployment.documents == []
    assert (webhook.outcome, webhook.workflow_id) == ("ok", None)


async def test_without_a_listener_it_says_that_nothing_has_begun(
    root: Harness, settings: Settings
) -> None:
    deployment = StandIn(root, {Way.UPLOAD: "deaf"})
    [upload] = await tried(deployment, Way.UPLOAD, settings=settings, timeout=1)
    assert upload.outcome == "failed"
    assert upload.detail == "it was sent 1 s ago, and no workflow has begun"
    assert "dead letters" in upload.fix
    assert deployment.documents == [], "what was uploaded is removed all the same"


async def test_without_a_worker_it_names_the_task_queue(root: Harness, settings: Settings) -> None:
    deployment = StandIn(root, {Way.MESSAGE: "no worker"})
    [message] = await tried(deployment, Way.MESSAGE, settings=settings, timeout=1)
    assert message.outcome == "failed"
    assert "no worker has taken it from the task queue tidegate-root" in message.detail
    assert "start the root-worker" in message.fix
    assert list(message.seconds) == ["accepted"]


async def test_what_a_listener_quarantined_is_named_with_its_reason(
    root: Harness, settings: Settings
) -> None:
    """Long before the time is up."""
    deployment = StandIn(root, {Way.MESSAGE: "quarantines"})
    [message] = await asyncio.wait_for(tried(deployment, Way.MESSAGE, settings=settings), 10)
    assert message.outcome == "failed"
    assert "InvalidEvent: it is not liked" in message.detail
    assert f"{settings.quarantine}message-" in message.detail


async def test_what_others_had_quarantined_and_what_is_no_record_is_read_once(
    root: Harness, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = InvalidEvent("it is not liked")
    other = Arrival(Malformed(error), Delivery(format="message", body=b"other", unique="o"))
    uri = await bootstrap.quarantine(settings).keep(other, error)
    looks, read = 0, Counter[str]()
    get = Quarantine.get

    async def counted(self: Quarantine, id: str) -> Any:
        read[id] += 1
        return await get(self, id)

    class Looked(StandIn):
        async def written(self, prefix: str, *, since: datetime) -> list[str]:
            nonlocal looks
            looks += 1
            return [uri, f"{settings.quarantine}no-record.json"]

    monkeypatch.setattr(Quarantine, "get", counted)
    monkeypatch.setattr("core.operations.smoke._LOOK_IN_QUARANTINE", 0.1)
    deployment = Looked(root, {Way.MESSAGE: "deaf"})
    [message] = await tried(deployment, Way.MESSAGE, settings=settings, timeout=1)
    assert "no workflow has begun" in message.detail
    assert looks > 1
    assert list(read.values()) == [1, 1]


async def test_what_the_orchestrator_gives_up_is_named_with_its_record(
    root: Harness, settings: Settings
) -> None:
    class Elsewhere(StandIn):
        async def places(self) -> Places:
            return Places("s3://elsewhere/incidents", None, None, None)

    [upload] = await tried(Elsewhere(root), Way.UPLOAD, settings=settings)
    assert upload.outcome == "failed"
    assert "is outside the configured documents" in upload.detail
    assert f"kept as {settings.quarantine}" in upload.detail


async def test_other_routes_on_the_workers_side_are_a_failure(
    root: Harness, settings: Settings
) -> None:
    [message] = await tried(StandIn(root, table="000000000000"), Way.MESSAGE, settings=settings)
    assert message.outcome == "failed"
    assert message.detail.startswith("the listener has the routing table 000000000000")
    assert (message.table, message.listener_table) == (
        bootstrap.router(settings).digest,
        "000000000000",
    )


async def test_a_way_that_refuses_does_not_end_the_others(
    root: Harness, settings: Settings
) -> None:
    deployment = StandIn(root, {Way.MESSAGE: "refuses"})
    upload, message = await tried(deployment, Way.UPLOAD, Way.MESSAGE, settings=settings)
    assert upload.outcome == "ok"
    assert (message.outcome, message.detail) == ("failed", "cannot send: AccessDenied")


async def test_without_credentials_nothing_is_left_behind(
    root: Harness, settings: Settings
) -> None:
    deployment = StandIn(root, {Way.MESSAGE: "no credentials", Way.UPLOAD: "deaf"})
    with pytest.raises(SettingsError):
        await tried(deployment, Way.UPLOAD, Way.MESSAGE, settings=settings)
    assert deployment.documents == []


async def test_an_upload_that_is_interrupted_is_removed(root: Harness, settings: Settings) -> None:
    begun, goes_on, done = asyncio.Event(), threading.Event(), threading.Event()

    class Slow(StandIn):
        async def upload(self, uri: str, body: bytes) -> DocumentRef:
            def stored() -> None:
                goes_on.wait(20)
                self.documents.append(uri)
                done.set()

            begun.set()
            await asyncio.to_thread(stored)  # as boto3: a thread cannot be cancelled
            return DocumentRef(uri=uri)

    deployment = Slow(root)
    trying = asyncio.create_task(tried(deployment, Way.UPLOAD, settings=settings))
    await begun.wait()
    trying.cancel()
    goes_on.set()
    with pytest.raises(asyncio.CancelledError):
        await trying
    assert await asyncio.to_thread(done.wait, 20)
    assert deployment.documents == []


async def test_a_document_that_cannot_be_removed_is_named(
    root: Harness, settings: Settings
) -> None:
    [upload] = await tried(StandIn(root, removable=False), Way.UPLOAD, settings=settings)
    assert upload.outcome == "ok"
    assert "is left behind: cannot remove it" in upload.detail


async def test_a_workflow_with_the_input_of_something_else_has_no_table(root: Harness) -> None:
    deep = Payload(metadata={"encoding": b"json/plain"}, data=b"[" * 200_000)
    id, queue = f"smoke:{uuid4().hex}", uuid4().hex
    await root.client.start_workflow("Any", RawValue(deep), id=id, task_queue=queue)
    run = await read_run(root.client, id)
    assert run is not None
    assert run.listener_table is None


@pytest.mark.parametrize(
    ("answer", "optional", "outcome", "fix"),
    [
        (Answer(404, b"[" * 200_000), False, "failed", "no listener is behind this address"),
        (Answer(404, b'{"code": "NotFound"}'), False, "ok", ""),
        (Answer(404, b'{"message": "Not Found"}'), False, "failed", "no listener is behind"),
        (Answer(404, b""), True, "skipped", ""),
        (Answer(503, b'{"code": "SettingsError"}'), True, "failed", "the webhook listener's log"),
        (Answer(200, b"<html>"), True, "failed", "the webhook listener's log"),
    ],
)
async def test_a_door_without_a_name_is_only_knocked_at(
    root: Harness, settings: Settings, answer: Answer, optional: bool, outcome: str, fix: str
) -> None:
    deployment = StandIn(root, answer=answer)
    [webhook] = await tried(deployment, Way.WEBHOOK, settings=settings, webhooks_optional=optional)
    assert webhook.outcome == outcome
    assert fix in webhook.fix


HOOKS = """\
version: 1
hooks:
  mine: {format: alertmanager, verify: {scheme: bearer, secrets: ["env:HOOK_TOKEN"]}}
  topic:
    format: cloudwatch
    verify: {scheme: sns, topic_arns: ["arn:aws:sns:eu-west-1:123456789012:t"]}
"""


@pytest.fixture
def hooked(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("HOOK_TOKEN", "secret")
    (tmp_path / "webhooks.yaml").write_text(HOOKS)
    return replace(settings, webhooks=tmp_path / "webhooks.yaml")


async def test_a_webhook_that_is_named_gets_a_signed_request(
    root: Harness, hooked: Settings
) -> None:
    [webhook] = await tried(StandIn(root), Way.WEBHOOK, settings=hooked, hook="mine")
    assert (webhook.outcome, webhook.place) == ("ok", "https://gateway/hooks/mine")
    assert webhook.workflow_id


async def test_a_webhook_that_refuses_says_what_is_different(
    root: Harness, hooked: Settings
) -> None:
    class Refusing(StandIn):
        async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
            assert headers["authorization"] == "Bearer secret"
            return Answer(401, b'{"detail": "not proven", "code": "NotVerified"}')

    [webhook] = await tried(Refusing(root), Way.WEBHOOK, settings=hooked, hook="mine")
    assert (webhook.outcome, webhook.detail) == ("failed", "it answered 401 'not proven'")
    assert "its secret here is not the one" in webhook.fix


@pytest.mark.parametrize("hook", ["topic", "nobody"])
async def test_a_webhook_that_cannot_be_signed_for_is_refused_before_anything_is_sent(
    root: Harness, hooked: Settings, hook: str
) -> None:
    deployment = StandIn(root)
    with pytest.raises(SettingsError, match=hook):
        await tried(deployment, *Way, settings=hooked, hook=hook)
    assert deployment.documents == []


async def test_without_temporal_nothing_is_sent(
    root: Harness, monkeypatch: pytest.MonkeyPatch, closed_port: int
) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", f"127.0.0.1:{closed_port}")
    deployment = StandIn(root)
    quick = replace(root.settings, start_timeout=0.2)
    with pytest.raises(TemporalUnavailable):
        await tried(deployment, *Way, settings=quick)
    assert deployment.documents == []


# ----------------------------------------------------------------------------------- AWS


def template(**outputs: str) -> str:
    return json.dumps(
        {
            "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
            "Outputs": {name: {"Value": value} for name, value in outputs.items()},
        }
    )


def new_stack(**outputs: str) -> str:
    name = f"stack-{uuid4().hex}"
    boto3.client("cloudformation").create_stack(StackName=name, TemplateBody=template(**outputs))
    return name


@pytest.mark.usefixtures("aws_settings")
async def test_the_places_on_aws_are_the_outputs_of_the_stack() -> None:
    stack = new_stack(
        DocumentsBucketName="docs",
        RecordsBucketName="records",
        MessagesQueueUrl="https://sqs/messages",
        WebhooksUrl="https://api/hooks/",
    )
    assert await bootstrap.aws_deployment(stack).places() == Places(
        documents="s3://docs/incidents/",
        queue="https://sqs/messages",
        webhooks="https://api/hooks/",
        quarantine="s3://records/quarantine/",
    )


@pytest.mark.usefixtures("aws_settings")
async def test_a_stack_that_is_not_there_or_not_ours_is_named() -> None:
    with pytest.raises(SettingsError, match="there is no stack nowhere in eu-west-1"):
        await bootstrap.aws_deployment("nowhere").places()
    stack = new_stack(SomethingElse="1")
    with pytest.raises(SettingsError, match="not one of Tidegate's template"):
        await bootstrap.aws_deployment(stack).places()


async def test_without_credentials_of_aws_it_says_how_to_sign_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(SettingsError, match="no AWS region"):
        await bootstrap.aws_deployment("tidegate").places()
    monkeypatch.setenv("AWS_REGION", "eu-west-1")  # which boto3 does not read
    with pytest.raises(SettingsError, match="there are no AWS credentials"):
        await bootstrap.aws_deployment("tidegate").places()


@pytest.mark.usefixtures("aws_settings")
async def test_nothing_is_left_of_an_upload_in_a_versioned_bucket(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bucket = new_bucket(versioned=True)
    deployment, before = bootstrap.aws_deployment("any"), datetime.now(UTC).replace(microsecond=0)
    document = await deployment.upload(f"{bucket}/incidents/{document_name('0' * 32)}", b"x")
    assert await deployment.written(f"{bucket}/incidents/", since=before) == [document.uri]
    later = datetime(2100, 1, 1, tzinfo=UTC)
    assert await deployment.written(f"{bucket}/incidents/", since=later) == []
    monkeypatch.setattr("core.adapters.deployments.aws.MOST_LISTED", 0)
    with pytest.raises(DeploymentUnavailable, match="more than 0 documents are in"):
        await deployment.written(f"{bucket}/incidents/", since=later)
    assert await deployment.remove(document) == ""
    versions = boto3.client("s3").list_object_versions(Bucket=bucket.removeprefix("s3://"))
    assert not {"Versions", "DeleteMarkers"} & set(versions)


@pytest.mark.usefixtures("aws_settings")
@pytest.mark.parametrize("fifo", [False, True])
async def test_a_message_reaches_a_queue_of_either_kind(fifo: bool) -> None:
    sqs = boto3.client("sqs")
    name = f"q-{uuid4().hex}{'.fifo' if fifo else ''}"
    url = sqs.create_queue(QueueName=name, Attributes={"FifoQueue": "true"} if fifo else {})[
        "QueueUrl"
    ]
    await bootstrap.aws_deployment("any").send(url, "1", b'{"a": 1}')
    [got] = sqs.receive_message(
        QueueUrl=url, WaitTimeSeconds=5, MessageSystemAttributeNames=["MessageGroupId"]
    )["Messages"]
    assert got["Body"] == '{"a": 1}'
    assert got.get("Attributes", {}).get("MessageGroupId") == ("1" if fifo else None)


@pytest.mark.usefixtures("aws_settings")
async def test_a_bucket_or_a_queue_that_is_not_there_is_a_failure_that_names_the_call() -> None:
    deployment = bootstrap.aws_deployment("any")
    with pytest.raises(DeploymentUnavailable, match=r"cannot upload s3://no-such.*s3:PutObject"):
        await deployment.upload(f"s3://no-such-{uuid4().hex}/a", b"")
    with pytest.raises(DeploymentUnavailable, match=r"cannot send to .*sqs:SendMessage"):
        await deployment.send("http://127.0.0.1/123456789012/no-such-queue", "1", b"")
    with pytest.raises(SettingsError, match="is not s3://BUCKET"):
        await deployment.upload("azure://a/b/c", b"")


# --------------------------------------------------------------------------------- Azure


_INCOMPLETE = "the answer ends within its body"


class Refused(HttpResponseError):
    """An answer, with a status and the store's code as far as there are any."""

    def __init__(self, **known: Any) -> None:
        super().__init__(_INCOMPLETE)
        for name, value in known.items():
            setattr(self, name, value)


PLATFORM = {
    "PLATFORM_TOKEN": "t0ken",
    "PLATFORM_DOCUMENTS": "stdocst0ken",
    "PLATFORM_FUNCTION_APP": "func-t0ken",
}


async def test_the_places_on_azure_are_the_outputs_that_azd_keeps() -> None:
    assert await bootstrap.azure_deployment(PLATFORM).places() == Places(
        documents="azure://stdocst0ken/documents/incidents/",
        queue="https://sb-t0ken.servicebus.windows.net/messages",
        webhooks="https://func-t0ken.azurewebsites.net/hooks/",
        quarantine="azure://stdocst0ken/quarantine/",
    )
    with pytest.raises(SettingsError, match="PLATFORM_TOKEN, PLATFORM_FUNCTION_APP is not set"):
        await bootstrap.azure_deployment({"PLATFORM_DOCUMENTS": "x"}).places()


@pytest.mark.usefixtures("azure_settings")
async def test_an_upload_is_removed_from_its_container(
    azurite: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    container = new_container()
    deployment = bootstrap.azure_deployment(azurite.environment)
    before = datetime.now(UTC).replace(microsecond=0)
    document = await deployment.upload(f"{container}/incidents/{document_name('0' * 32)}", b"x")
    assert await deployment.written(f"{container}/incidents/", since=before) == [document.uri]
    later = datetime(2100, 1, 1, tzinfo=UTC)
    assert await deployment.written(f"{container}/incidents/", since=later) == []
    with monkeypatch.context() as few:
        few.setattr("core.adapters.deployments.azure.MOST_LISTED", 0)
        with pytest.raises(DeploymentUnavailable, match="more than 0 documents are in"):
            await deployment.written(f"{container}/incidents/", since=later)
    assert await deployment.remove(document) == ""
    assert await deployment.written(f"{container}/", since=before) == []
    with pytest.raises(DeploymentUnavailable, match=r"ContainerNotFound"):
        await deployment.upload(f"{container}x/a", b"")


async def test_a_message_reaches_a_queue_of_service_bus_over_http() -> None:
    bus = TestServer(ServiceBus(["messages"]).app(), host="127.0.0.1")
    async with bus:
        queue = f"http://127.0.0.1:{bus.port}/messages"
        deployment = bootstrap.azure_deployment({})
        await deployment.send(queue, "7", b'{"a": 1}')
        with pytest.raises(DeploymentUnavailable, match=r"Azure Service Bus Data Sender.*404"):
            await deployment.send(f"http://127.0.0.1:{bus.port}/other", "7", b"{}")


async def test_a_message_has_a_session_of_its_own(site: Site) -> None:
    site.status = 201
    await bootstrap.azure_deployment({}).send(site.url("/messages"), "7", b"{}")
    [(path, headers, _)] = site.got
    assert path == "/messages/messages"
    broker = {name.lower(): json.loads(text) for name, text in headers.items() if text[0] == "{"}
    assert broker == {"brokerproperties": {"MessageId": "7", "SessionId": "7"}}


@pytest.mark.parametrize(
    "queue",
    [
        "https://elsewhere.example/messages",
        "http://sb-x.servicebus.windows.net/messages",
        "https://sb-x.servicebus.windows.net.elsewhere.example/messages",
        "https://elsewhere.example/sb-x.servicebus.windows.net/messages",
        "https://sb-x.servicebus.windows.net@elsewhere.example/messages",
        "https://sb-x.servicebus.windows.net",
    ],
)
async def test_nobody_else_is_sent_a_token_of_service_bus(queue: str) -> None:
    with pytest.raises(SettingsError, match="is not https://NAMESPACE"):
        await bootstrap.azure_deployment({}).send(queue, "1", b"{}")


async def test_without_an_identity_of_azure_it_says_how_to_sign_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from azure.identity import CredentialUnavailableError, DefaultAzureCredential

    def unavailable(*_: object, **__: object) -> Any:
        raise CredentialUnavailableError("DefaultAzureCredential failed\nlong explanation")

    monkeypatch.setattr(DefaultAzureCredential, "get_token", unavailable)
    queue = "https://sb-x.servicebus.windows.net/messages"
    with pytest.raises(SettingsError, match=r"failed \(sign in: `az login`"):
        await bootstrap.azure_deployment({}).send(queue, "1", b"{}")


@pytest.mark.usefixtures("azure_settings")
@pytest.mark.parametrize(
    ("raised", "says"),
    [
        (Refused(status_code=403, error_code="AuthorizationFailure"), "Azure answered Authoriz"),
        (Refused(status_code=502, error_code=None), "Azure answered 502"),
        (Refused(status_code=502), "Azure answered 502"),
        (Refused(status_code=None, error_code=None), "the answer ends within its body"),
        (IncompleteReadError(_INCOMPLETE), "the answer ends within its body"),
        (ServiceRequestError("no route to host"), "no route to host"),
    ],
)
async def test_an_error_of_azure_says_what_there_is_to_know(
    monkeypatch: pytest.MonkeyPatch, raised: AzureError, says: str
) -> None:
    """An answer of a proxy has no code of the store, and an answer that breaks off no status."""

    async def failing(*_: object, **__: object) -> None:
        raise raised

    monkeypatch.setattr(BlobClient, "upload_blob", failing)
    container = new_container()
    with pytest.raises(DeploymentUnavailable, match=re.escape(says)) as caught:
        await bootstrap.azure_deployment(os.environ).upload(f"{container}/incidents/a", b"")
    assert "None" not in caught.value.message


# ---------------------------------------------------------------------------------- HTTP


async def test_a_redirect_is_an_answer_and_not_followed(site: Site) -> None:
    site.status, site.headers = 302, {"Location": site.url("/elsewhere")}
    answer = await bootstrap.azure_deployment({}).post(site.url(), {"Authorization": "x"}, b"1")
    assert answer.status == 302
    assert [path for path, _, _ in site.got] == ["/hook"]


async def test_a_signed_request_is_sent_over_tls_only(closed_port: int) -> None:
    deployment = bootstrap.aws_deployment("any")
    for url in ("http://gateway.example/hooks/a", "ftp://gateway.example/", "gateway.example"):
        with pytest.raises(SettingsError, match="is not an https:// URL"):
            await deployment.post(url, {}, b"")
    with pytest.raises(DeploymentUnavailable, match="does not answer"):
        await deployment.post(f"http://127.0.0.1:{closed_port}/hooks/a", {}, b"")


@pytest.mark.parametrize(
    "url",
    [
        "http://gateway.example/hooks/a?code=hunter2",
        "https://gateway.example/ho oks/a?code=hunter2",
        "https://gateway.example/höoks/a?code=hunter2",
        "https://gateway.example:x/hooks/a?code=hunter2",
        "https://me:hunter2@gateway.example/hooks/a",
        "https://[::1/hooks/a?code=hunter2",
        "https:///hooks/a?code=hunter2",
    ],
)
async def test_a_url_that_cannot_be_sent_to_is_refused_without_its_secret(url: str) -> None:
    with pytest.raises(SettingsError, match="is not an https:// URL") as refused:
        await bootstrap.aws_deployment("any").post(url, {}, b"")
    assert "hunter2" not in str(refused.value)


async def test_a_long_answer_is_not_read_to_its_end() -> None:
    async def long(request: web.Request) -> web.Response:
        return web.Response(body=b"x" * 1_000_000)

    app = web.Application()
    app.router.add_post("/", long)
    async with TestServer(app, host="127.0.0.1") as server:
        url = f"http://127.0.0.1:{server.port}/"
        answer = await bootstrap.aws_deployment("any").post(url, {}, b"")
    assert (answer.status, len(answer.body)) == (200, 64 * 1024)


# ------------------------------------------------------------------------------- command


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--aws", "--azure"],
        ["--aws", "--only", "pigeon"],
        ["--aws", "--timeout", "0"],
        ["--aws", "--only", "message", "--hook", "x"],
        ["--azure"],
        ["--aws", "--hook", "x", "--webhooks", "https://gateway.example/hooks/"],
    ],
)
def test_wrong_usage_and_missing_credentials_exit_with_two(
    tidegate: Tidegate, arguments: list[str]
) -> None:
    assert tidegate("smoke", *arguments).code == 2


def test_what_is_named_needs_no_stack(tidegate: Tidegate, site: Site) -> None:
    site.status, site.says = 404, json.dumps({"code": "NotFound"})
    url = site.url("/hooks")
    only = ("--only", "webhook", "--webhooks", url)
    done = tidegate("smoke", "--aws", *only, "--json")
    assert (done.code, done.json["works"]) == (0, True)
    assert [(each["way"], each["outcome"]) for each in done.json["ways"]] == [("webhook", "ok")]
    assert "the listener answers" in tidegate("smoke", "--azure", *only).out
    assert all(path.startswith("/hooks/tidegate-smoke-") for path, _, _ in site.got)


def test_a_failed_way_exits_with_one_and_says_the_next_step(tidegate: Tidegate, site: Site) -> None:
    site.status = 503
    done = tidegate("smoke", "--aws", "--only", "webhook", "--webhooks", site.url("/hooks/"))
    assert done.code == 1
    assert "FAIL  webhook: it answered 503" in done.out
    assert "next: look at the webhook listener's log" in done.out


class Nowhere:
    """A deployment that names none of its places."""

    async def places(self) -> Places:
        return Places()


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--only", "upload"], "no address for upload\n  next: name --documents\n"),
        (["--only", "message"], "no address for message\n  next: name --queue\n"),
        (["--only", "webhook"], "no address for webhook\n  next: name --webhooks\n"),
        (["--hook", "chat"], "no address for webhook\n  next: name --webhooks\n"),
        (
            ["--only", "message", "--only", "upload", "--documents", "s3://docs/"],
            "no address for message\n  next: name --queue\n",
        ),
        (
            ["--only", "message", "--only", "upload"],
            "no address for upload and message\n  next: name --documents and --queue\n",
        ),
    ],
)
def test_a_way_that_is_asked_for_and_has_no_address_is_not_skipped(
    tidegate: Tidegate, monkeypatch: pytest.MonkeyPatch, arguments: list[str], error: str
) -> None:
    monkeypatch.setattr(bootstrap, "aws_deployment", lambda stack: Nowhere())
    done = tidegate("smoke", "--aws", *arguments)
    assert (done.code, done.out) == (2, "")
    assert error in done.err


def test_where_nothing_could_be_tried_nothing_is_said_to_work(
    tidegate: Tidegate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "aws_deployment", lambda stack: Nowhere())

    async def no_connection(settings: Settings) -> None:
        return None

    monkeypatch.setattr(bootstrap, "connect", no_connection)
    done = tidegate("smoke", "--aws")
    assert done.code == 1
    assert all(f"skip  {way}: its address was not found" in done.out for way in Way)
