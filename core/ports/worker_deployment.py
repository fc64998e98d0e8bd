"""The WorkerDeployment port: the builds of the serverless workers, as Temporal keeps them.

A deployment has versions, one per build ID. Temporal calls a version's function when a task waits
for it and nobody polls.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol


class State(StrEnum):
    """What work a version gets."""

    CREATED = "created"
    """None, and no worker of it has polled."""
    INACTIVE = "inactive"
    """None, and it never had any."""
    CURRENT = "current"
    """All new work, but for what the ramping version gets."""
    RAMPING = "ramping"
    """A share of the new work."""
    DRAINING = "draining"
    """What began on it and must end there."""
    DRAINED = "drained"
    """None any more."""


@dataclass(frozen=True, slots=True)
class Function:
    """A Lambda function's version by its ARN, and the role by which Temporal invokes it, with the
    external ID that the role's trust demands. Only a test server invokes one without a role."""

    arn: str
    role: str | None = None
    external_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """What a deployed stack says of its serverless workers. `place` is its account and region."""

    function_arn: str
    build_id: str
    role: str
    external_id: str
    place: str


@dataclass(frozen=True, slots=True)
class Configuration:
    """A function's timeout in seconds, and its environment variables."""

    timeout: int
    variables: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Backlog:
    """The tasks that wait on a task queue for one version, and the age of the oldest."""

    tasks: int = 0
    age: timedelta = timedelta()


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """A version in the list of all. `has_function` says whether Temporal calls a function for it;
    `problem` is what went wrong when it last looked at that, which was at `checked`."""

    id: str
    state: State
    created: datetime
    has_function: bool
    last_current: datetime | None = None
    problem: str = ""
    checked: datetime | None = None


@dataclass(frozen=True, slots=True)
class Version:
    """A version in detail: the function that Temporal calls for it, and the backlogs of the task
    queues that its workers have polled, by their names."""

    function: Function | None
    queues: Mapping[str, Backlog]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """The deployment at one moment, with its newest build first, and where new work goes: to
    `current`, and `ramp` percent of it to `ramping`. Where one of them is None, that is to workers
    outside this deployment. By `token` a change is refused if there was another since."""

    token: bytes
    builds: Sequence[Build]
    current: str | None = None
    ramping: str | None = None
    ramp: float = 0

    def build(self, build_id: str) -> Build | None:
        return next((each for each in self.builds if each.id == build_id), None)


@dataclass(frozen=True, slots=True)
class Poller:
    """A worker that has polled a task queue in the last minutes."""

    deployment: str
    build_id: str
    seen: datetime


@dataclass(frozen=True, slots=True)
class TaskQueue:
    """A task queue: the deployment and build that new work there goes to, and who polled it for
    workflow tasks in the last minutes. Empty for workers without a build ID."""

    deployment: str
    build_id: str
    pollers: Sequence[Poller]


class WorkerDeployment(Protocol):
    """One worker deployment.

    Every method raises `TemporalUnavailable`, and `SettingsError` where the namespace or the
    credentials are wrong, or the server cannot call functions. Those that change something raise
    `RolloutRefused` where Temporal refuses it, and `RolloutConflict` where somebody else has
    changed the deployment since.
    """

    @property
    def name(self) -> str:
        """The deployment's name."""
        ...

    async def check_server(self) -> str:
        """The server's version, if it is recent enough to call functions."""
        ...

    async def describe(self) -> Deployment | None:
        """The deployment with its builds; None where there is no such deployment."""
        ...

    async def version(self, build_id: str) -> Version | None:
        """One build in detail; None where there is no such build."""
        ...

    async def create(self) -> bool:
        """Create the deployment; returns whether it did not exist."""
        ...

    async def create_version(self, build_id: str, function: Function) -> bool:
        """Create a version whose function Temporal checks and invokes once; returns whether it did
        not exist."""
        ...

    async def set_function(self, build_id: str, function: Function) -> None:
        """Give a version another function, which Temporal checks and invokes once; the same one is
        invoked again."""
        ...

    async def check_function(self, build_id: str) -> None:
        """Let Temporal check that it can reach a version's function, by its role."""
        ...

    async def set_current(self, build_id: str, token: bytes, *, force: bool = False) -> None:
        """Send new work to a version. With `force` also where it does not serve all task queues of
        the current one."""
        ...

    async def set_ramp(
        self, build_id: str | None, percent: float, token: bytes, *, force: bool = False
    ) -> None:
        """Send a share of the new work to a version; with None to none but the current one."""
        ...

    async def task_queue(self, name: str) -> TaskQueue:
        """A task queue, whichever deployment serves it."""
        ...
