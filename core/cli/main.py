"""The `tidegate` command: its nouns and verbs, and how it ends.

Exit codes: 0 success; 1 failure, e.g. a check failed, a command or an event was refused; 2 wrong
usage or configuration; 3 a service is unavailable, try again.
"""

from __future__ import annotations

import sys

import typer
from rich.markup import escape

from core.cli import (
    config,
    explain,
    incident,
    incident_commands,
    local,
    operate,
    quarantine,
    smoke,
    worker,
)
from core.cli.console import EXIT_FAILED, EXIT_UNAVAILABLE, EXIT_USAGE, err
from core.errors import AmbiguousId, ConfigurationError, TidegateError, TransientError

app = typer.Typer(
    name="tidegate",
    help="The serverless front door for Temporal.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    epilog="Exit codes: 0 success, 1 failure, 2 wrong usage or configuration, "
    "3 a service is unavailable.",
)
for command in (
    local.demo,
    local.dev,
    local.send,
    explain.explain,
    operate.setup,
    operate.doctor,
    worker.worker,
):
    app.command()(command)
app.command(name="smoke")(smoke.command)
app.add_typer(config.routes_app, name="routes")
app.add_typer(config.policies_app, name="policies")
app.add_typer(config.webhooks_app, name="webhooks")
app.add_typer(quarantine.app, name="quarantine")
incident.app.add_typer(incident_commands.app)
app.add_typer(incident.app, name="incident")


def main() -> None:
    """Run the command. Our own errors become one line, the next step, and an exit code."""
    try:
        app()
    except TidegateError as error:
        err.print(f"[red]{error.code}[/red]: {escape(error.message)}", soft_wrap=True)
        if error.fix:
            err.print(f"  next: {escape(error.fix)}", soft_wrap=True)
        sys.exit(exit_code(error))


def exit_code(error: TidegateError) -> int:
    """The exit code for an error that ended the command."""
    if isinstance(error, ConfigurationError | AmbiguousId):
        return EXIT_USAGE
    return EXIT_UNAVAILABLE if isinstance(error, TransientError) else EXIT_FAILED
