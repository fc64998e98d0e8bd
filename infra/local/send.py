"""`tidegate send`: send an event to the running local stack, as a user of the cloud would, and see
what becomes of it.

A file is uploaded to the bucket, a message posted to the messages queue, a body to a webhook. Each
takes the way of every event. A webhook answers with receipts; of an upload or a message it is known
which workflow it is for, so the receipt is read off that workflow, or off the quarantine.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import quote, urlencode

import requests
from temporalio.client import Client

from core import bootstrap
from core.adapters.temporal.run_state import RunState, run_state
from core.config.settings import Settings
from core.domain.event import Event
from core.domain.identity import workflow_id
from core.domain.routing.table import Deliver
from core.errors import ConfigurationError, NoRoute, PermanentError, TransientError
from core.formats.registry import USERS_OWN, read
from core.formats.shared.delivery import Delivery, Malformed, shared_scope, way_headers
from core.formats.shared.queue_format import QueueFormat
from core.formats.shared.times import format_time
from core.intake.quarantine import Quarantine
from core.intake.receipts import Receipt, Verdict
from core.intake.records import QuarantinedDelivery
from core.operations.outcome import Outcome, Result, follow, of_receipt
from core.operations.signed_request import signed
from core.operations.upload_notification import upload_notification
from core.webhooks.decode import Decoded, Refused, decode
from core.webhooks.endpoints import Endpoint
from core.webhooks.request import Request
from core.webhooks.verifiers.base import Signer
from infra.local.cloud import INCIDENTS, Cloud
from infra.local.clouds import cloud_at
from infra.local.endpoints import STATE, Endpoints, env_file, running
from infra.local.loopback import local_session
from infra.local.processes import LocalStackError
from infra.local.temporal import NAMESPACE

TIMEOUT: Final = 30.0
"""Seconds to wait for what becomes of it."""

_LOOK: Final = 0.2
"""Seconds between two looks for a workflow, and for a record in the quarantine."""
_REQUEST_TIMEOUT: Final = 30.0
_ROUNDED: Final = timedelta(seconds=2)
"""How much a store may round the time at which it wrote a document."""
_BY_A_WORKFLOW: Final = "stored_event-"
"""How the IDs of records begin that a workflow has written."""
_ANY: Final = "VERSION"
"""Stands for the version that the cloud will give an upload."""
_NO_EVENTS: Final = "it holds no events: nothing becomes of it"
_SHOWN: Final = 10
"""Most events that are shown one by one."""

Report = Callable[[str], None]
"""Called with each step as it is done."""


def _unreported(_step: str) -> None:
    pass


class StackUnavailable(LocalStackError, TransientError):
    """A server of the local stack does not answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What was sent, and what became of it.

    `uri` is the document's, the message's queue and ID, or the webhook's; `answer` is the status of
    a webhook's response. `refused` is why a request was refused as a whole, by the listener's fault
    if `unavailable`; `note` is why there is nothing to wait for. `outcomes` are those of the events
    in it; `events` is their number, of which a webhook answers for the first hundred one by one.
    `link` leads to Temporal's UI. `fix` is the next step where there is no record or incident.
    """

    uri: str
    answer: str | None = None
    refused: str | None = None
    unavailable: bool = False
    note: str | None = None
    outcomes: tuple[Outcome, ...] = ()
    events: int = 0
    link: str | None = None
    fix: str | None = None
    first: str = ""
    """What a shell has to do before it can use the stack."""

    @property
    def result(self) -> Literal["accepted", "refused", "unknown"]:
        """What became of all of it."""
        results = {outcome.result for outcome in self.outcomes}
        if (self.refused and not self.unavailable) or Result.REFUSED in results:
            return "refused"
        if self.refused or results & {Result.UNAVAILABLE, Result.UNKNOWN}:
            return "unknown"
        return "accepted"

    @property
    def lines(self) -> list[str]:
        """What became of it, a line for each event and one for all where there are several."""
        if self.refused or self.note:
            return [f"refused: {self.refused}" if self.refused else str(self.note)]
        texts = [outcome.text for outcome in self.outcomes[:_SHOWN]]
        if self.events < 2:
            return texts
        counts = Counter(outcome.result.value for outcome in self.outcomes)
        summary = ", ".join(f"{count:,} {result}" for result, count in counts.items())
        seen = "" if self.events == len(self.outcomes) else f"; of the first {len(self.outcomes):,}"
        more = [f"and {rest:,} more"] if (rest := self.events - len(texts)) else []
        return [f"{self.events:,} events{seen}: {summary}", *texts, *more]

    @property
    def next(self) -> str | None:
        """The command to type next: about what was refused, if anything was."""
        worst = sorted(self.outcomes, key=lambda outcome: outcome.result is not Result.REFUSED)
        step = next((outcome.next for outcome in worst if outcome.next), None)
        return f"{self.first}{step}" if step else self.fix

    def to_json(self) -> dict[str, Any]:
        """The result as a JSON object; `workflow_id`, `child_id` and `refused` are those of the
        first event that has one."""

        def first(values: Iterator[str | None]) -> str | None:
            return next((value for value in values if value), None)

        refusals = (
            f"{each.code}: {each.reason}" for each in self.outcomes if each.result is Result.REFUSED
        )
        return {
            "uri": self.uri,
            "answer": self.answer,
            "result": self.result,
            "text": self.lines,
            "workflow_id": first(outcome.workflow_id for outcome in self.outcomes),
            "child_id": first(outcome.child_id for outcome in self.outcomes),
            "link": self.link,
            "refused": self.refused or first(refusals),
            "note": self.note,
            "events": self.events,
            "outcomes": [outcome.to_json() for outcome in self.outcomes],
            "next": self.next,
        }


# Sending. Each raises `NoLocalStack`, `StackUnavailable`, and `ConfigurationError` for what the
# stack cannot be sent; with a time-out of 0 nothing is waited for.


def send_file(
    name: str,
    body: bytes,
    *,
    timeout: float = TIMEOUT,
    report: Report = _unreported,
    state: Path = STATE,
) -> Sent:
    """Upload a document to the running stack, as `incidents/<name>`."""
    return asyncio.run(_send_file(name, body, timeout, report, state))


def send_message(
    name: str,
    body: bytes,
    *,
    timeout: float = TIMEOUT,
    report: Report = _unreported,
    state: Path = STATE,
) -> Sent:
    """Post the content of the file of this name to the messages queue of the running stack."""
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"{name} is not UTF-8 text: {error}", fix="queues take text here; upload it instead"
        ) from error
    return asyncio.run(_send_message(text, timeout, report, state))


def send_hook(
    hook: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    timeout: float = TIMEOUT,
    report: Report = _unreported,
    state: Path = STATE,
) -> Sent:
    """Post a body to a webhook of the running stack, signed as its sender would sign it. Headers
    that are given are sent as they are, whatever the signature says. Raises `SettingsError` for a
    webhook that is not there or a secret that is not set, too."""
    return asyncio.run(_send_hook(hook, body, headers, timeout, report, state))


async def _send_file(name: str, body: bytes, timeout: float, report: Report, state: Path) -> Sent:
    async with _stack(state) as stack:
        uri = f"{stack.cloud.store}/{INCIDENTS}{name}"
        format, notification = upload_notification(uri, len(body), change=_ANY)
        arrivals = read(Delivery(format=format, body=notification, unique=_ANY))
        key = stack.cloud.upload_key(name)
        items = [
            replace(each.item, key=f"{key}{_ANY}") if isinstance(each.item, Event) else each.item
            for each in arrivals
        ]
        expected = [await stack.expect(item) for item in items]
        with _answering():
            await asyncio.to_thread(stack.cloud.upload, name, body)
        report(f"uploaded to {uri}")
        if not expected:
            return Sent(uri=uri, note="nothing becomes of it: its name is not a document's")

        def mine(record: QuarantinedDelivery) -> bool:
            return (record.key or "").startswith(key) or name.encode() in record.body

        return await stack.wait(Sent(uri=uri), expected, mine, timeout, report)


async def _send_message(body: str, timeout: float, report: Report, state: Path) -> Sent:
    async with _stack(state) as stack:
        queue = re.split("[:/]", stack.cloud.message_queue)[-1]
        read_as = format_of_queue(queue, stack.settings)
        # Events without an ID of their own have the message's, which is not known before.
        items = expected_of(body, queue, {}, read_as, stack.settings)
        before = {each.id: each.before for each in [await stack.expect(item) for item in items]}
        with _answering():
            address, id = await asyncio.to_thread(stack.cloud.send, body)
        uri, carrier = f"{address}/{id}", {"queue": address, "message-id": id}
        items = expected_of(body, queue, carrier, read_as, stack.settings)
        expected = [
            replace(each, before=before.get(each.id))
            for each in [await stack.expect(item) for item in items]
        ]
        report(f"sent to {uri}")
        if not expected:
            return Sent(uri=uri, note=_NO_EVENTS)

        def mine(record: QuarantinedDelivery) -> bool:
            return record.headers.get("message-id") == id or record.body == body.encode()

        return await stack.wait(Sent(uri=uri), expected, mine, timeout, report)


async def _send_hook(
    hook: str,
    body: bytes,
    headers: Mapping[str, str],
    timeout: float,
    report: Report,
    state: Path,
) -> Sent:
    async with _stack(state) as stack:
        endpoint = bootstrap.webhook_table(stack.settings).endpoint(hook)
        request = await signed(hook, body, headers, endpoint, stack.settings)
        expected = []
        if endpoint.sender.empty_response:
            expected = [await stack.expect(item) for item in _items(request, hook, endpoint)]
        url = f"{stack.ends.gateway}/hooks/{hook}"
        with _answering():
            answer = await asyncio.to_thread(_post, url, request)
        status = f"{answer.status_code} {answer.reason}"
        report(f"answered {status}")

        def mine(record: QuarantinedDelivery) -> bool:
            return record.body == request.body

        sent = Sent(uri=url, answer=status)
        content = _content(answer)
        receipts = content.get("receipts") or []
        if receipts:
            found = [await stack.kept(_receipt(each), mine) for each in receipts]
            events = sum(content.get("counts", {}).values()) or len(found)
            sent = replace(sent, events=events)
            if not timeout:
                return replace(sent, outcomes=tuple(map(of_receipt, found)))
            return await stack.follow(sent, found, timeout, report)
        if answer.status_code >= HTTPStatus.BAD_REQUEST:
            why = content.get("detail") or content.get("message") or answer.text[:200]
            code = content.get("code")
            return replace(
                sent,
                refused=f"{code}: {why}" if code else f"{why or status}",
                unavailable=answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR,
                fix=_fix(answer.status_code, signed=isinstance(endpoint.verify, Signer)),
            )
        if expected:
            return await stack.wait(sent, expected, mine, timeout, report)
        if ignored := content.get("ignored"):
            return replace(sent, note=f"ignored: {ignored}")
        if content and "receipts" not in content:
            return replace(sent, note="it is a handshake: it is answered, and nothing starts")
        return replace(sent, note=_NO_EVENTS)


def _fix(status: int, *, signed: bool) -> str:
    """What to do about a request that was refused as a whole."""
    if status == HTTPStatus.UNAUTHORIZED and signed:
        return "without -H it is signed as its sender signs it"
    if status == HTTPStatus.UNAUTHORIZED:
        return "only its sender can sign it: name another webhook"
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return "`tidegate doctor`, and the listener's log in .tidegate/dev/logs"
    return "`tidegate explain --hook` says what the webhook takes"


def _post(url: str, request: Request) -> requests.Response:
    query = f"?{urlencode(request.query)}" if request.query else ""
    with local_session() as session:
        return session.post(
            url + query,
            data=request.body,
            headers=dict(request.headers),
            timeout=_REQUEST_TIMEOUT,
        )


def _receipt(public: Mapping[str, Any]) -> Receipt:
    """A receipt as a webhook's sender gets it."""
    return Receipt(
        verdict=Verdict(public["verdict"]),
        event_id=public.get("event_id"),
        key=public.get("key"),
        workflow_id=public.get("workflow_id"),
        code=public.get("code"),
        reason=public.get("reason"),
    )


