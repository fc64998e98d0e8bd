"""The WorkerDeployment port in memory: what Temporal would keep, and what a test lets it answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from core.contracts import INCIDENT_TASK_QUEUE, ROOT_TASK_QUEUE, SERVERLESS_DEPLOYMENT
from core.errors import RolloutConflict, TidegateError
from core.ports.worker_deployment import (
    Backlog,
    Build,
    Deployment,
    Function,
    State,
    TaskQueue,
    Version,
)

QUEUES = (ROOT_TASK_QUEUE, INCIDENT_TASK_QUEUE)
POLLED: Mapping[str, Backlog] = dict.fromkeys(QUEUES, Backlog())
START = datetime(2026, 1, 2, 8, tzinfo=UTC)


def arn(version: int) -> str:
    return f"arn:aws:lambda:eu-west-1:123456789012:function:tidegate-workers:{version}"


def function(version: int) -> Function:
    return Function(arn(version), "arn:aws:iam::123456789012:role/invoke", "secret-enough")


@dataclass
class InMemory:
    """`polls` are the task queues that a function polls when it is invoked, and `refusal` is what
    the check of a function raises. `calls` are those that change something or invoke a function."""

    exists: bool = True
    builds: list[Build] = field(default_factory=list)
    versions: dict[str, Version] = field(default_factory=dict)
    current: str | None = None
    ramping: str | None = None
    ramp: float = 0
    polls: Mapping[str, Backlog] = field(default_factory=lambda: POLLED)
    refusal: TidegateError | None = None
    queues: dict[str, TaskQueue] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    changes: int = 0
    meanwhile: bool = False
    """Whether somebody else changes the deployment between a look at it and a change."""

    name = SERVERLESS_DEPLOYMENT

    def add(
        self,
        id: str,
        function: Function | None,
        *,
        state: State = State.INACTIVE,
        queues: Mapping[str, Backlog] = POLLED,
        last_current: int | None = None,
        problem: str = "",
    ) -> InMemory:
        """With a build that is newer than the others. `last_current` is in hours after START."""
        build = Build(
            id=id,
            state=state,
            created=START + timedelta(hours=len(self.builds)),
            has_function=function is not None,
            last_current=None if last_current is None else START + timedelta(hours=last_current),
            problem=problem,
            checked=START if function else None,
        )
        self.builds.insert(0, build)
        self.versions[id] = Version(function, queues)
        match state:
            case State.CURRENT:
                self.current = id
            case State.RAMPING:
                self.ramping, self.ramp = id, 10
            case State.CREATED | State.INACTIVE | State.DRAINING | State.DRAINED:
                pass
        return self

    async def check_server(self) -> str:
        if self.refusal:
            raise self.refusal
        return "1.32.0"

    async def describe(self) -> Deployment | None:
        if not self.exists:
            return None
        return Deployment(
            token=b"%d" % self.changes,
            builds=list(self.builds),
            current=self.current,
            ramping=self.ramping,
            ramp=self.ramp,
        )

    async def version(self, build_id: str) -> Version | None:
        return self.versions.get(build_id)

    async def create(self) -> bool:
        existed, self.exists = self.exists, True
        return not existed

    async def create_version(self, build_id: str, function: Function) -> bool:
        if self.meanwhile:
            return False
        self.calls.append(f"create {build_id}")
        self.add(build_id, function, queues=self.polls)
        return True

    async def set_function(self, build_id: str, function: Function) -> None:
        self.calls.append(f"set {build_id}")
        self.versions[build_id] = Version(function, self.polls)
        self.builds = [
            replace(each, has_function=True) if each.id == build_id else each
            for each in self.builds
        ]

    async def check_function(self, build_id: str) -> None:
        self.calls.append(f"check {build_id}")
        if self.refusal:
            raise self.refusal

    async def set_current(self, build_id: str, token: bytes, *, force: bool = False) -> None:
        self._change(token)
        self.calls.append(f"current {build_id}{' forced' if force else ''}")
        self.current = build_id
        if self.ramping == build_id:
            self.ramping, self.ramp = None, 0

    async def set_ramp(
        self, build_id: str | None, percent: float, token: bytes, *, force: bool = False
    ) -> None:
        self._change(token)
        self.calls.append(f"ramp {build_id} {percent:g}{' forced' if force else ''}")
        self.ramping, self.ramp = build_id, percent

    async def task_queue(self, name: str) -> TaskQueue:
        return self.queues.get(name, TaskQueue("", "", ()))

    def _change(self, token: bytes) -> None:
        self.changes += self.meanwhile
        if token != b"%d" % self.changes:
            raise RolloutConflict(f"somebody else has changed the deployment {self.name}")
        self.changes += 1
