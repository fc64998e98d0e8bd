"""`tidegate workers deploy|promote|ramp|rollback|status`: the builds of the serverless workers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.markup import escape

from core import bootstrap
from core.cli.console import Json, err, out, print_json, print_next, table
from core.config.settings import Settings
from core.domain.durations import format_age

if TYPE_CHECKING:
    from core.operations.worker_deployments import (
        BuildStatus,
        Deployed,
        Plan,
        Promoted,
        Ramped,
        Status,
        Step,
    )
    from core.ports.worker_deployment import WorkerDeployment

app = typer.Typer(
    help="Roll out builds of the serverless workers, and see how they stand.",
    no_args_is_help=True,
)

Done = TypeVar("Done")

Force = Annotated[
    bool,
    typer.Option("--force", help="Even if it has no function, or has not polled its task queues."),
]


@app.command("deploy")
def workers_deploy(
    stack: Annotated[
        str | None,
        typer.Option(help="The CloudFormation stack whose outputs name what is not named here."),
    ] = None,
    build_id: Annotated[
        str | None, typer.Option(help="The function's TIDEGATE_BUILD_ID.", show_default=False)
    ] = None,
    function_arn: Annotated[
        str | None, typer.Option(help="The function, with the number of its version.")
    ] = None,
    role_arn: Annotated[
        str | None, typer.Option(help="The role by which Temporal invokes the function.")
    ] = None,
    external_id: Annotated[
        str | None, typer.Option(help="The external ID that the role's trust policy demands.")
    ] = None,
    without_role: Annotated[
        bool,
        typer.Option("--without-role", help="For a test server that calls functions without one."),
    ] = False,
    timeout: Annotated[
        float,
        typer.Option(min=1, max=900, help="Seconds for the function to poll its task queues."),
    ] = 120.0,
    as_json: Json = False,
) -> None:
    """Let Temporal call a function for a build: check it, and wait until it has polled once.

    It gets no work before `promote` or `ramp`. What is deployed already stays unchanged. Exits with
    1 if Temporal refuses the function or it does not poll in time; with 2 if an option is wrong, or
    the server cannot call functions."""
    from core.operations.worker_deployments import deploy
    from core.ports.worker_deployment import State

    started = time.monotonic()

    def report(step: Step, about: str) -> None:
        if not as_json:
            seconds = time.monotonic() - started
            out.print(f"{step:11} {seconds:6.1f} s  {escape(about)}", soft_wrap=True)

    settings = Settings.from_env()

    async def run() -> Deployed:
        # A wrong option is named whether or not Temporal can be reached.
        plan = await _plan(
            settings,
            stack,
            build_id=build_id,
            arn=function_arn,
            role=role_arn,
            external_id=external_id,
            without_role=without_role,
            timeout=timeout,
        )
        return await deploy(await bootstrap.worker_deployment(settings), plan, report=report)

    deployed = asyncio.run(run())
    if as_json:
        print_json(deployed.to_json())
        return
    works = deployed.state in (State.CURRENT, State.RAMPING)
    work = f"it is {deployed.state.value}" if works else "it gets no new work"
    out.print(escape(f"build {deployed.build_id}: {deployed.change}; {work}"), soft_wrap=True)
    if not works:
        print_next(f"tidegate workers promote {deployed.build_id}")


async def _plan(
    settings: Settings,
    stack: str | None,
    *,
    build_id: str | None,
    arn: str | None,
    role: str | None,
    external_id: str | None,
    without_role: bool,
    timeout: float,
) -> Plan:
    """What to deploy: what is named, and for the rest the outputs of the stack."""
    from core.operations import worker_deployments as operation

    found = await bootstrap.workers_stack(stack) if stack else None
    if found:
        build_id, arn = build_id or found.build_id, arn or found.function_arn
        if not without_role:
            role, external_id = role or found.role, external_id or found.external_id
    if not build_id or not arn:
        missing = "--build-id" if not build_id else "--function-arn"
        raise typer.BadParameter(f"name {missing}, or --stack")
    function = operation.function(arn, role, external_id, without_role=without_role)
    served = settings
    if found:
        operation.check_place(arn, found)
        if configuration := await bootstrap.function_configuration(arn):
            served = operation.check_configuration(configuration, build_id)
        else:
            err.print(
                "The function's build ID, settings and timeout are not checked: that needs "
                "lambda:GetFunctionConfiguration on it, and kms:Decrypt where it has a key.",
                soft_wrap=True,
            )
    return operation.Plan(
        build_id=build_id,
        function=function,
        queues=served.served_queues,
        timeout=timeout,
    )


@app.command("promote")
def workers_promote(
    build_id: Annotated[
        str | None,
        typer.Argument(help="The build. Default: the newest that has a function."),
    ] = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Send new work to a build, and open incidents with it.

    Exits with 1 if the build has no function or has not polled its task queues, unless --force is
    set; or if somebody else changed the deployment meanwhile."""
    from core.operations.worker_deployments import promote

    async def run(workers: WorkerDeployment, settings: Settings) -> Promoted:
        return await promote(workers, build_id, settings.served_queues, force=force)

    _print_change(_run(run), as_json)


