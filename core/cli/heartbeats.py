"""`tidegate heartbeats sync|list|show|pause|resume`: jobs that have to report in time."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from core import bootstrap
from core.cli.clock import shown_deadline, shown_time
from core.cli.completion import complete, heartbeats
from core.cli.console import Json, out, print_facts, print_json, print_next, table
from core.cli.oncall_options import By, For, Until, Why, period
from core.config.settings import Settings
from core.domain.durations import format_duration
from core.domain.text import counted

if TYPE_CHECKING:
    from core.domain.heartbeat.model import Heartbeat

app = typer.Typer(help="See and pause the heartbeats of jobs.", no_args_is_help=True)

Name = Annotated[
    str,
    typer.Argument(help="The heartbeat's name.", autocompletion=complete(heartbeats, str)),
]


@app.command("sync")
def heartbeats_sync(as_json: Json = False) -> None:
    """Have each heartbeat read its declaration; begin new ones, end those that the file lacks.

    Run it after each rollout of an incident worker with a changed on-call file: it is the workers'
    file that is read."""
    from core.operations import heartbeats as operation

    done = asyncio.run(operation.sync(Settings.from_env()))
    if as_json:
        print_json(done.to_json())
        return
    out.print(f"{counted(done.declared, 'heartbeat')} declared")
    for word, names in (("begun", done.begun), ("no longer declared", done.removed)):
        for name in names:
            out.print(f"  {word}: {escape(name)}")
    if done.begun:
        out.print(
            "One that stays undeclared is not in the workers' on-call file: roll that out first.",
            soft_wrap=True,
        )
    print_next("tidegate heartbeats list")


@app.command("list")
def heartbeats_list(as_json: Json = False) -> None:
    """List the heartbeats that are declared or were heard, with their status."""
    from core.operations import heartbeats as operation

    async def read() -> list[operation.Listed]:
        settings = Settings.from_env()
        file = bootstrap.required_oncall(settings)
        return await operation.listed(await bootstrap.connect(settings), file)

    found = asyncio.run(read())
    if as_json:
        print_json([each.to_json() for each in found])
    elif not found:
        out.print("There are no heartbeats.")
    else:
        rows = [
            [
                each.name,
                each.status,
                each.expected or "",
                format_duration(each.grace) if each.grace is not None else "",
                each.severity or "",
                each.service or "",
            ]
            for each in found
        ]
        columns = ("Name", "Status", "Expected", "Grace", "Severity", "Service")
        out.print(table(columns, (map(escape, row) for row in rows)))


@app.command("show")
def heartbeats_show(name: Name, as_json: Json = False) -> None:
    """Show a heartbeat: when it was heard, when it is due, and why its alert fires."""
    from core.adapters.temporal import heartbeats as adapter

    async def show() -> Heartbeat:
        return await adapter.show(await bootstrap.connect(Settings.from_env()), name)

    _print(asyncio.run(show()), as_json)


@app.command("pause")
def heartbeats_pause(
    name: Name,
    until: Until = None,
    for_: For = None,
    why: Why = None,
    actor: By = "operator",
    as_json: Json = False,
) -> None:
    """Expect nothing of it, until a moment or until it is resumed. Its alert resolves."""
    from core.operations import heartbeats as operation

    ends = None
    if until is not None or for_ is not None:
        _, ends = period(None, until, for_, None, datetime.now(UTC))

    async def pause() -> Heartbeat:
        client = await bootstrap.connect(Settings.from_env())
        return await operation.pause(client, name, by=actor, why=why or "", until=ends)

    _print(asyncio.run(pause()), as_json)


@app.command("resume")
def heartbeats_resume(name: Name, as_json: Json = False) -> None:
    """Expect it again, from now on."""
    from core.operations import heartbeats as operation

    async def resume() -> Heartbeat:
        return await operation.resume(await bootstrap.connect(Settings.from_env()), name)

    _print(asyncio.run(resume()), as_json)


def _print(state: Heartbeat, as_json: bool) -> None:
    if as_json:
        print_json({"status": state.status.value, **state.model_dump(mode="json")})
        return
    now = datetime.now(UTC)
    declaration, beat, pause = state.declaration, state.beat, state.pause
    paused = None
    if pause:
        end = f" until {shown_deadline(pause.until, now=now)}" if pause.until else ""
        paused = f"by {pause.by}{end}{f': {pause.why}' if pause.why else ''}"
    facts = {
        "name": state.name,
        "status": state.status.value,
        "about": declaration.description if declaration else None,
        "expected": declaration.text() if declaration else "nothing: the file does not have it",
        "grace": format_duration(declaration.grace) if declaration else None,
        "severity": declaration.severity.value if declaration else None,
        "service": declaration.service if declaration else None,
        "heard": f"{shown_time(beat.at.replace(microsecond=0), now=now)}, "
        f"{counted(state.beats, 'beat')} in all"
        if beat
        else "never",
        "exit code": str(beat.exit_code) if beat and beat.exit_code is not None else None,
        "ran for": format_duration(beat.duration) if beat and beat.duration is not None else None,
        "due": shown_deadline(state.due, now=now) if state.due else None,
        "alert": state.alarm.text if state.alarm else None,
        "paused": paused,
        "output": beat.output if beat else None,
    }
    print_facts({fact: escape(value) if value else None for fact, value in facts.items()})
