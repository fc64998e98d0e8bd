"""`tidegate send`: give the running local stack something to do, as a user of the cloud would.

A file is uploaded to the bucket; a message is posted to the messages queue. Both then take the way
every event takes, and the workflow that came of it is looked up by its ID.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from temporalio.client import WorkflowFailureError

from core.contracts import ROOT_WORKFLOW
from core.domain.event import Event
from core.domain.identity import workflow_id
from core.formats.delivery import Delivery, Malformed, read
from infra.local.aws import BUCKET, INCIDENTS, MESSAGES_QUEUE, Aws
from infra.local.processes import LocalStackError, wait_until
from infra.local.stack import STATE, Endpoints, running
from infra.local.temporal import NAMESPACE, Temporal, Workflow, temporal_view

_PATIENCE = 10.0

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What was sent and what came of it.

    `uri` is the document's, or the message's queue and ID. `workflow_id` and `child_id` are None
    when no such workflow was seen in time, `link` (to Temporal's UI) also when there is no UI.
    `refused` says why it came to nothing: the listener or the root orchestrator quarantined it.
    """

    uri: str
    workflow_id: str | None = None
    child_id: str | None = None
    link: str | None = None
    refused: str | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def send_file(path: Path, *, name: str | None = None, state: Path = STATE) -> Sent:
    """Upload a file to the running stack, as `incidents/<name>`.

    Raises `LocalStackError` when no stack runs, OSError when the file cannot be read.
    """
    body, name = path.read_bytes(), name or path.name
    ends = running(state)
    # The full ID ends in what only S3 says of the upload, so it is recognised by its beginning.
    beginning = workflow_id(f"s3:{BUCKET}/{INCIDENTS}{name}@")

    def candidates() -> list[Workflow]:
        started = temporal.list(f"WorkflowType = '{ROOT_WORKFLOW}'")
        return [workflow for workflow in started if workflow.id.startswith(beginning)]

    with closing(Aws(ends.aws)) as aws, temporal_view(ends.temporal) as temporal:
        before = {workflow.id for workflow in candidates()}
        aws.upload(name, body)
        found = _await(lambda: next((w for w in candidates() if w.id not in before), None))
        return _sent(ends, temporal, f"s3://{BUCKET}/{INCIDENTS}{name}", found)


def send_message(path: Path, *, state: Path = STATE) -> Sent:
    """Post a file's content to the messages queue of the running stack. Raises as `send_file`, and
    `LocalStackError` for what is not text."""
    try:
        body = path.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise LocalStackError(
            f"{path} is not UTF-8 text: {error}", fix="SQS takes text only; upload it instead"
        ) from error
    ends = running(state)
    with closing(Aws(ends.aws)) as aws, temporal_view(ends.temporal) as temporal:
        queue = aws.queue(MESSAGES_QUEUE)
        id = aws.sqs.send_message(QueueUrl=queue.url, MessageBody=body)["MessageId"]
        address = queue.arn.removeprefix("arn:aws:")
        expected = _expected(body, {"queue": address, "message-id": id})
        uri = f"{address}/{id}"
        if isinstance(expected, Malformed):
            return Sent(uri=uri, refused=f"{expected.error.code}: {expected.error}")
        key = expected.key
        return _sent(ends, temporal, uri, _await(lambda: temporal.find(workflow_id(key))))


def _expected(body: str, headers: Mapping[str, str]) -> Event | Malformed:
    """What the listener will make of the message; the first event of a batch."""
    delivery = Delivery(format="message", body=body.encode(), headers=headers, unique="")
    items = [arrival.item for arrival in read(delivery)]
    return next((item for item in items if isinstance(item, Event)), items[0])


def _await(look: Callable[[], Found | None]) -> Found | None:
    try:
        return wait_until(look, _PATIENCE, "the workflow to start")
    except LocalStackError:
        return None


def _outcome(temporal: Temporal, root: str) -> dict[str, str]:
    """The child that the root orchestrator started or signalled, or why it refused the event."""

    def ended() -> Workflow | None:
        found = temporal.find(root)
        return None if found is None or found.open else found

    found = _await(ended)
    if found is None:
        return {}
    try:
        return {"child_id": str(temporal.result(root)["child_id"])}
    except WorkflowFailureError as failure:
        return {"refused": str(failure.cause)}


def _sent(ends: Endpoints, temporal: Temporal, uri: str, found: Workflow | None) -> Sent:
    if found is None:
        return Sent(uri=uri)
    link = ends.temporal_ui and (
        f"{ends.temporal_ui}/namespaces/{NAMESPACE}/workflows/"
        f"{quote(found.id, safe='')}/{found.run_id}/history"
    )
    return Sent(
        uri=uri,
        workflow_id=found.id,
        link=link,
        **_outcome(temporal, found.id),
    )
