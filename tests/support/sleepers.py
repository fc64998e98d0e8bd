"""Incidents whose worker sleeps: what wakes it, and what it has done when it sleeps again."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from temporalio.client import Client, WorkflowHandle

from core.adapters.notifiers.apprise import KEY_HEADER
from core.adapters.temporal.connection import data_converter
from core.contracts import (
    INCIDENT_TASK_QUEUE,
    INCIDENT_WORKFLOW,
    ROOT_TASK_QUEUE,
    ROOT_WORKFLOW,
    SIGNAL_EVENT,
)
from core.domain.event import MESSAGE, Event
from core.domain.incident import commands
from infra.local.aws.serverless import FUNCTION, Invocation
from infra.local.aws.servers import aws_client
from tests.support.incidents import alert, command
from tests.support.serverless import Serverless, serverless
from tests.support.web import Site, serving

PATIENCE = 120.0
"""Seconds."""
LOOKED_AFTER = 420.0
"""Seconds until tasks whose call was lost are done: the server looks after them five minutes after
its controller has begun, and then each minute."""

POLICIES = """
version: 1
targets:
  on-call: {url_env: TIDEGATE_PAGE_URLS}
policies:
  - name: default
    levels: [{after: 0s, targets: [on-call]}]
    remember_for: 0s
"""
"""One page, and nothing else by itself: no escalation, and no memory of closed incidents."""


@dataclass(frozen=True, slots=True)
class Sleepers:
    """A server whose workers sleep, and the site that receives their pages."""

    up: Serverless
    site: Site
    folder: Path

    async def client(self) -> Client:
        return await Client.connect(self.up.address, data_converter=data_converter())

    async def alert(self, client: Client, key: str, **fields: Any) -> WorkflowHandle[Any, Any]:
        """An alert, delivered as the listeners do it: its signal starts the incident."""
        return await client.start_workflow(
            INCIDENT_WORKFLOW,
            id=f"incident:{key}",
            task_queue=INCIDENT_TASK_QUEUE,
            start_signal=SIGNAL_EVENT,
            start_signal_args=[[alert(key, **fields)]],
        )

    async def report(self, client: Client, title: str) -> WorkflowHandle[Any, Any]:
        """A message that the root orchestrator makes an incident of; its handle."""
        unique = uuid4().hex
        event = Event(
            id=unique,
            source="/shop",
            type=MESSAGE,
            key=f"ce:/shop#{unique}",
            data={"title": title},
        )
        return await client.start_workflow(
            ROOT_WORKFLOW, event.to_wire(), id=event.key, task_queue=ROOT_TASK_QUEUE
        )

    def pages(self, about: str) -> list[str]:
        """The keys of all pages whose title names this, in the order of their arrival. One that is
        sent again has the same key."""
        return [
            headers[KEY_HEADER]
            for _, headers, body in tuple(self.site.got)
            if f"{about} " in json.loads(body)["title"] + " " and "Page: " in body.decode()
        ]

    async def paged(self, about: str, times: int = 1, patience: float = PATIENCE) -> None:
        """Return when so many pages about it have arrived."""
        what = f"{times} pages about {about}"
        await until(lambda: len(self.pages(about)) >= times, what, patience)

    def invoke(self) -> None:
        """Invoke the first build, as the server does when it calls once too often."""
        with closing(aws_client("lambda", self.up.lambda_.url)) as client:
            client.invoke(FunctionName=FUNCTION, Qualifier="1", InvocationType="Event")

    async def asleep(self) -> None:
        """Return when no invocation runs, for so long that none follows."""
        while True:
            await asyncio.to_thread(self.up.wait_asleep)
            before = self.up.endpoint.invoked
            await asyncio.sleep(0.5)  # the controller batches its calls for as long
            if before == self.up.endpoint.invoked and not self.up.running():
                return

    @contextmanager
    def counting(self) -> Iterator[list[Invocation]]:
        """The invocations that end within the block; they are known once it has ended."""
        before = len(self.up.invocations())
        found: list[Invocation] = []
        yield found
        found += self.up.invocations()[before:]


@contextmanager
def sleeping(folder: Path, **options: Any) -> Iterator[Sleepers]:
    """A server whose workers sleep. `options` are those of `serverless`."""
    policies = folder / "policies.yaml"
    policies.write_text(POLICIES)
    (folder / "documents").mkdir()
    with serving() as site:
        settings = {
            "TIDEGATE_IDLE_TIMEOUT": "1",
            "TIDEGATE_DRAIN_TIMEOUT": "5",
            "TIDEGATE_POLICIES": str(policies),
            "TIDEGATE_PAGE_URLS": f"{site.apprise_url()}?rto=60",
        }
        with serverless(folder, **{**settings, **options}) as up:
            yield Sleepers(up, site, folder)


async def until(check: Callable[[], Any], what: str, patience: float = PATIENCE) -> None:
    """Return when it is true. Raises AssertionError naming `what` when that takes too long."""
    deadline = time.monotonic() + patience
    while not check():
        assert time.monotonic() < deadline, f"timed out after {patience:g} s: {what}"
        await asyncio.sleep(0.01)


async def end(handle: WorkflowHandle[Any, Any]) -> None:
    """Close an incident, which then wakes nobody any more."""
    await command(handle, commands.Close.name, unique("end"), reason="false_alarm")


def unique(what: str) -> str:
    return f"{what}-{uuid4().hex[:8]}"
