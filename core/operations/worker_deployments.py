"""Rolling out builds of the serverless workers: deploy, promote, ramp, roll back, and how they
stand.

    deploy   -> the build exists, Temporal can call its function, and it has polled its task queues
    promote  -> all new work goes to it; or ramp: a share of it
    rollback -> new work goes where it went before

A build that nobody has made current gets no work, so a build that fails its deployment harms
nothing.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Literal

from core.config.settings import Settings
from core.errors import RolloutConflict, RolloutRefused, SettingsError, quoted
from core.ports.worker_deployment import (
    Build,
    Configuration,
    Deployment,
    Function,
    Stack,
    State,
    Version,
    WorkerDeployment,
)

_LOOK: Final = 0.5
"""Seconds between two looks at whether the task queues are registered."""
_ARN: Final = re.compile(
    r"arn:aws[a-z-]*:lambda:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):function:"
    r"(?P<name>[A-Za-z0-9_-]{1,64})(?::(?P<qualifier>\S+))?"
)
_ROLE: Final = re.compile(r"arn:aws[a-z-]*:iam::(?P<account>\d{12}):role/\S+")
_EXTERNAL_ID: Final = re.compile(r"[\w+=,.@:/-]{2,1224}")

Change = Literal["created", "updated", "unchanged"]


class Step(StrEnum):
    """The steps of a deployment."""

    SERVER = "server"
    DEPLOYMENT = "deployment"
    VERSION = "version"
    TASK_QUEUES = "task queues"


Report = Callable[[Step, str], None]
"""Called with each step as it is done, and with what there is to know."""


def function(
    arn: str, role: str | None, external_id: str | None, *, without_role: bool = False
) -> Function:
    """A function that Temporal can call. Raises `SettingsError` for an ARN that does not name a
    published version, and for a role without its external ID, or of another account."""
    match = _ARN.fullmatch(arn)
    if match is None:
        raise SettingsError(
            f"{quoted(arn)} is not the ARN of a Lambda function",
            fix="name --function-arn arn:aws:lambda:REGION:ACCOUNT:function:NAME:VERSION",
        )
    if not (match["qualifier"] or "").isdecimal():
        qualifier = f"{match['qualifier']} moves" if match["qualifier"] else "it names no version"
        raise SettingsError(
            f"{arn} does not stay the same code ({qualifier}): open workflows would continue on "
            "code that they did not begin on, under one build ID",
            fix="publish a version for each build ID, and name it: the ARN ends in its number",
        )
    if without_role:
        if role or external_id:
            raise SettingsError(
                "--without-role excludes --role-arn and --external-id",
                fix="leave out either",
            )
        return Function(arn)
    if not role or not external_id:
        missing = "--role-arn" if not role else "--external-id"
        raise SettingsError(
            f"{missing} is not named: Temporal invokes the function by a role whose trust demands "
            "an external ID",
            fix=f"name {missing}, or --stack; a test server that calls functions by its own "
            "credentials takes --without-role",
        )
    its = _ROLE.fullmatch(role)
    if its is None:
        raise SettingsError(
            f"{quoted(role)} is not the ARN of a role",
            fix="name --role-arn arn:aws:iam::ACCOUNT:role/NAME",
        )
    if its["account"] != match["account"]:
        raise SettingsError(
            f"the role is of the account {its['account']}, and the function of {match['account']}",
            fix="name the role and the function of one stack",
        )
    if not _EXTERNAL_ID.fullmatch(external_id):
        raise SettingsError(
            "--external-id is not one that AWS takes: 2 to 1,224 letters, digits and +=,.@:/-",
            fix="name the value that the role's trust policy demands",
        )
    return Function(arn, role, external_id)


def check_place(arn: str, stack: Stack) -> None:
    """Raises `SettingsError` for a function that is not in the account and region of the stack."""
    match = _ARN.match(arn)
    if match and (place := f"{match['account']} in {match['region']}") != stack.place:
        raise SettingsError(
            f"the function is of the account {place}, and the stack of {stack.place}",
            fix="name a function of the stack's account and region, or leave out --stack",
        )


def check_configuration(configuration: Configuration, build_id: str) -> Settings:
    """The function's own settings. Raises `SettingsError` where one of them is invalid, where it
    has another build ID, and where its timeout leaves no time for work."""
    try:
        settings = Settings.from_env(configuration.variables)
    except SettingsError as error:
        raise SettingsError(f"of the function: {error.message}", fix=error.fix) from None
    if settings.build_id != build_id:
        own = f"TIDEGATE_BUILD_ID={settings.build_id}" if settings.build_id else "no build ID"
        raise SettingsError(
            f"the function has {own}: it would not poll as build {build_id}",
            fix=f"name --build-id {settings.build_id}"
            if settings.build_id
            else f"set its TIDEGATE_BUILD_ID to {build_id}, and publish a version of that",
        )
    settings.check_function_timeout(configuration.timeout)
    return settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to deploy. The function must poll all of `queues` within `timeout` seconds."""

    build_id: str
    function: Function
    queues: tuple[str, ...]
    timeout: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """A build that can be promoted, and what its deployment changed."""

    deployment: str
    build_id: str
    change: Change
    state: State
    function_arn: str
    task_queues: Sequence[str]

    def to_json(self) -> dict[str, Any]:
        return {
            "deployment": self.deployment,
            "build_id": self.build_id,
            "change": self.change,
            "state": self.state.value,
            "function_arn": self.function_arn,
            "task_queues": list(self.task_queues),
        }


