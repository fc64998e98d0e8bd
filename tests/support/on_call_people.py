"""On call in tests: people, a schedule that hands over soon, and incidents that page them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle
from temporalio.testing import WorkflowEnvironment

from core.contracts import SIGNAL_ON_CALL_CHANGED
from core.domain.incident import commands
from core.domain.oncall.answer import Answer, Question
from core.domain.oncall.answering import answer
from core.domain.oncall.calendars import Calendars
from core.domain.oncall.file import OnCallFile
from core.domain.oncall.overrides import Override
from core.domain.oncall.silencing import AddedSilence
from core.domain.oncall.state import OnCallState
from tests.support.incidents import PATIENCE, Harness, took, until

STEPS = [{"contact": "push"}, {"contact": "sms", "after": "2m"}, {"contact": "call", "after": "5m"}]


def person(id: str, *contacts: str, **fields: Any) -> dict[str, Any]:
    """A person of the file with these contact methods, or with `push` alone."""
    variables = {name: {"url_env": f"{id}_{name}".upper()} for name in contacts or ("push",)}
    return {"name": id.title(), "time_zone": "UTC", "contacts": variables, **fields}


PEOPLE = {
    "ana": person("ana", "push", "sms", "call", rules=[{"steps": STEPS}]),
    "ben": person("ben"),
    "carla": person("carla"),
}


def addresses_of(people: Mapping[str, Any]) -> dict[str, str]:
    """An address for every contact method."""
    return {
        target["url_env"]: f"json://{id}-{contact}.example/"
        for id, each in people.items()
        for contact, target in each["contacts"].items()
    }


def handing_over(at: datetime, *people: str, zone: str = "UTC") -> dict[str, Any]:
    """A schedule of turns of twelve hours, of which the first person's ends at a full minute."""
    start = at - timedelta(hours=12)
    rotation = {
        "people": list(people),
        "every": "12 hours",
        "start": start.date().isoformat(),
        "at": f"{start:%H:%M}",
    }
    return {"time_zone": zone, "layers": [{"name": "turns", "rotation": rotation}]}


def always(*people: str) -> dict[str, Any]:
    """A schedule of these people all the time."""
    rotation = {"people": [list(people)], "every": "day", "start": "2020-01-01"}
    return {"time_zone": "UTC", "layers": [{"name": "always", "rotation": rotation}]}


def override(start: datetime, end: datetime, *people: str) -> Override:
    return Override(
        id=f"o{start:%H%M%S}", schedule="web", people=people, start=start, end=end, by="carla"
    )


def silence(start: datetime, end: datetime, **fields: Any) -> AddedSilence:
    return AddedSilence(id="s1", start=start, end=end, by="carla", why="the move", **fields)


@dataclass
class OnCallHarness(Harness):
    """An incident worker with an on-call file, asked on the clock of the time-skipping `server`, or
    on ours without one.
    `added` is what was added at run time;"""

    server: WorkflowEnvironment | None = None
    added: OnCallState = field(default_factory=OnCallState)
    questions: list[Question] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.on_call = {"people": PEOPLE}
        self.addresses |= addresses_of(PEOPLE)
        self.find_on_call = self._find

    async def _find(self, question: Question, *, client: Client) -> Answer:
        self.questions.append(question)
        return answer(self.file, self.added, self.calendars, question, await self.now())

    @property
    def file(self) -> OnCallFile:
        return OnCallFile.model_validate({"version": 1, **self.on_call})

    @property
    def calendars(self) -> Calendars:
        return Calendars(names=self.file.names)

    async def now(self) -> datetime:
        """The time of the server, which is ahead of ours once it has skipped some."""
        if self.server is None:
            return datetime.now(UTC)
        return (await self.server.get_current_time()).astimezone(UTC)

    async def minutes_ahead(self, minutes: int) -> datetime:
        """A full minute between so many minutes ahead and one more."""
        now = await self.now()
        return now.replace(second=0, microsecond=0) + timedelta(minutes=minutes + 1)

    async def pass_until(self, moment: datetime) -> None:
        """Let time pass until a few seconds after a moment."""
        assert self.server
        await self.server.sleep(moment - await self.now() + timedelta(seconds=5))

    async def end(self, handle: WorkflowHandle[Any, Any]) -> None:
        """Close an incident, unless it is closed. The clock runs as ours does until its result is
        there: else the server skips ten years."""
        fields = {"command_id": "end", "actor": "ana", "reason": "false_alarm"}
        with self.server.auto_time_skipping_disabled() if self.server else nullcontext():
            if (await handle.describe()).status is WorkflowExecutionStatus.RUNNING:
                await handle.execute_update(commands.Close.name, fields)
            async with asyncio.timeout(PATIENCE):
                await handle.result()

    @property
    def paged(self) -> list[str]:
        """The targets that took a page, in order."""
        return [target for _, target in self.pager.delivered]

    async def pages(self, *targets: str) -> None:
        """Wait until exactly these targets have taken pages, in this order."""
        await until(took(self, self.handles[-1], len(targets)))
        assert self.paged == [*targets]


async def change(harness: OnCallHarness, handle: WorkflowHandle[Any, Any], **added: Any) -> None:
    """Add or end something at run time, and let the incident hear of it as the on-call workflow
    does."""
    harness.added = harness.added.model_copy(update=added)
    await handle.signal(SIGNAL_ON_CALL_CHANGED)
