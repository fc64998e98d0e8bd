"""The `tidegate` command: words and tables around what other rooms do.

Exit codes: 0 it is well; 1 the answer is bad news (an event would be refused, a check failed);
2 the command, a setting or a file is wrong; 3 something does not answer, try again.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import typer
from rich.markup import escape

from core import bootstrap
from core.cli import events, incident, incident_commands, quarantine, webhooks
from core.cli.console import AWAY, BAD_NEWS, WRONG, Json, err, out, print_json, run, table
from core.config.settings import Settings
from core.domain.durations import spoken
from core.errors import ConfigurationError, TidegateError, TransientError

Cloud = Annotated[Literal["aws", "azure"], typer.Option(help="Which cloud this machine is to be.")]
Workers = Annotated[
    Literal["processes", "docker"],
    typer.Option(help="What the workers run in; docker needs their image (make image)."),
]

app = typer.Typer(
    name="tidegate",
    help="The serverless front door for Temporal.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    epilog="Exit codes: 0 well, 1 bad news, 2 wrong usage or configuration, 3 no answer for now.",
)
routes_app = typer.Typer(help="The routing table.", no_args_is_help=True)
policies_app = typer.Typer(help="The incidents' policies.", no_args_is_help=True)
app.add_typer(routes_app, name="routes")
app.add_typer(policies_app, name="policies")
app.command()(events.send)
app.command()(events.explain)
app.add_typer(webhooks.app, name="webhooks")
app.add_typer(quarantine.app, name="quarantine")
incident.app.add_typer(incident_commands.app)
app.add_typer(incident.app, name="incident")


def main() -> None:
    """Run the command; our own errors become one plain line and an exit code."""
    try:
        app()
    except TidegateError as error:
        err.print(f"[red]{error.code}[/red]: {escape(error.message)}", soft_wrap=True)
        if error.fix:
            err.print(f"  next: {escape(error.fix)}", soft_wrap=True)
        sys.exit(exit_code(error))


def program() -> NoReturn:
    """The command as a process of its own, which is gone as soon as all is said. Temporal's client
    has threads that may be at work just then, and an interpreter that takes itself apart beneath
    them now and then ends by SIGABRT, with everything done and said."""
    code: object = 0
    try:
        main()
    except SystemExit as ended:
        code = ended.code
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # nobody reads it any more
            stream.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


def exit_code(error: TidegateError) -> int:
    """The exit code that says what kind of error ended the command."""
    if isinstance(error, ConfigurationError):
        return WRONG
    return AWAY if isinstance(error, TransientError) else BAD_NEWS


@app.command()
def demo(cloud: Cloud = "aws", workers: Workers = "processes") -> None:
    """Run the whole story on this machine: alerts become an incident, to its report."""
    from infra.local.demo import run_demo

    raise typer.Exit(run_demo(cloud=cloud, containers=workers == "docker"))


@app.command()
def dev(
    cloud: Cloud = "aws",
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep Temporal's state under .tidegate/ for next time.")
    ] = False,
) -> None:
    """Run a whole cloud on this machine until Ctrl-C, and say what to open and type."""
    from infra.local.dev import run_dev

    raise typer.Exit(run_dev(cloud=cloud, keep=keep))


@routes_app.command("check")
def routes_check(
    file: Annotated[
        Path | None, typer.Argument(help="A routing table. Default: TIDEGATE_ROUTES, or shipped.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check a routing table; problems name file, line and field. Ends with 2 if there are any."""
    from core.config.files import SHIPPED_ROUTES, load_routes

    path = file or Settings.from_env().routes or SHIPPED_ROUTES
    routes = load_routes(path)
    if as_json:
        print_json(routes.model_dump(mode="json", by_alias=True, exclude_none=True))
        return
    listing = table("route", "workflow", "task queue", "child ID", "when running")
    for route in routes.routes:
        listing.add_row(
            route.name,
            route.workflow,
            route.task_queue,
            escape(route.child_id),
            route.when_running.value,
        )
    out.print(listing)
    out.print(f"{path}: {len(routes.routes)} routes, all well")


@routes_app.command("schema")
def routes_schema() -> None:
    """Print the routing table's JSON Schema, for editors."""
    from core.config.files import routes_schema

    print_json(routes_schema())


@policies_app.command("check")
def policies_check(
    file: Annotated[
        Path | None, typer.Argument(help="Policies. Default: TIDEGATE_POLICIES, or shipped.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check the incidents' policies; problems name file, line and field. Ends with 2 if there are
    any. Targets whose variables are not set here are named; that is for the worker to have."""
    from core.config.files import SHIPPED_POLICIES, load_policies

    path = file or Settings.from_env().policies or SHIPPED_POLICIES
    policies = load_policies(path)
    unset = policies.unset(os.environ)
    if as_json:
        print_json(
            {"policies": policies.model_dump(mode="json", by_alias=True), "unset_here": unset}
        )
        return
    listing = table("policy", "for", "pages")
    for policy in policies.policies:
        match = policy.match.model_dump(mode="json", exclude_none=True) if policy.match else {}
        listing.add_row(
            policy.name,
            escape("; ".join(f"{name} {_words(value)}" for name, value in match.items()))
            or "all others",
            "\n".join(
                f"{_delay(level.after)}: {', '.join(level.targets)}" for level in policy.levels
            ),
        )
    out.print(listing)
    for name, variables in unset.items():
        out.print(f"target {name}: {' and '.join(variables)} not set here", soft_wrap=True)
    out.print(f"{path}: {_count(policies.policies, 'policy', 'policies')}, all well")


@policies_app.command("schema")
def policies_schema() -> None:
    """Print the policies' JSON Schema, for editors."""
    from core.config.files import policies_schema

    print_json(policies_schema())


def _words(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}={_words(patterns)}" for name, patterns in value.items())
    return " or ".join(map(str, value)) if isinstance(value, list) else str(value)


def _delay(after: timedelta | str) -> str:
    if isinstance(after, timedelta):
        return f"after {spoken(after.total_seconds())}" if after else "at once"
    return f"after {after}"


def _count(things: Sequence[object], one: str, several: str) -> str:
    return f"{len(things)} {one if len(things) == 1 else several}"


@app.command()
def setup() -> None:
    """Register in the Temporal namespace what the workflows need (search attributes)."""
    from core.adapters.temporal.admin import register_search_attributes
    from core.contracts import SEARCH_ATTRIBUTES

    async def register() -> list[str]:
        client = await bootstrap.connect(Settings.from_env())
        return await register_search_attributes(client, SEARCH_ATTRIBUTES)

    added = run(register())
    out.print(f"Registered: {', '.join(added)}" if added else "All search attributes are there.")


@app.command()
def doctor(as_json: Json = False) -> None:
    """Check settings, routes, stores, Temporal and workers, and say how to mend what is wrong.

    Ends with 1 when a check failed."""
    from core.operations.doctor import Check, examine, summary

    mark = {"ok": "[green]ok[/green]", "warning": "[yellow]warn[/yellow]"}

    async def look() -> list[Check]:
        checks = []
        async for check in examine():
            checks.append(check)
            if not as_json:
                out.print(
                    f"{mark.get(check.outcome, '[red]FAIL[/red]')}  {escape(check.name)}: "
                    f"{escape(check.found)}",
                    soft_wrap=True,
                )
                if check.fix:
                    out.print(f"      next: {escape(check.fix)}", soft_wrap=True)
        return checks

    found = summary(run(look()))
    if as_json:
        print_json(found)
    raise typer.Exit(0 if found["healthy"] else BAD_NEWS)