async def deploy(workers: WorkerDeployment, plan: Plan, *, report: Report) -> Deployed:
    """Make the build one that can be promoted; what is so already stays unchanged. Raises what
    `WorkerDeployment` does, and `RolloutRefused` when the function does not poll in time."""
    server = await workers.check_server()
    created = await workers.create()  # which also says whether there is such a namespace
    report(Step.SERVER, f"Temporal {server} is recent enough to call functions")
    report(Step.DEPLOYMENT, f"{workers.name}: {'created' if created else 'unchanged'}")
    before = await workers.version(plan.build_id)
    change = await _set_function(workers, plan, before)
    report(Step.VERSION, f"{plan.build_id}: {change}; Temporal can reach {plan.function.arn}")
    version = await _registered(workers, plan)
    report(Step.TASK_QUEUES, f"polled: {', '.join(version.queues)}")
    deployment = await _described(workers)
    return Deployed(
        deployment=workers.name,
        build_id=plan.build_id,
        change=change,
        state=_build(deployment, plan.build_id).state,
        function_arn=plan.function.arn,
        task_queues=tuple(version.queues),
    )


async def _set_function(workers: WorkerDeployment, plan: Plan, before: Version | None) -> Change:
    """Let Temporal check the function and, where it has not polled yet, invoke it once."""
    if before is None:
        if not await workers.create_version(plan.build_id, plan.function):
            raise RolloutConflict(f"somebody else has just created the build {plan.build_id}")
        return "created"
    if before.function != plan.function:
        await workers.set_function(plan.build_id, plan.function)
        return "updated"
    if _missing(before, plan.queues):
        await workers.set_function(plan.build_id, plan.function)
    else:
        await workers.check_function(plan.build_id)
    return "unchanged"


async def _registered(workers: WorkerDeployment, plan: Plan) -> Version:
    """The version, once its workers have polled all task queues."""
    deadline = time.monotonic() + plan.timeout
    while True:
        version = await workers.version(plan.build_id)
        if version and not _missing(version, plan.queues):
            return version
        if time.monotonic() >= deadline:
            break
        await asyncio.sleep(_LOOK)
    missing = ", ".join(_missing(version, plan.queues)) if version else ", ".join(plan.queues)
    name = plan.function.arn.split(":")[6]
    other = await _polls_as_another(workers, plan)
    raise RolloutRefused(
        f"the function of build {plan.build_id} was invoked and has not polled {missing} within "
        f"{plan.timeout:g} s" + (f": it polls as build {other}" if other else ""),
        fix=f"publish a version with TIDEGATE_BUILD_ID={plan.build_id}, or name --build-id {other}"
        if other
        else f"read why in its log, `aws logs tail /aws/lambda/{name} --since 15m`: it must reach "
        "TEMPORAL_ADDRESS; then repeat the command, which invokes it again",
    )


async def _polls_as_another(workers: WorkerDeployment, plan: Plan) -> str:
    """The build that the function says it is, if it polled as another one: that has the same
    function, or none."""
    pollers = [
        poller
        for queue in plan.queues
        for poller in (await workers.task_queue(queue)).pollers
        if poller.deployment == workers.name and poller.build_id != plan.build_id
    ]
    for build_id in dict.fromkeys(poller.build_id for poller in pollers):
        version = await workers.version(build_id)
        if version and (version.function is None or version.function.arn == plan.function.arn):
            return build_id
    return ""


def _missing(version: Version, queues: Sequence[str]) -> list[str]:
    return [queue for queue in queues if queue not in version.queues]