def _content(answer: requests.Response) -> dict[str, Any]:
    """The answer's JSON object, or an empty one: Slack's people see what is answered."""
    try:
        value = answer.json()
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


# What is expected


def format_of_queue(queue: str, settings: Settings) -> QueueFormat:
    """The format of a queue's messages, by TIDEGATE_QUEUE_FORMATS."""
    return bootstrap.format_of_queue(settings, queue, USERS_OWN)


def expected_of(
    body: str, queue: str, carrier: Mapping[str, str], read_as: QueueFormat, settings: Settings
) -> list[Event | Malformed]:
    """What the listener will read from a message; `carrier` are the headers by which the queue
    identifies it."""
    headers = {**carrier} | way_headers(
        f"queue:{queue}",
        scope=shared_scope(settings.queue_scope),
        trusted=settings.trusted_types,
    )
    delivery = Delivery(
        format=read_as.format,
        body=body.encode(),
        headers={**headers, **read_as.headers(format_time(datetime.now(UTC)))},
        unique=_ANY,
        mapping=read_as.mapping,
    )
    return [arrival.item for arrival in read(delivery)]


def _items(request: Request, hook: str, endpoint: Endpoint) -> list[Event | Malformed]:
    """What the listener will read from a request."""
    try:
        decoded = decode(request, hook, endpoint, datetime.now(UTC))
    except Refused:  # as the answer will say
        return []
    return [each.item for each in decoded.arrivals] if isinstance(decoded, Decoded) else []


