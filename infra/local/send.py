"""`tidegate send`: send an event to the running local stack, as a user of the cloud would.

A file is uploaded to the bucket, a message posted to the messages queue, a body to a webhook. Each
takes the way of every event, and the workflow that handles it is looked up by its ID.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from temporalio.client import WorkflowFailureError

from core import bootstrap
from core.config.files import load_webhooks
from core.config.settings import Settings
from core.contracts import ROOT_WORKFLOW
from core.domain.event import ALERT, Event
from core.domain.identity import workflow_id
from core.domain.routing.table import Deliver
from core.errors import PermanentError, SettingsError
from core.formats.registry import USERS_OWN, read
from core.formats.shared.delivery import Delivery, Malformed, way_headers
from core.formats.shared.queue_format import QueueFormat
from core.formats.shared.times import format_time
from core.webhooks.request import Request
from core.webhooks.verifiers.base import Signer
from infra.local.cloud import INCIDENTS
from infra.local.clouds import cloud_at
from infra.local.endpoints import STATE, Endpoints, running
from infra.local.environment import HOOK_SECRETS
from infra.local.loopback import local_session
from infra.local.processes import LocalStackError, wait_until
from infra.local.temporal import NAMESPACE, Temporal, Workflow, temporal_view

_PATIENCE = 10.0

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What was sent, and its result.

    `uri` is the document's, the message's queue and ID, or the webhook's; `answer` is the status of
    a webhook's response. `workflow_id` and `child_id` are None when no such workflow was seen in
    time, `link` (to Temporal's UI) also when there is no UI, and `child_id` when the listener
    starts or signals the workflow itself. `refused` is the reason why the listener or the root
    orchestrator quarantined it.
    """

    uri: str
    answer: str | None = None
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
    # The full ID ends in the version that the cloud gives the upload, so only its start is known.

    def candidates() -> list[Workflow]:
        started = temporal.list(f"WorkflowType = '{ROOT_WORKFLOW}'")
        return [workflow for workflow in started if workflow.id.startswith(beginning)]

    with closing(cloud_at(ends.cloud)) as cloud, temporal_view(ends.temporal) as temporal:
        beginning = workflow_id(cloud.upload_key(name))
        before = {workflow.id for workflow in candidates()}
        cloud.upload(name, body)
        workflow = _await(lambda: next((w for w in candidates() if w.id not in before), None))
        return _sent(ends, temporal, f"{cloud.store}/{INCIDENTS}{name}", workflow)


def send_message(path: Path, *, state: Path = STATE) -> Sent:
    """Post a file's content to the messages queue of the running stack. Raises as `send_file`, and
    `LocalStackError` for what is not text."""
    try:
        body = path.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise LocalStackError(
            f"{path} is not UTF-8 text: {error}", fix="queues take text here; upload it instead"
        ) from error
    ends = running(state)
    with closing(cloud_at(ends.cloud)) as cloud, temporal_view(ends.temporal) as temporal:
        address, id = cloud.send(body)
        queue = re.split("[:/]", address)[-1]
        way = way_headers(f"queue:{queue}", trusted=(ALERT,))
        read_as = format_of_queue(queue, ends.queue_formats)
        expected = expected_of(body, {**way, "queue": address, "message-id": id}, read_as)
        uri = f"{address}/{id}"
        if expected is None:
            return Sent(uri=uri)
        if isinstance(expected, Malformed):
            return Sent(uri=uri, refused=f"{expected.error.code}: {expected.error}")
        reached = _reached(expected)
        return _sent(ends, temporal, uri, _await(lambda: temporal.find(reached)))


def send_hook(name: str, body: bytes, headers: Mapping[str, str], *, state: Path = STATE) -> Sent:
    """Post a body to a webhook of the running stack, signed as its sender would sign it. Looks up
    the workflow of its first event. Raises as `send_file`, and `SettingsError` for a webhook that
    is not there or a secret that is not set."""
    ends = running(state)
    url = f"{ends.gateway}/hooks/{name}"
    request = asyncio.run(_signed(name, body, headers, Path(ends.webhooks)))
    query = f"?{urlencode(request.query)}" if request.query else ""
    with local_session() as session:
        answer = session.post(
            url + query, data=request.body, headers=dict(request.headers), timeout=_PATIENCE * 3
        )
    content = answer.json() if answer.content else {}  # Slack's people see what is answered
    return _answered(ends, url, f"{answer.status_code} {answer.reason}", content)


