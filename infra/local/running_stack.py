"""A running stack, asked what becomes of what was sent to it.

A webhook answers with receipts; of an upload or a message it is known which workflow it is for, so
the receipt is read off that workflow, or off the quarantine.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from temporalio.client import Client

from core import bootstrap
from core.adapters.temporal.run_state import RunState, run_state
from core.config.settings import Settings
from core.domain.event import Event
from core.domain.identity import workflow_id
from core.domain.link_template import filled
from core.domain.routing.table import Deliver
from core.errors import DocumentNotFound, NoRoute, PermanentError, Unwanted
from core.formats.shared.delivery import Malformed
from core.intake.quarantine import Quarantine
from core.intake.receipts import Receipt, Verdict
from core.intake.records import QuarantinedDelivery
from core.operations.outcome import Outcome, Result, follow
from infra.local.cloud import Cloud
from infra.local.clouds import cloud_at
from infra.local.endpoints import Endpoints, env_file, running
from infra.local.expected import ANY, Expected, once_started
from infra.local.sent import Sent
from infra.local.temporal import workflow_page

_LOOK: Final = 0.2
"""Seconds between two looks for a workflow, and for a record in the quarantine."""
_ROUNDED: Final = timedelta(seconds=2)
"""How much a store may round the time at which it wrote a document."""
_BY_A_WORKFLOW: Final = "stored_event-"
"""How the IDs of records begin that a workflow has written."""


@dataclass(frozen=True, slots=True)
class RunningStack:
    """The running stack, and what it is asked through, `since` when. `first` is what a shell has to
    do before it can use the stack."""

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
        except Unwanted:
            return Expected(item, dropped=True)
        except (NoRoute, PermanentError):  # its orchestrator will say so
            pass
        else:
            deliver = target.deliver
            id = id if deliver is Deliver.ORCHESTRATE else target.id
        if ANY in id:
            return Expected(item, id.partition(ANY)[0], beginning=True)
        before = await run_state(self.client, id)
        return Expected(item, id, signalled=deliver is Deliver.SIGNAL, before=before)

    async def wait(
        self,
        sent: Sent,
        expected: Sequence[Expected],
        mine: Callable[[QuarantinedDelivery], bool],
        timeout: float,
        report: Callable[[str], None],
    ) -> Sent:
        """What becomes of what is expected."""
        if not timeout:
            return replace(sent, note="sent; what becomes of it was not waited for")
        deadline = time.monotonic() + timeout
        found = [await self._receipt(each, mine, deadline) for each in expected]
        receipts = once_started(expected, found)
        sent = replace(sent, events=len(expected))
        left = max(deadline - time.monotonic(), 0.0)
        sent = await self.follow(sent, receipts, left, report)
        late = Outcome(
            result=Result.UNKNOWN,
            reason=f"no workflow has begun within {timeout:g} s, and nothing was quarantined",
        )
        return replace(sent, outcomes=(*sent.outcomes, *[late] * found.count(None)))

    async def follow(
        self, sent: Sent, receipts: Sequence[Receipt], timeout: float, report: Callable[[str], None]
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
            if expected.dropped:
                return Receipt(
                    verdict=Verdict.DROPPED, event_id=event.id if event else None, key=key
                )
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
            with suppress(DocumentNotFound):  # deleted meanwhile, or not a record
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
        page = workflow_page(self.ends.temporal_ui)
        return filled(page, workflow_id=run.workflow_id, run_id=run.run_id)


@asynccontextmanager
async def running_stack(state: Path) -> AsyncIterator[RunningStack]:
    ends = running(state)
    file = env_file(state)
    with closing(cloud_at(ends.cloud)) as cloud, _environment(ends.env):
        settings = Settings.from_env()
        client = await bootstrap.connect(settings)
        yield RunningStack(
            ends=ends,
            cloud=cloud,
            client=client,
            settings=settings,
            quarantine=bootstrap.quarantine(settings),
            since=datetime.now(UTC),
            first=f". {file}; " if file else "",
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