@dataclass(frozen=True, slots=True)
class Expected:
    """The workflow that one event is for: its ID, or what that begins with, and how it was before.
    An event that cannot be read has none."""

    item: Event | Malformed
    id: str = ""
    beginning: bool = False
    signalled: bool = False
    before: RunState | None = None

    def verdict(self, now: RunState) -> Verdict | None:
        """What the workflow says about the event; None if nothing yet."""
        before = self.before
        if before is None or now.run_id != before.run_id:
            return Verdict.STARTED
        if self.signalled:
            return Verdict.DELIVERED if now.events > before.events else None
        # An ID of the event's own is taken again only after a failure.
        return Verdict.DUPLICATE if before.ended in (None, "completed") else None


@dataclass(frozen=True, slots=True)
class _Stack:
    """The running stack, and what it is asked through."""

    ends: Endpoints
    cloud: Cloud
    client: Client
    settings: Settings
    quarantine: Quarantine
    since: datetime
    first: str

    async def expect(self, item: Event | Malformed) -> Expected:
        if isinstance(item, Malformed):
            return Expected(item)
        id, deliver = workflow_id(item.key), Deliver.ORCHESTRATE
        try:
            target = bootstrap.router(self.settings).target(item)
        except (NoRoute, PermanentError):  # its orchestrator will say so
            pass
        else:
            deliver = target.deliver
            id = id if deliver is Deliver.ORCHESTRATE else target.id
        if _ANY in id:
            return Expected(item, id.partition(_ANY)[0], beginning=True)
        before = await run_state(self.client, id)
        return Expected(item, id, signalled=deliver is Deliver.SIGNAL, before=before)

    async def wait(
        self,
        sent: Sent,
        expected: Sequence[Expected],
        mine: Callable[[QuarantinedDelivery], bool],
        timeout: float,
        report: Report,
    ) -> Sent:
        """What becomes of what is expected."""
        if not timeout:
            return replace(sent, note="sent; what becomes of it was not waited for")
        deadline = time.monotonic() + timeout
        found = [await self._receipt(each, mine, deadline) for each in expected]
        receipts = [each for each in found if each is not None]
        sent = replace(sent, events=len(expected))
        left = max(deadline - time.monotonic(), 0.0)
        sent = await self.follow(sent, receipts, left, report)
        late = Outcome(
            result=Result.UNKNOWN,
            reason=f"no workflow has begun within {timeout:g} s, and nothing was quarantined",
        )
        return replace(sent, outcomes=(*sent.outcomes, *[late] * found.count(None)))

    async def follow(
        self, sent: Sent, receipts: Sequence[Receipt], timeout: float, report: Report
    ) -> Sent:
        """What becomes of the events, by their receipts."""
        for reached in {each.workflow_id for each in receipts if each.workflow_id}:
            report(f"workflow {reached} has it")
        outcomes = await follow(self.client, receipts, timeout=timeout)
        return replace(
            sent, outcomes=tuple(outcomes), link=await self._link(outcomes), first=self.first
        )

    async def kept(self, receipt: Receipt, mine: Callable[[QuarantinedDelivery], bool]) -> Receipt:
        """A receipt with the record that its answer does not name to a sender."""
        if receipt.verdict is not Verdict.QUARANTINED:
            return receipt
        record = await self._record(mine)
        if record is None:
            return replace(receipt, reason=receipt.reason or "its answer does not say why")
        return replace(receipt, code=record.code, reason=record.reason, quarantine_uri=record.uri)

    async def _receipt(
        self,
        expected: Expected,
        mine: Callable[[QuarantinedDelivery], bool],
        deadline: float,
    ) -> Receipt | None:
        event = expected.item if isinstance(expected.item, Event) else None
        key = None if expected.beginning or event is None else event.key
        while True:
            now = await self._found(expected)
            if now and (verdict := expected.verdict(now)):
                return Receipt(
                    verdict=verdict,
                    event_id=event.id if event else None,
                    key=key,
                    workflow_id=now.workflow_id,
                )
            if record := await self._record(mine):
                return Receipt(
                    verdict=Verdict.QUARANTINED,
                    key=record.key,
                    code=record.code,
                    reason=record.reason,
                    quarantine_uri=record.uri,
                )
            if time.monotonic() >= deadline:
                return None
            await asyncio.sleep(_LOOK)

    async def _found(self, expected: Expected) -> RunState | None:
        if not expected.id:
            return None
        if not expected.beginning:
            return await run_state(self.client, expected.id)
        query = f"StartTime >= '{self.since.isoformat()}'"
        async for run in self.client.list_workflows(query):
            if run.id.startswith(expected.id):
                return await run_state(self.client, run.id)
        return None

    async def _record(
        self, mine: Callable[[QuarantinedDelivery], bool]
    ) -> QuarantinedDelivery | None:
        """The newest record of what was sent that its listener has written since: a workflow's is
        that workflow's outcome."""
        for listed in await self.quarantine.listed():
            if listed.document.modified < self.since - _ROUNDED:
                return None
            if listed.id.startswith(_BY_A_WORKFLOW):
                continue
            record = await self.quarantine.get(listed.id)
            if mine(record):
                return record
        return None

    async def _link(self, outcomes: Sequence[Outcome]) -> str | None:
        reached = next((each.workflow_id for each in outcomes if each.workflow_id), None)
        if reached is None or self.ends.temporal_ui is None:
            return None
        run = await run_state(self.client, reached)
        if run is None:
            return None
        return (
            f"{self.ends.temporal_ui}/namespaces/{NAMESPACE}/workflows/"
            f"{quote(run.workflow_id, safe='')}/{run.run_id}/history"
        )


