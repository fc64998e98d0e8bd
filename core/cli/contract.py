"""`tidegate contract`: the events that workflows get, as types to copy into a worker."""

from __future__ import annotations

import typer

from core.cli.console import print_json, print_text

app = typer.Typer(
    help="Print the types of the events that workflows get, to copy into a worker.",
    no_args_is_help=True,
)


@app.command("python")
def contract_python() -> None:
    """Print the events in Python: `TypedDict`s of the standard library, for 3.11 and later."""
    from core.operations.contract.python import python

    print_text(python())


@app.command("typescript")
def contract_typescript() -> None:
    """Print the events in TypeScript: interfaces, and a union that `type` tells apart."""
    from core.operations.contract.typescript import typescript

    print_text(typescript())


@app.command("go")
def contract_go() -> None:
    """Print the events in Go: structs with JSON tags, for 1.18 and later."""
    from core.operations.contract.go import go

    print_text(go())


@app.command("json-schema")
def contract_json_schema() -> None:
    """Print the JSON Schema (2020-12) of an event."""
    from core.operations.contract.json_schema import json_schema

    print_json(json_schema())
