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

from core.contracts import ROOT_WORKFLOW
from core.domain.event import Event
from core.domain.identity import workflow_id
from core.formats.delivery import Delivery, read
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
    """

    uri: str
    workflow_id: str | None = None
    child_id: str | None = None
    link: str | None = None

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
    """Post a file's content to the messages queue of the running stack. Raises as `send_file`."""
    body = path.read_text()
    ends = running(state)
    with closing(Aws(ends.aws)) as aws, temporal_view(ends.temporal) as temporal:
        queue = aws.queue(MESSAGES_QUEUE)
        id = aws.sqs.send_message(QueueUrl=queue.url, MessageBody=body)["MessageId"]
        address = queue.arn.removeprefix("arn:aws:")
        expected = _expected(body, {"queue": address, "message-id": id})
        found = _await(lambda: temporal.find(expected)) if expected else None
        return _sent(ends, temporal, f"{address}/{id}", found)


def _expected(body: str, headers: Mapping[str, str]) -> str | None:
    """The workflow ID that the listener will give the message; None when it will refuse it."""
    delivery = Delivery(format="message", body=body.encode(), headers=headers, unique="")
    events = [arrival.item for arrival in read(delivery) if isinstance(arrival.item, Event)]
    return workflow_id(events[0].key) if events else None


def _await(look: Callable[[], Found | None]) -> Found | None:
    try:
        return wait_until(look, _PATIENCE, "the workflow to start")
    except LocalStackError:
        return None


def _child(temporal: Temporal, root: str) -> str | None:
    """The ID of the child that the root orchestrator started or signalled."""

    def ended() -> Workflow | None:
        found = temporal.find(root)
        return None if found is None or found.open else found

    found = _await(ended)
    if found is None or found.status != "COMPLETED":
        return None
    return str(temporal.result(root)["child_id"])


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
        child_id=_child(temporal, found.id),
        link=link,
    )
