"""The incident worker in tests: real, with everything outside the machine faked."""

from __future__ import annotations

import asyncio
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Sequence,
)
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHandle, WorkflowHistory

from core.adapters.documents.files import FileDocumentStore
from core.adapters.documents.router import DocumentStores
from core.adapters.notifiers.addresses import read_addresses
from core.contracts import INCIDENT_WORKFLOW, QUERY_INCIDENT, QUERY_TIMELINE, SIGNAL_EVENT
from core.domain.event import ALERT, DOCUMENT_CREATED, DocumentRef, Event
from core.domain.incident.model import Incident, PageStatus
from core.domain.incident.policies.file import Policies
from core.domain.oncall.answer import Answer, Question
from core.domain.oncall.file import ONCALL, OnCallFile
from core.domain.targets import Post
from core.errors import NotificationFailed, StoreUnavailable
from core.intake.quarantine import Quarantine
from core.links import PageLinks
from core.operations.on_call import find_on_call
from core.ports.documents import DocumentStore
from core.ports.notifier import Address, Notification, NotificationKind, Notifier
from tests.support.calendars import NoCalendars
from tests.support.histories import record, replayer
from workers.incident.activities import FindOnCall, IncidentActivities
from workers.incident.workflows import IncidentWorkflow
from workers.runtime import process

ON_CALL, SECOND_LINE = "on-call", "second-line"
LEVELS = [
    {"after": "0s", "targets": [ON_CALL]},
    {"after": "TIDEGATE_ACK_TIMEOUT", "targets": [SECOND_LINE]},
]
PATIENCE = 30.0
ANA = {"actor": "ana"}


class Pager:
    """A `Notifier` that remembers. It fails while `broken` and for `deaf` targets, and blocks until
    `answering`."""

    def __init__(self) -> None:
        self.delivered: list[tuple[Notification, str]] = []
        self.followed_up: list[tuple[NotificationKind, list[str]]] = []
        self.deaf: set[str] = set()
        self.attempts = 0
        self.broken = False
        self.answering = asyncio.Event()
        self.answering.set()

    async def notify(
        self, notification: Notification, addresses: Sequence[Address]
    ) -> dict[str, Post]:
        if notification.kind is not NotificationKind.PAGE:
            self.followed_up.append((notification.kind, [address.name for address in addresses]))
            return {}
        self.attempts += 1
        await self.answering.wait()
        if self.broken or any(address.name in self.deaf for address in addresses):
            raise NotificationFailed("json://on-call.example/ did not take it")
        self.delivered += [(notification, address.name) for address in addresses]
        return {}

    async def update(self, notification: Notification, address: Address) -> Post:
        raise NotImplementedError("none of its messages can be edited")


class Folder(FileDocumentStore):
    """A store that can be made unavailable for reading or writing, or slow."""

    def __init__(self) -> None:
        super().__init__()
        self.unreadable = 0
        self.readable = asyncio.Event()
        self.readable.set()
        self.writable = asyncio.Event()
        self.writable.set()
        self.writing = asyncio.Event()

    async def read(
        self, document: DocumentRef, *, first: int | None = None
    ) -> AsyncGenerator[bytes]:
        if self.unreadable:
            self.unreadable -= 1
            raise StoreUnavailable(f"{document.uri}: no answer")
        await self.readable.wait()
        async for chunk in super().read(document, first=first):
            yield chunk

    async def write(
        self,
        uri: str,
        chunks: AsyncIterable[bytes],
        *,
        content_type: str,
        if_absent: bool = False,
    ) -> DocumentRef:
        self.writing.set()
        await self.writable.wait()
        return await super().write(uri, chunks, content_type=content_type, if_absent=if_absent)


async def nobody(question: Question, *, client: Client) -> Answer:
    """That nobody is on call, and nothing silenced."""
    return Answer()


