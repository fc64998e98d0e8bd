"""`tidegate routes|policies|webhooks`: check a configuration file, or print its schema."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from core.cli.console import EXIT_FAILED, Json, out, print_facts, print_json, table
from core.cli.explain import print_request
from core.cli.explain_policy import explain, shown_match
from core.cli.request_options import Headers, parse_headers
from core.config.settings import Settings
from core.domain.durations import format_duration
from core.domain.text import counted
from core.errors import ConfigFileError
from core.formats.shared.delivery import shared_scope, webhook_way

if TYPE_CHECKING:
    from core.operations.explain_request import RequestExplanation
    from core.webhooks.endpoints import WebhookTable

routes_app = typer.Typer(help="Check the routing table.", no_args_is_help=True)
policies_app = typer.Typer(
    help="Check the incident policies, and explain whom they would page.", no_args_is_help=True
)
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
    from core.config.routing_table import SHIPPED_ROUTES, routing_table
    from core.domain.routing.table import Otherwise

    path = file or Settings.from_env().routes or SHIPPED_ROUTES
    if path.suffix == ".json":
        raise ConfigFileError(
            [f"{path}: a compiled table, digest {routing_table(path).digest}"],
            fix="check its source, the YAML file that it was compiled from",
        )
    routes = files.load_routes(path)
    if as_json:
        print_json(routes.model_dump(mode="json", by_alias=True, exclude_none=True))
        return
    for route in routes.routes:
        print_facts(
            {
                "route": route.name,
                "delivery": route.deliver.value,
                "workflow": escape(f"{route.workflow} on {route.task_queue}"),
                "its ID": escape(route.child_id),
                "if running": escape(if_running(route)),
                "input": escape(", ".join(route.input)) if route.input else None,
            }
        )
        out.print()
    _print_count(path, len(routes.routes), "route")
    if routes.otherwise is Otherwise.DROP:
        out.print("what no route takes is dropped")
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
    from core import bootstrap
    from core.config import files
    from core.domain.targets import unset

    settings = Settings.from_env()
    path = file or settings.policies or files.SHIPPED_POLICIES
    policies = files.load_policies(path, bootstrap.oncall(settings))
    unset_here = unset(policies.targets, bootstrap.target_variables(settings))
    if as_json:
        policies_json = policies.model_dump(mode="json", by_alias=True)
        print_json({"policies": policies_json, "unset_here": unset_here})
        return
    rows = []
    for policy in policies.policies:
        pages = (f"{_delay(level.after)}: {', '.join(level.listed)}" for level in policy.levels)
        rows.append((policy.name, escape(shown_match(policy.match)), "\n".join(pages)))
    out.print(table(("policy", "for", "pages"), rows))
    hearing = [
        (name, target.kind, " and ".join(target.follow_up) or "nothing")
        for name, target in policies.targets.items()
    ]
    if hearing:
        out.print(table(("target", "kind", "hears after a page"), hearing))
    _print_count(path, len(rows), "policy", "policies")
    for name, variables in unset_here.items():
        out.print(f"target {name}: {' and '.join(variables)} not set here", soft_wrap=True)


policies_app.command("explain")(explain)


@policies_app.command("schema")
def policies_schema() -> None:
    """Print the JSON Schema of incident policies, for editors."""
    from core.config import files

    print_json(files.policies_schema())


@webhooks_app.command("check")
def webhooks_check(
    file: WebhooksFile = None,
    payload: Annotated[
        list[str] | None,
        typer.Option(help="HOOK=FILE: also show what the hook makes of this body; repeatable."),
    ] = None,
    header: Headers = None,
    as_json: Json = False,
) -> None:
    """Check webhook endpoints and list how each is verified.

    Each problem is reported with file, line and field. Exits with 2 if there are any, and with 1 if
    a payload would be refused. Does not fetch the secrets: `tidegate doctor` does."""
    from core.config import files

    path = file or Settings.from_env().require("webhooks")
    webhooks = files.load_webhooks(path)
    explained = _explain_payloads(payload or [], webhooks, header)
    if as_json:
        checked = webhooks.model_dump(mode="json", by_alias=True, exclude_none=True)
        payloads = [{"hook": hook, **shown.to_json()} for hook, shown in explained]
        print_json({**checked, "payloads": payloads} if payload else checked)
    else:
        _print_webhooks(path, webhooks)
        for hook, shown in explained:
            out.print()
            out.print(f"[bold]POST /hooks/{hook}[/bold]")
            print_request(shown)
    if any(shown.status >= 400 for _, shown in explained):
        raise typer.Exit(EXIT_FAILED)


def _explain_payloads(
    payloads: Sequence[str], webhooks: WebhookTable, headers: Sequence[str] | None
) -> list[tuple[str, RequestExplanation]]:
    if not payloads:
        return []
    from core.operations.explain_request import explain_unverified
    from core.webhooks.request import post_to

    explained = []
    for payload in payloads:
        hook, equals, name = payload.partition("=")
        if not equals or not name:
            raise typer.BadParameter(f"{payload!r} is not HOOK=FILE")
        try:
            body = Path(name).read_bytes()
        except OSError as error:
            raise typer.BadParameter(f"{name} cannot be read: {error.strerror}") from error
        request = post_to(hook, body, parse_headers(headers))
        settings, now = Settings.from_env(), datetime.now(UTC)
        explained.append((hook, explain_unverified(request, hook, webhooks, settings, now)))
    return explained


def _print_webhooks(path: Path, webhooks: WebhookTable) -> None:
    for name, endpoint in webhooks.hooks.items():
        scheme = endpoint.verify.scheme
        print_facts(
            {
                "webhook": f"POST /hooks/{name}",
                "format": endpoint.format,
                "preset": endpoint.preset,
                "verified by": (
                    "[yellow]nothing: anybody may post[/yellow]" if scheme == "none" else scheme
                ),
                "secrets": escape(", ".join(endpoint.verify.references)),
                "scope": shared_scope(endpoint.scope) or webhook_way(name),
                "trusted with": ", ".join(endpoint.trusted_types),
            }
        )
        out.print()
    _print_count(path, len(webhooks.hooks), "webhook")


@webhooks_app.command("schema")
def webhooks_schema() -> None:
    """Print the JSON Schema of webhook endpoints, for editors."""
    from core.config import files

    print_json(files.webhooks_schema())


def _print_count(path: Path, count: int, one: str, more: str | None = None) -> None:
    out.print(f"{path}: {counted(count, one, more)}, all valid", soft_wrap=True)


def _delay(after: timedelta | str) -> str:
    if isinstance(after, timedelta):
        return f"after {format_duration(after.total_seconds())}" if after else "immediately"
    return f"after {after}"
