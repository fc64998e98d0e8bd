"""`tidegate webhooks ...`: the endpoints' file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from core.cli.console import Json, out, print_json, table
from core.config.settings import Settings

app = typer.Typer(help="The webhooks' endpoints.", no_args_is_help=True)

File = Annotated[
    Path | None, typer.Argument(help="The endpoints' file. Default: TIDEGATE_WEBHOOKS.")
]


@app.command("check")
def webhooks_check(file: File = None, as_json: Json = False) -> None:
    """Check the endpoints' file; problems name file, line and field. Ends with 2 if there are any.

    Says nothing of the secrets themselves: `tidegate doctor` looks for them."""
    from core.config.files import load_webhooks

    path = file or Settings.from_env().require("webhooks")
    hooks = load_webhooks(path)
    if as_json:
        print_json(hooks.model_dump(mode="json", exclude_none=True))
        return
    listing = table("POST /hooks/", "format", "verified by", "secrets")
    for name, endpoint in hooks.hooks.items():
        scheme = endpoint.verify.scheme
        shown = "[yellow]nothing: anybody may post[/yellow]" if scheme == "none" else scheme
        listing.add_row(name, endpoint.format, shown, escape("\n".join(endpoint.verify.references)))
    out.print(listing)
    out.print(f"{path}: {len(hooks.hooks)} webhooks, all well")


@app.command("schema")
def webhooks_schema() -> None:
    """Print the endpoints' JSON Schema, for editors."""
    from core.config.files import webhooks_schema

    print_json(webhooks_schema())
