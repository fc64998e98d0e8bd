"""`tidegate smoke`: whether a deployment takes events, by sending it one that does nothing."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.markup import escape

from core import bootstrap
from core.cli.console import EXIT_FAILED, Json, out, print_json, print_next
from core.config.settings import Settings
from core.errors import SettingsError
from core.ports.deployment import Places, Way

if TYPE_CHECKING:
    from core.operations.smoke import Step, Tried
    from core.ports.deployment import Deployment

_MARKS: Final = {
    "ok": "[green]ok[/green]",
    "failed": "[red]FAIL[/red]",
    "skipped": "[yellow]skip[/yellow]",
}


def command(
    aws: Annotated[bool, typer.Option("--aws", help="Try an installation on AWS.")] = False,
    azure: Annotated[bool, typer.Option("--azure", help="Try an installation on Azure.")] = False,
    stack: Annotated[
        str, typer.Option(help="AWS: the stack whose outputs name the places.")
    ] = "tidegate",
    only: Annotated[
        list[Way] | None, typer.Option(help="Try this way only; repeatable. Default: all.")
    ] = None,
    hook: Annotated[
        str | None,
        typer.Option(help="Post to this webhook of TIDEGATE_WEBHOOKS, signed as its sender does."),
    ] = None,
    documents: Annotated[
        str | None, typer.Option(help="Upload into this folder: s3://... or azure://...")
    ] = None,
    queue: Annotated[str | None, typer.Option(help="The URL of the messages queue.")] = None,
    webhooks: Annotated[str | None, typer.Option(help="The URL that ends in /hooks/.")] = None,
    quarantine: Annotated[
        str | None, typer.Option(help="The URI prefix of the quarantine's records.")
    ] = None,
    timeout: Annotated[
        float,
        typer.Option(min=1, max=3600, help="Seconds to wait for each workflow."),
    ] = 120.0,
    as_json: Json = False,
) -> None:
    """Send a deployment an event that does nothing by every way in, and wait for its workflows.

    Unnamed places are the stack's outputs (AWS) or azd's variables (Azure).
    Uses the credentials that `aws` or `az` has, and Temporal's variables.
    An upload is removed. Exits with 1 if a way failed."""
    from core.operations.smoke import Plan, smoke

    if aws == azure:
        raise typer.BadParameter("name one of --aws and --azure")
    settings = Settings.from_env()
    deployment = bootstrap.aws_deployment(stack) if aws else bootstrap.azure_deployment(os.environ)
    ways = tuple(dict.fromkeys(only or Way))
    if hook and Way.WEBHOOK not in ways:
        raise typer.BadParameter("--hook names a webhook, and --only leaves webhooks out")
    named = Places(documents=documents, queue=queue, webhooks=webhooks, quarantine=quarantine)

    async def run() -> list[Tried]:
        places = await _completed(named, ways, deployment)
        _require(places, {*(only or ()), *([Way.WEBHOOK] if hook else [])})
        plan = Plan(
            ways=ways,
            places=places,
            hook=hook,
            webhooks_optional=azure and not (only or webhooks or hook),
            timeout=timeout,
        )
        return await smoke(deployment, plan, settings, report=_quiet if as_json else _print_step)

    tried = asyncio.run(run())
    worked = all(each.outcome != "failed" for each in tried) and any(
        each.outcome == "ok" for each in tried
    )
    if as_json:
        print_json({"works": worked, "ways": [each.to_json() for each in tried]})
    else:
        for each in tried:
            _print(each)
    raise typer.Exit(0 if worked else EXIT_FAILED)


async def _completed(named: Places, ways: tuple[Way, ...], deployment: Deployment) -> Places:
    """The places that are named, and the deployment's own for what is not named and needed."""
    if all(named.of(way) for way in ways):
        completed = named
    else:
        own = await deployment.places()
        completed = Places(*(name or found for name, found in zip(named, own, strict=True)))
    url = completed.webhooks
    slashed = url if url is None or url.endswith("/") else f"{url}/"
    return completed._replace(webhooks=slashed)


def _require(places: Places, ways: set[Way]) -> None:
    """Raises `SettingsError` where a way that was asked for has no address: whoever asks for it is
    not told that it was skipped."""
    missing = [way for way in Way if way in ways and not places.of(way)]
    if missing:
        options = " and ".join(_option(way) for way in missing)
        raise SettingsError(
            f"the deployment has no address for {' and '.join(missing)}", fix=f"name {options}"
        )


def _option(way: Way) -> str:
    match way:
        case Way.UPLOAD:
            return "--documents"
        case Way.MESSAGE:
            return "--queue"
        case Way.WEBHOOK:
            return "--webhooks"


def _quiet(way: Way, step: Step, seconds: float, about: str) -> None:
    pass


def _print_step(way: Way, step: Step, seconds: float, about: str) -> None:
    line = f"{way:8} {step:9} {seconds:6.1f} s  {escape(about)}"
    out.print(line.rstrip(), soft_wrap=True)


def _print(tried: Tried) -> None:
    out.print(f"{_MARKS[tried.outcome]}  {tried.way}: {escape(tried.detail)}", soft_wrap=True)
    if tried.fix:
        print_next(tried.fix, indent=6)
