"""`tidegate routes|policies|webhooks`: check a configuration file, or print its schema."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from core.cli.console import Json, out, print_json, table
from core.config.settings import Settings
from core.domain.durations import format_duration

routes_app = typer.Typer(help="Check the routing table.", no_args_is_help=True)
policies_app = typer.Typer(help="Check the incident policies.", no_args_is_help=True)
webhooks_app = typer.Typer(help="Check the webhook endpoints.", no_args_is_help=True)

RoutesFile = Annotated[
    Path | None,
    typer.Argument(help="The routing table. Default: TIDEGATE_ROUTES, else the shipped one."),
]
PoliciesFile = Annotated[
    Path | None,
    typer.Argument(help="The policies. Default: TIDEGATE_POLICIES, else the shipped ones."),
]
WebhooksFile = Annotated[
    Path | None, typer.Argument(help="The endpoints. Default: TIDEGATE_WEBHOOKS.")
]


@routes_app.command("check")
def routes_check(file: RoutesFile = None, as_json: Json = False) -> None:
    """Check a routing table, list its routes, and print its digest.

    Each problem is reported with file, line and field. Exits with 2 if there are any."""
    from core.cli.explain import if_running
    from core.config import files
    from core.config.routing_table import SHIPPED_ROUTES

    path = file or Settings.from_env().routes or SHIPPED_ROUTES
    routes = files.load_routes(path)
    if as_json:
        print_json(routes.model_dump(mode="json", by_alias=True, exclude_none=True))
        return
    rows = [
        (
            route.name,
            route.deliver.value,
            escape(f"{route.workflow}\non {route.task_queue}"),
            escape(route.child_id),
            escape(if_running(route)),
        )
        for route in routes.routes
    ]
    columns = ("route", "delivery", "workflow", "workflow ID", "if running")
    _print_valid(path, columns, rows, "route" if len(rows) == 1 else "routes")
    out.print(f"digest {routes.compiled().digest}")


@routes_app.command("schema")
def routes_schema() -> None:
    """Print the JSON Schema of a routing table, for editors."""
    from core.config import files

    print_json(files.routes_schema())


@policies_app.command("check")
def policies_check(file: PoliciesFile = None, as_json: Json = False) -> None:
    """Check incident policies and list whom they page.

    Each problem is reported with file, line and field. Exits with 2 if there are any. Variables of
    targets that are not set here are listed, too; it is the incident worker that needs them."""
    from core.config import files

    path = file or Settings.from_env().policies or files.SHIPPED_POLICIES
    policies = files.load_policies(path)
    unset = policies.unset(os.environ)
    if as_json:
        policies_json = policies.model_dump(mode="json", by_alias=True)
        print_json({"policies": policies_json, "unset_here": unset})
        return
    rows = []
    for policy in policies.policies:
        match = policy.match.model_dump(mode="json", exclude_none=True) if policy.match else {}
        matched = "; ".join(f"{name} {_words(patterns)}" for name, patterns in match.items())
        pages = (f"{_delay(level.after)}: {', '.join(level.targets)}" for level in policy.levels)
        rows.append((policy.name, escape(matched) or "all others", "\n".join(pages)))
    _print_valid(path, ("policy", "for", "pages"), rows, "policy" if len(rows) == 1 else "policies")
    for name, variables in unset.items():
        out.print(f"target {name}: {' and '.join(variables)} not set here", soft_wrap=True)


@policies_app.command("schema")
def policies_schema() -> None:
    """Print the JSON Schema of incident policies, for editors."""
    from core.config import files

    print_json(files.policies_schema())


@webhooks_app.command("check")
def webhooks_check(file: WebhooksFile = None, as_json: Json = False) -> None:
    """Check webhook endpoints and list how each is verified.

    Each problem is reported with file, line and field. Exits with 2 if there are any. Does not
    fetch the secrets: `tidegate doctor` does."""
    from core.config import files

    path = file or Settings.from_env().require("webhooks")
    webhooks = files.load_webhooks(path)
    if as_json:
        print_json(webhooks.model_dump(mode="json", exclude_none=True))
        return
    rows = []
    for name, endpoint in webhooks.hooks.items():
        scheme = endpoint.verify.scheme
        verified = "[yellow]nothing: anybody may post[/yellow]" if scheme == "none" else scheme
        secrets = escape("\n".join(endpoint.verify.references))
        rows.append((name, endpoint.format, verified, secrets))
    columns = ("POST /hooks/", "format", "verified by", "secrets")
    _print_valid(path, columns, rows, "webhook" if len(rows) == 1 else "webhooks")


@webhooks_app.command("schema")
def webhooks_schema() -> None:
    """Print the JSON Schema of webhook endpoints, for editors."""
    from core.config import files

    print_json(files.webhooks_schema())


def _print_valid(
    path: Path, columns: Sequence[str], rows: Sequence[Sequence[str]], noun: str
) -> None:
    out.print(table(columns, rows))
    out.print(f"{path}: {len(rows)} {noun}, all valid")


def _words(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}={_words(patterns)}" for name, patterns in value.items())
    return " or ".join(map(str, value)) if isinstance(value, list) else str(value)


def _delay(after: timedelta | str) -> str:
    if isinstance(after, timedelta):
        return f"after {format_duration(after.total_seconds())}" if after else "immediately"
    return f"after {after}"