@dataclass
class Harness:
    """One worker on a task queue of its own, with everything outside the machine faked."""

    client: Client
    root: Path
    pager: Pager = field(default_factory=Pager)
    channels: Notifier | None = None
    """The real channels, where a test wants them in place of the pager."""
    folder: Folder = field(default_factory=Folder)
    policy: dict[str, Any] = field(default_factory=lambda: {"levels": LEVELS})
    targets: dict[str, dict[str, Any]] = field(default_factory=dict)
    addresses: dict[str, str] = field(
        default_factory=lambda: {
            "TIDEGATE_PAGE_URLS": "json://on-call.example/a",
            "TIDEGATE_ESCALATION_URLS": "json://second-line.example/b",
        }
    )
    on_call: dict[str, Any] = field(default_factory=dict)
    """The on-call file without its version."""
    find_on_call: FindOnCall | None = None
    """Who is on call, where a test wants another answer than by the file and Temporal's clock."""
    silences: list[dict[str, Any]] = field(default_factory=list)
    maintenance: list[dict[str, Any]] = field(default_factory=list)
    continue_as_new_after: int | None = None
    links: PageLinks | None = None
    reports: bool = True
    documents: DocumentStore | None = None
    """Real stores in place of the folder, where a test wants them; `reports_root` is theirs."""
    reports_root: str | None = None
    queue: str = field(default_factory=lambda: f"incident-{uuid4()}")
    handles: list[WorkflowHandle[Any, Any]] = field(default_factory=list)

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        on_call = OnCallFile.model_validate({"version": 1, **self.on_call})
        policies = Policies.model_validate(
            {
                "version": 1,
                "targets": {
                    ON_CALL: {"url_env": "TIDEGATE_PAGE_URLS"},
                    SECOND_LINE: {"url_env": "TIDEGATE_ESCALATION_URLS"},
                    **self.targets,
                },
                "policies": [{"name": "default", "remember_for": "0s", **self.policy}],
                "silences": self.silences,
                "maintenance": self.maintenance,
            },
            context={ONCALL: on_call},
        )
        stores = DocumentStores({"file": lambda: self.folder}, roots=[f"file://{self.root}/"])
        activities = IncidentActivities(
            documents=self.documents or stores,
            notifier=self.channels or self.pager,
            quarantine=Quarantine(stores, f"file://{self.root}/quarantine/"),
            policies=policies,
            targets={**policies.targets, **on_call.targets},
            addresses=read_addresses({**policies.targets, **on_call.targets}, self.addresses),
            find_on_call=self.find_on_call
            or partial(find_on_call, file=on_call, calendars=NoCalendars()),
            ack_timeout=300,
            links=self.links,
            reports=(self.reports_root or f"file://{self.root}/reports/") if self.reports else None,
            max_report_bytes=10_000,
            continue_as_new_after=self.continue_as_new_after,
            table="0123456789ab",
        )
        plan = process.Plan(
            task_queue=self.queue,
            workflows=[IncidentWorkflow],
            activities=activities.all,
        )
        async with process.worker(self.client, plan):
            yield

    def upload(self, content: str | bytes, name: str = "a.json") -> dict[str, Any]:
        """Put a document into the store; returns its event in the wire form."""
        path = self.root / "incidents" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return self.event(name).to_wire()

    def event(self, name: str) -> Event:
        document = DocumentRef(uri=f"file://{self.root}/incidents/{name}")
        return Event(
            id=name,
            source="aws:s3",
            type=DOCUMENT_CREATED,
            key=f"s3:docs/{name}@1",
            data={"document": document.to_wire()},
        )

    async def start(self, wire: Any, id: str | None = None) -> WorkflowHandle[Any, Any]:
        handle = await self.client.start_workflow(
            INCIDENT_WORKFLOW, wire, id=id or f"incident:{uuid4()}", task_queue=self.queue
        )
        self.handles.append(self.client.get_workflow_handle(handle.id, run_id=handle.result_run_id))
        return handle


async def check_histories(harness: Harness, recorded: pytest.Mark | None) -> None:
    """Every incident replays and has no failed task; records the last where the test is marked."""
    for handle in harness.handles:
        history = await handle.fetch_history()
        await replay(history)
        assert not failed_tasks(history)
    if recorded:
        await record(
            harness.client, harness.handles[-1], f"incident-{recorded.args[0]}", harness.root
        )


def failed_tasks(history: WorkflowHistory) -> list[Any]:
    """Failed workflow tasks, without completions that the server rejected because of new events,
    and without what a termination cut off."""
    return [
        event.workflow_task_failed_event_attributes
        for event in history.events
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED
        and not any(
            cause in str(event.workflow_task_failed_event_attributes)
            for cause in ("UnhandledCommand", "FORCE_CLOSE_COMMAND")
        )
    ]


async def replay(history: WorkflowHistory) -> None:
    await replayer().replay_workflow(history)


def text_of(uri: str) -> str:
    return Path(uri.removeprefix("file://")).read_text()


async def timeline(handle: WorkflowHandle[Any, Any]) -> list[str]:
    return [entry["text"] for entry in await handle.query(QUERY_TIMELINE)]


async def until(check: Callable[[], Awaitable[bool]] | Callable[[], bool]) -> None:
    """Wait until the check is true."""
    async with asyncio.timeout(PATIENCE):
        while True:
            found = check()
            if await found if isinstance(found, Awaitable) else found:
                return
            await asyncio.sleep(0.02)


def says(handle: WorkflowHandle[Any, Any], text: str) -> Callable[[], Awaitable[bool]]:
    async def said() -> bool:
        return any(text in entry for entry in await timeline(handle))

    return said


def took(
    harness: Harness, handle: WorkflowHandle[Any, Any], count: int
) -> Callable[[], Awaitable[bool]]:
    """Whether so many pages were taken, and the incident knows it: the time-skipping server loses
    a task that cancels an activity which ends in the same moment."""

    async def taken() -> bool:
        if len(harness.pager.delivered) < count:
            return False
        incident: Incident = await handle.query(QUERY_INCIDENT, result_type=Incident)
        return all(page.status is not PageStatus.SENDING for page in incident.pages.values())

    return taken


async def signal_with_start(harness: Harness, id: str, *wires: Any) -> WorkflowHandle[Any, Any]:
    """Deliver events as the listeners do: their signal starts the incident if it does not run."""
    return await harness.client.start_workflow(
        INCIDENT_WORKFLOW,
        id=id,
        task_queue=harness.queue,
        start_signal=SIGNAL_EVENT,
        start_signal_args=[list(wires)],
    )


async def command(
    handle: WorkflowHandle[Any, Any], name: str, id: str, **fields: Any
) -> dict[str, Any]:
    answer = await handle.execute_update(name, {"command_id": id, **ANA, **fields})
    return dict(answer)


def alert(key: str = "cpu", *, number: int = 0, status: str = "firing", **fields: Any) -> Any:
    """An alert's event in its wire form; each `number` is another event."""
    data = {"key": key, "status": status, "title": f"{key} is high", "severity": "critical"}
    return Event(
        id=f"{key}-{status}-{number}",
        source="alertmanager",
        type=ALERT,
        key=f"am:{key}/{status}/{number}",
        data={**data, "source": "alertmanager", "service": "checkout", **fields},
    ).to_wire()


REPORT = {
    "title": "Checkout answers 500",
    "severity": "high",
    "service": "checkout",
    "summary": "Every payment fails since the deploy of 10:00.",
    "reporter": "synthetic monitor",
}