def _answered(ends: Endpoints, url: str, status: str, content: Mapping[str, Any]) -> Sent:
    """What became of a request, by its answer."""
    receipts = content.get("receipts", [])
    sent = Sent(uri=url, answer=status, refused=refusal(receipts) or content.get("detail"))
    reached = next((each["workflow_id"] for each in receipts if "workflow_id" in each), None)
    if reached is None:
        return sent
    with temporal_view(ends.temporal) as temporal:
        workflow = _await(lambda: temporal.find(reached))
        found = _sent(ends, temporal, url, workflow)
    return replace(found, answer=status, refused=sent.refused or found.refused)


def refusal(receipts: Sequence[Mapping[str, Any]]) -> str | None:
    """Why part of a request was not accepted, and of how many events; None if all were."""
    refused = [each for each in receipts if "reason" in each]
    if not refused:
        return None
    rest = "" if len(receipts) == 1 else f" ({len(refused):,} of {len(receipts):,} events)"
    return f"{refused[0]['reason']}{rest}"


async def _signed(name: str, body: bytes, headers: Mapping[str, str], webhooks: Path) -> Request:
    table = load_webhooks(webhooks)
    if name not in table.hooks:
        raise SettingsError(
            f"there is no webhook {name!r}", fix=f"there are: {', '.join(table.hooks)}"
        )
    verifier = table.hooks[name].verify
    request = Request(method="POST", path=f"/hooks/{name}", headers=headers, body=body)
    if not isinstance(verifier, Signer):
        return request  # only the real sender can sign it, in the body
    for variable, text in HOOK_SECRETS.items():
        os.environ.setdefault(variable, text)
    secrets = await bootstrap.secrets(Settings()).get_all(verifier.references)
    return verifier.sign(request, secrets, datetime.now(UTC))


def format_of_queue(queue: str, queue_formats: str) -> QueueFormat:
    """The format of a queue's messages, by the stack's TIDEGATE_QUEUE_FORMATS."""
    settings = Settings.from_env({"TIDEGATE_QUEUE_FORMATS": queue_formats})
    return bootstrap.format_of_queue(settings, queue, USERS_OWN)


def expected_of(
    body: str, headers: Mapping[str, str], read_as: QueueFormat
) -> Event | Malformed | None:
    """What the listener will read from the message: the first event of several, if it has any."""
    delivery = Delivery(
        format=read_as.format,
        body=body.encode(),
        headers={**headers, **read_as.headers(format_time(datetime.now(UTC)))},
        unique="",
        mapping=read_as.mapping,
    )
    items = [arrival.item for arrival in read(delivery)]
    return next((item for item in items if isinstance(item, Event)), next(iter(items), None))


def _reached(event: Event) -> str:
    """The ID of the workflow that the listener starts or signals with the event."""
    try:
        target = bootstrap.router(Settings.from_env()).target(event)
    except PermanentError:  # its orchestrator will say so
        return workflow_id(event.key)
    return workflow_id(event.key) if target.deliver is Deliver.ORCHESTRATE else target.id


def _await(look: Callable[[], Found | None]) -> Found | None:
    try:
        return wait_until(look, _PATIENCE, "the workflow to start")
    except LocalStackError:
        return None


def _outcome(temporal: Temporal, root: str) -> dict[str, str]:
    """The child that the root orchestrator started or signalled, or why it refused the event."""

    def ended() -> Workflow | None:
        workflow = temporal.find(root)
        return None if workflow is None or workflow.open else workflow

    workflow = _await(ended)
    if workflow is None:
        return {}
    try:
        result = temporal.result(root)
        return {"child_id": str(result["child_id"])} if "child_id" in result else {}
    except WorkflowFailureError as failure:
        return {"refused": str(failure.cause)}


def _sent(ends: Endpoints, temporal: Temporal, uri: str, workflow: Workflow | None) -> Sent:
    if workflow is None:
        return Sent(uri=uri)
    link = ends.temporal_ui and (
        f"{ends.temporal_ui}/namespaces/{NAMESPACE}/workflows/"
        f"{quote(workflow.id, safe='')}/{workflow.run_id}/history"
    )
    return Sent(
        uri=uri,
        workflow_id=workflow.id,
        link=link,
        **(_outcome(temporal, workflow.id) if workflow.type == ROOT_WORKFLOW else {}),
    )
