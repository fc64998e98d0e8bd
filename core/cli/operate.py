"""`tidegate setup|doctor`: prepare an installation, and check it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Final

import typer
from rich.markup import escape

from core import bootstrap
from core.cli.console import EXIT_FAILED, Json, out, print_json, print_next
from core.cli.next_step import or_local_stack
from core.config.settings import Settings

_MARKS: Final = {
    "ok": "[green]ok[/green]",
    "skipped": "[dim]skip[/dim]",
    "warning": "[yellow]warn[/yellow]",
    "failed": "[red]FAIL[/red]",
}


def setup() -> None:
    """Register the search attributes of the workflows in the Temporal namespace."""
    from core.adapters.temporal.admin import register_search_attributes
    from core.contracts import SEARCH_ATTRIBUTES

    async def register() -> list[str]:
        client = await bootstrap.connect(Settings.from_env())
        return await register_search_attributes(client, SEARCH_ATTRIBUTES)

    added = asyncio.run(register())
    line = f"Registered: {', '.join(added)}" if added else "Everything is registered."
    out.print(line, soft_wrap=True)


def doctor(as_json: Json = False) -> None:
    """Check settings, routes, stores, Temporal and workers, and say how to fix what is wrong.

    Only what the routes and settings in force need is checked. Exits with 1 if a check failed."""
    from core.operations.doctor.checks import Check
    from core.operations.doctor.examine import examine

    async def collect() -> list[Check]:
        checks = []
        async for found in examine():
            check = replace(found, fix=or_local_stack(found.fix)) if found.unset else found
            checks.append(check)
            if not as_json:
                _print(check)
        return checks

    def _print(check: Check) -> None:
        line = f"{_MARKS[check.outcome]}  {escape(check.name)}: {escape(check.detail)}"
        out.print(line, soft_wrap=True)
        if check.fix:
            print_next(check.fix, indent=6)

    checks = asyncio.run(collect())
    healthy = all(check.outcome != "failed" for check in checks)
    if as_json:
        print_json({"healthy": healthy, "checks": [check.to_json() for check in checks]})
    raise typer.Exit(0 if healthy else EXIT_FAILED)
