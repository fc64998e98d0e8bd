"""`tidegate oncall`: who is on call."""

from __future__ import annotations

import typer

from core.cli import oncall_import

app = typer.Typer(help="See and change who is on call.", no_args_is_help=True)
app.command("import")(oncall_import.import_)


@app.callback()
def oncall() -> None:
    """See and change who is on call."""