@dataclass(frozen=True, slots=True, kw_only=True)
class Promoted:
    """Where new work goes now, and where it went before: to `before`, or to `others` outside this
    deployment, by task queue. `ramp` percent of it still go elsewhere: to the build `ramping`, or
    outside this deployment without one."""

    build_id: str
    changed: bool
    before: str | None
    others: Mapping[str, str]
    ramping: str | None
    ramp: float

    def to_json(self) -> dict[str, Any]:
        return {
            "current": self.build_id,
            "changed": self.changed,
            "current_before": self.before,
            "elsewhere_before": dict(self.others),
            "ramping": self.ramping,
            "ramp_percent": self.ramp,
        }


async def promote(
    workers: WorkerDeployment,
    build_id: str | None,
    queues: Sequence[str],
    *,
    force: bool = False,
) -> Promoted:
    """Send new work to a build, by default the newest that has a function. Raises `RolloutRefused`
    for one that cannot take it, unless `force` is set, and what `WorkerDeployment` does."""
    deployment = await _described(workers)
    chosen = build_id or _newest(deployment)
    await _check(workers, deployment, chosen, queues, force=force)
    return await _make_current(workers, deployment, chosen, queues, force=force)


async def _make_current(
    workers: WorkerDeployment,
    deployment: Deployment,
    build_id: str,
    queues: Sequence[str],
    *,
    force: bool,
) -> Promoted:
    changed = deployment.current != build_id
    others = {}
    for queue in queues if changed and deployment.current is None else ():
        found = await workers.task_queue(queue)
        if found.build_id and found.deployment != workers.name:
            others[queue] = f"{found.deployment} {found.build_id}"
    if changed:
        await workers.set_current(build_id, deployment.token, force=force)
    own = deployment.ramping == build_id  # which Temporal ends
    return Promoted(
        build_id=build_id,
        changed=changed,
        before=deployment.current,
        others=others,
        ramping=None if own else deployment.ramping,
        ramp=0 if own else deployment.ramp,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ramped:
    """The share of new work that a build gets; the rest goes to `current`. Where one of them is
    None, that is workers outside this deployment."""

    build_id: str | None
    percent: float
    before: str | None
    before_percent: float
    current: str | None

    def to_json(self) -> dict[str, Any]:
        return {
            "ramping": self.build_id if self.percent else None,
            "ramp_percent": self.percent,
            "ramping_before": self.before,
            "ramp_percent_before": self.before_percent,
            "current": self.current,
        }


async def ramp(
    workers: WorkerDeployment,
    build_id: str,
    percent: float,
    queues: Sequence[str],
    *,
    force: bool = False,
) -> Ramped:
    """Send `percent` of the new work to a build; 0 ends that. Raises as `promote` does."""
    deployment = await _described(workers)
    if percent:
        await _check(workers, deployment, build_id, queues, force=force)
    elif deployment.ramping != build_id:
        raise RolloutRefused(f"build {_build(deployment, build_id).id} has no share to take away")
    if deployment.current == build_id:
        raise RolloutRefused(
            f"build {build_id} is current: it gets what no other build does",
            fix="ramp up the build that is to follow it",
        )
    return await _set_ramp(workers, deployment, build_id, percent, force=force)


async def _set_ramp(
    workers: WorkerDeployment,
    deployment: Deployment,
    build_id: str | None,
    percent: float,
    *,
    force: bool = False,
) -> Ramped:
    ramping = build_id if percent else None
    await workers.set_ramp(ramping, percent, deployment.token, force=force)
    return Ramped(
        build_id=build_id,
        percent=percent,
        before=deployment.ramping,
        before_percent=deployment.ramp,
        current=deployment.current,
    )


async def rollback(
    workers: WorkerDeployment, queues: Sequence[str], *, force: bool = False
) -> Promoted | Ramped:
    """Send new work where it went before: where a share goes elsewhere, all of it to the current
    build; else to the build that was current last. Raises as `promote` does."""
    deployment = await _described(workers)
    if deployment.ramp:
        return await _set_ramp(workers, deployment, deployment.ramping, 0)
    earlier = [
        build
        for build in deployment.builds
        if build.last_current is not None and build.id != deployment.current
    ]
    if deployment.current is None or not earlier:
        raise RolloutRefused(
            "no other build was current before"
            if deployment.current
            else "no build is current: new work goes to workers outside this deployment",
            fix="name a build: `tidegate workers promote BUILD_ID`; back to containers: "
            "`temporal worker deployment set-current-version --deployment-name "
            f"{workers.name} --unversioned --yes`",
        )
    target = max(earlier, key=lambda build: build.last_current or build.created).id
    await _check(workers, deployment, target, queues, force=force)
    return await _make_current(workers, deployment, target, queues, force=force)


async def _described(workers: WorkerDeployment) -> Deployment:
    deployment = await workers.describe()
    if deployment is None or not deployment.builds:
        raise RolloutRefused(
            f"the worker deployment {workers.name} has no build",
            fix="deploy one with `tidegate workers deploy`",
        )
    return deployment


def _newest(deployment: Deployment) -> str:
    for build in deployment.builds:
        if build.has_function:
            return build.id
    raise RolloutRefused("no build has a function", fix="deploy one with `tidegate workers deploy`")


def _build(deployment: Deployment, build_id: str) -> Build:
    if found := deployment.build(build_id):
        return found
    known = ", ".join(build.id for build in deployment.builds[:5])
    raise RolloutRefused(
        f"there is no build {quoted(build_id)}; the newest are {known}",
        fix="deploy it with `tidegate workers deploy`, or name one of `tidegate workers status`",
    )


async def _check(
    workers: WorkerDeployment,
    deployment: Deployment,
    build_id: str,
    queues: Sequence[str],
    *,
    force: bool,
) -> None:
    """Raises `RolloutRefused` for a build that could not take work."""
    build = _build(deployment, build_id)
    if force:
        return
    if not build.has_function:
        raise RolloutRefused(
            f"build {build_id} has no function: with no worker polling, its work would wait",
            fix=f"give it one with `tidegate workers deploy --build-id {build_id}`; --force if "
            "workers in containers poll as this build",
        )
    version = await workers.version(build_id)
    missing = _missing(version, queues) if version else list(queues)
    if missing:
        raise RolloutRefused(
            f"build {build_id} has not polled {', '.join(missing)}: work there would wait",
            fix="repeat `tidegate workers deploy`, which invokes its function again and says what "
            "is wrong; where it shall not serve them, set TIDEGATE_SERVED_WORKERS here, too",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueStatus:
    """A task queue of a build: the tasks that wait there for it, the age of the oldest in seconds,
    and when a worker of the build polled last, if that was in the last minutes."""

    name: str
    tasks: int
    age: float
    polled: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildStatus:
    """A build with its function and task queues. What is drained has neither: they are not asked
    for."""

    build: Build
    function: Function | None
    queues: Sequence[QueueStatus]

    def to_json(self) -> dict[str, Any]:
        checked = self.build.checked
        return {
            "build_id": self.build.id,
            "state": self.build.state.value,
            "created": self.build.created.isoformat(),
            "function_arn": self.function.arn if self.function else None,
            "role_arn": self.function.role if self.function else None,
            "problem": self.build.problem or None,
            "checked": checked.isoformat() if checked else None,
            "task_queues": [
                {
                    "name": queue.name,
                    "backlog_tasks": queue.tasks,
                    "backlog_age_seconds": queue.age,
                    "last_polled": queue.polled.isoformat() if queue.polled else None,
                }
                for queue in self.queues
            ],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The deployment with its builds, the newest first."""

    deployment: str
    current: str | None
    ramping: str | None
    ramp: float
    builds: Sequence[BuildStatus]

    def to_json(self) -> dict[str, Any]:
        return {
            "deployment": self.deployment,
            "current": self.current,
            "ramping": self.ramping,
            "ramp_percent": self.ramp,
            "builds": [each.to_json() for each in self.builds],
        }


async def status(workers: WorkerDeployment) -> Status:
    """How the builds stand. Raises what `WorkerDeployment` does, and `RolloutRefused` where there
    are no builds."""
    deployment = await _described(workers)
    live = [build.id for build in deployment.builds if build.state is not State.DRAINED]
    found = await asyncio.gather(*map(workers.version, live))
    versions = {id: version for id, version in zip(live, found, strict=True) if version}
    names = {name for version in versions.values() for name in version.queues}
    queues = {name: await workers.task_queue(name) for name in sorted(names)}
    polled: dict[tuple[str, str], datetime] = {}
    for name, queue in queues.items():
        for poller in queue.pollers:
            if poller.deployment == workers.name:
                place = name, poller.build_id
                polled[place] = max(poller.seen, polled.get(place, poller.seen))

    def shown(build: Build) -> BuildStatus:
        version = versions.get(build.id, Version(None, {}))
        return BuildStatus(
            build=build,
            function=version.function,
            queues=[
                QueueStatus(
                    name=name,
                    tasks=backlog.tasks,
                    age=backlog.age.total_seconds(),
                    polled=polled.get((name, build.id)),
                )
                for name, backlog in version.queues.items()
            ],
        )

    return Status(
        deployment=workers.name,
        current=deployment.current,
        ramping=deployment.ramping,
        ramp=deployment.ramp,
        builds=list(map(shown, deployment.builds)),
    )
