"""The `tidegate` command: its nouns and verbs, and how it ends.

Exit codes: 0 success; 1 failure, e.g. a check failed, a command or an event was refused; 2 wrong
usage or configuration; 3 a service is unavailable, try again.
"""

from __future__ import annotations

import platform
import sys
from typing import Annotated, NoReturn

import typer
from rich.markup import escape

from core.cli import (
    config,
    contract,
    explain,
    heartbeat,
    heartbeats,
    incident,
    incident_commands,
    local,
    oncall,
    oncall_commands,
    oncall_import,
    operate,
    quarantine,
    silence,
    smoke,
    worker,
    workers,
)
from core.cli.console import EXIT_FAILED, EXIT_UNAVAILABLE, EXIT_USAGE, err, out, print_next
from core.cli.next_step import or_local_stack
from core.cli.usage import cause_of, is_help, next_step
from core.errors import (
    AmbiguousId,
    ConfigurationError,
    SettingsError,
    TidegateError,
    TransientError,
)

app = typer.Typer(
    name="tidegate",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # whose boxes break words on a narrow terminal
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 success, 1 failure, 2 wrong usage or configuration, "
    "3 a service is unavailable.",
)


def _print_version(wanted: bool) -> None:
    if not wanted:
        return
    from importlib.metadata import version

    python, temporal = platform.python_version(), version("temporalio")
    out.print(f"tidegate {version('tidegate')} (Python {python}, temporalio {temporal})")
    raise typer.Exit


@app.callback()
def tidegate(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_print_version,
            is_eager=True,
            help="Print the version of Tidegate, Python and Temporal's SDK.",
        ),
    ] = False,
) -> None:
    """The serverless front door for Temporal."""


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
app.command()(heartbeat.heartbeat)
app.add_typer(heartbeats.app, name="heartbeats")
app.add_typer(config.routes_app, name="routes")
app.add_typer(config.policies_app, name="policies")
app.add_typer(config.webhooks_app, name="webhooks")
app.add_typer(contract.app, name="contract")
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(workers.app, name="workers")
oncall.app.add_typer(oncall_commands.app)
oncall.app.command("import")(oncall_import.import_)
app.add_typer(silence.app, name="silence")
incident.app.add_typer(incident_commands.app)
app.add_typer(incident.app, name="incident")
app.add_typer(oncall.app, name="oncall")


def main() -> NoReturn:
    """Run the command. An error of ours, in its usage or with a file becomes one line, the next
    step, and an exit code."""
    try:
        code = app(prog_name="tidegate", standalone_mode=False)
    except TidegateError as error:
        unset = isinstance(error, SettingsError) and error.unset
        _print_error(error.code, error.message, or_local_stack(error.fix) if unset else error.fix)
        code = exit_code(error)
    except typer.TyperException as error:
        if is_help(error):
            err.print(escape(error.message), soft_wrap=True)
        else:
            _print_error("UsageError", cause_of(error), next_step(error))
        code = error.exit_code
    except typer.Abort:
        err.print("Aborted.")
        code = EXIT_FAILED
    except OSError as error:
        if error.filename is None or error.strerror is None:
            raise
        cause = f"{error.filename}: {error.strerror.lower()}"
        _print_error(type(error).__name__, cause, "see that this user may read and write it")
        code = EXIT_FAILED
    sys.exit(code)


def _print_error(code: str, message: str, fix: str | None) -> None:
    err.print(f"[red]{code}[/red]: {escape(message)}", soft_wrap=True)
    if fix:
        print_next(fix, to=err)


def exit_code(error: TidegateError) -> int:
    """The exit code for an error that ended the command."""
    if isinstance(error, ConfigurationError | AmbiguousId):
        return EXIT_USAGE
    return EXIT_UNAVAILABLE if isinstance(error, TransientError) else EXIT_FAILED
