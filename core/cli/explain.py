"""`tidegate explain`: what would become of a payload, or of a webhook's request."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from core.cli.console import EXIT_FAILED, Json, out, print_facts, print_json
from core.cli.request_options import Headers, Hook, parse_headers
from core.config.settings import Settings

if TYPE_CHECKING:
    from core.operations.explain import Explanation


def explain(
    file: Annotated[
        typer.FileBinaryRead, typer.Argument(help="The payload; - reads standard input.")
    ],
    format: Annotated[
        str | None, typer.Option(help="Its format: s3, message, ... Default: guessed.")
    ] = None,
    hook: Hook = None,
    header: Headers = None,
    as_json: Json = False,
) -> None:
    """Show what would become of a payload: events, keys, workflow IDs, routes, children.

    Starts nothing. Takes a Lambda event or the body of a message; with --hook the body of a
    request, whose signature is checked if its headers carry one. Exits with 1 if an event would be
    quarantined, or the request refused."""
    from core.formats.registry import FORMATS

    if format is not None and format not in FORMATS:
        raise typer.BadParameter(f"there is no format {format!r}; there are {', '.join(FORMATS)}")
    if hook:
        _explain_request(hook, file.read(), parse_headers(header), as_json=as_json)
    else:
        _explain_payload(file.read(), format, as_json=as_json)


def _explain_payload(payload: bytes, format: str | None, *, as_json: bool) -> None:
    from core.operations.explain import explain_payload
    from functions_aws import sqs

    settings = Settings.from_env()
    explanations = explain_payload(payload, format, settings, unwrap=sqs.deliveries)
    if as_json:
        print_json([explanation.to_json() for explanation in explanations])
    elif not explanations:
        out.print("It holds no events: it is acknowledged, and nothing starts.")
    else:
        for explanation in explanations:
            _print(explanation)
    raise typer.Exit(EXIT_FAILED if any(e.error for e in explanations) else 0)


def _explain_request(hook: str, body: bytes, headers: dict[str, str], *, as_json: bool) -> None:
    from core.operations.explain import explain_request
    from core.webhooks.request import Request

    request = Request(method="POST", path=f"/hooks/{hook}", headers=headers, body=body)
    explained = asyncio.run(explain_request(request, hook, Settings.from_env(), datetime.now(UTC)))
    if as_json:
        print_json(explained.to_json())
    else:
        print_facts(
            {
                "answer": f"{explained.status} {escape(explained.answer)}",
                "sender": escape(explained.sender),
            }
        )
        out.print()
        for explanation in explained.explanations:
            _print(explanation)
    raise typer.Exit(0 if explained.status < 300 else EXIT_FAILED)


def _print(explanation: Explanation) -> None:
    event, child, error = explanation.event, explanation.child, explanation.error
    facts = {
        "verdict": "[red]quarantined[/red]" if error else "[green]started[/green]",
        "format": explanation.format,
        "reason": escape(f"{error.code}: {error}") if error else None,
    }
    if event:
        facts |= {
            "type": escape(event.type),
            "source": escape(event.source),
            "subject": event.subject and escape(event.subject),
            "time": event.time and escape(event.time),
            "key": escape(event.key),
            "redelivery": "would not be recognised" if event.unidentified else None,
            "workflow ID": escape(explanation.workflow_id or ""),
        }
    if child:
        when_running = f"{child.when_running} {child.signal or ''}"
        facts |= {
            "route": child.route,
            "child": escape(f"{child.workflow} on {child.task_queue}"),
            "child ID": escape(child.id),
            "if it runs": escape(when_running),
        }
    print_facts({**facts, "note": explanation.note and escape(explanation.note)})
    out.print()