@asynccontextmanager
async def _stack(state: Path) -> AsyncIterator[_Stack]:
    ends = running(state)
    uses_it = os.environ.get("TEMPORAL_ADDRESS") == ends.temporal
    with closing(cloud_at(ends.cloud)) as cloud, _environment(ends.env):
        settings = Settings.from_env()
        client = await bootstrap.connect(settings)
        yield _Stack(
            ends=ends,
            cloud=cloud,
            client=client,
            settings=settings,
            quarantine=bootstrap.quarantine(settings),
            since=datetime.now(UTC),
            first="" if uses_it else f". {env_file(state)}; ",
        )


@contextmanager
def _environment(env: Mapping[str, str]) -> Iterator[None]:
    """Within the block this process has the stack's settings, as its own processes have them."""
    before = dict(os.environ)
    os.environ.update(env)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def _answering() -> Iterator[None]:
    """Calls of the stack's servers. Raises `StackUnavailable` where one does not answer, and
    `ConfigurationError` where it refuses what is sent."""
    from azure.core.exceptions import AzureError, HttpResponseError
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (ClientError, HttpResponseError, requests.HTTPError) as error:
        raise ConfigurationError(f"the local cloud refuses it: {error}", fix="change it") from error
    except (BotoCoreError, AzureError, requests.RequestException) as error:
        raise StackUnavailable(
            f"the local stack does not answer: {error}",
            fix="see whether `tidegate dev` still runs, and its logs in .tidegate/dev/logs",
        ) from error