@app.command("ramp")
def workers_ramp(
    build_id: Annotated[str, typer.Argument(help="The build.")],
    percent: Annotated[
        float,
        typer.Option(min=0, max=100, help="Its share of the new work; 0 takes it away."),
    ],
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Send a share of the new work to a build; the rest stays with the current one.

    Exits with 1 as `promote` does, and for the current build."""
    from core.operations.worker_deployments import ramp

    async def run(workers: WorkerDeployment, settings: Settings) -> Ramped:
        return await ramp(workers, build_id, percent, settings.served_queues, force=force)

    _print_change(_run(run), as_json)


@app.command("rollback")
def workers_rollback(force: Force = False, as_json: Json = False) -> None:
    """Send new work where it went before, and say which build that is.

    While a build ramps up, that ends the ramp; else the build that was current before is again.
    Exits with 1 as `promote` does, and if no build was current before."""
    from core.operations.worker_deployments import rollback

    async def run(workers: WorkerDeployment, settings: Settings) -> Promoted | Ramped:
        return await rollback(workers, settings.served_queues, force=force)

    _print_change(_run(run), as_json)


@app.command("status")
def workers_status(as_json: Json = False) -> None:
    """Show the builds with their functions, task queues and backlogs, the newest first."""
    from core.operations.worker_deployments import status

    async def run(workers: WorkerDeployment, settings: Settings) -> Status:
        return await status(workers)

    found = _run(run)
    if as_json:
        print_json(found.to_json())
    else:
        _print_status(found, datetime.now(UTC))


def _run(call: Callable[[WorkerDeployment, Settings], Awaitable[Done]]) -> Done:
    settings = Settings.from_env()

    async def connected() -> Done:
        return await call(await bootstrap.worker_deployment(settings), settings)

    return asyncio.run(connected())


def _print_change(done: Promoted | Ramped, as_json: bool) -> None:
    if as_json:
        print_json(done.to_json())
        return
    sentences, step = _in_words(done)
    for sentence in sentences:
        out.print(escape(sentence), soft_wrap=True)
    if step:
        print_next(step)


def _in_words(done: Promoted | Ramped) -> tuple[list[str], str]:
    """What a change means for new work and open workflows, and what is left to do, if anything."""
    from core.operations.worker_deployments import Promoted, Ramped

    match done:
        case Promoted():
            return _of_promotion(done)
        case Ramped():
            return _of_ramp(done)


def _of_promotion(done: Promoted) -> tuple[list[str], str]:
    lines = [f"unchanged: build {done.build_id} is current"]
    if done.changed:
        elsewhere = "; ".join(f"{queue}: {build}" for queue, build in done.others.items())
        containers = elsewhere or "workers without a build ID"
        before = f"build {done.before}" if done.before else containers
        lines = [
            f"build {done.build_id} is current; new work went to {before} until now",
            f"open incidents move to build {done.build_id} with their next task; root runs end on "
            "the build that they began on",
        ]
    if done.ramp:
        lines.append(f"{done.ramp:g} % of new work still goes to {_workers_of(done.ramping)}")
        return lines, "tidegate workers rollback, to take that share away"
    if done.changed and done.before:
        return lines, (
            f"keep the function of {done.before} until `tidegate workers status` shows it as "
            "drained; `tidegate workers rollback` goes back to it"
        )
    return lines, "keep those workers until their runs have ended" if done.others else ""


def _of_ramp(done: Ramped) -> tuple[list[str], str]:
    build, rest = _workers_of(done.build_id), _workers_of(done.current)
    if not done.percent:
        return [f"no new work goes to {build} any more: all goes to {rest}"], ""
    lines = [f"{done.percent:g} % of new work goes to {build}; the rest: {rest}"]
    if done.before_percent and done.before != done.build_id:
        before = _workers_of(done.before)
        lines.append(f"none goes to {before} any more, where {done.before_percent:g} % went")
    return lines, f"tidegate workers promote {done.build_id}"


def _workers_of(build_id: str | None) -> str:
    return f"build {build_id}" if build_id else "workers outside this deployment"


def _print_status(status: Status, now: datetime) -> None:
    rows = [_row(status, each, now) for each in status.builds]
    out.print(table(("build", "state", "function", "checked"), rows))
    queues = [
        (
            escape(each.build.id),
            queue.name,
            f"{queue.tasks:,}" if queue.tasks else "",
            format_age(timedelta(seconds=queue.age)) if queue.tasks else "",
            f"{format_age(now - queue.polled)} ago" if queue.polled else "",
        )
        for each in status.builds
        for queue in each.queues
    ]
    if queues:
        out.print(table(("build", "task queue", "backlog", "oldest", "polled"), queues))
    for each in status.builds:
        if each.build.problem:
            out.print(escape(f"build {each.build.id}: {each.build.problem}"), soft_wrap=True)
            print_next("tidegate doctor")


def _row(status: Status, each: BuildStatus, now: datetime) -> tuple[str, ...]:
    state = each.build.state.value
    share = f" {status.ramp:g} %" if each.build.id == status.ramping else ""
    function = each.function.arn.partition(":function:")[2] if each.function else ""
    checked = ""
    if each.build.checked:
        how = "[red]failed[/red]" if each.build.problem else "ok"
        checked = f"{how}, {format_age(now - each.build.checked)} ago"
    return escape(each.build.id), f"{state}{share}", escape(function), checked
