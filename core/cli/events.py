"""`tidegate send` and `tidegate explain`: a payload given to the house, or thought through."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from core import bootstrap
from core.cli.console import BAD_NEWS, Json, out, print_json, run
from core.config.settings import Settings
from core.operations import explain as thinking
from core.webhooks.request import Request

Headers = Annotated[
    list[str] | None,
    typer.Option("--header", "-H", help="A header, as 'Name: value'; may be given again."),
]
Hook = Annotated[
    str | None, typer.Option(help="As the body of a request to this webhook: /hooks/HOOK.")
]


def send(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="What to send.")],
    message: Annotated[
        bool, typer.Option("--message", help="Send it as a queue message, not as an upload.")
    ] = False,
    hook: Hook = None,
    header: Headers = None,
    as_json: Json = False,
) -> None:
    """Give the running `tidegate dev` a file: as an upload, a message, or a webhook's request.

    A request is signed as its sender would sign it. Ends with 1 when it was refused or
    quarantined."""
    from infra.local.send import send_file, send_hook, send_message

    if hook:
        sent = send_hook(hook, file.read_bytes(), parse_headers(header))
    else:
        sent = send_message(file) if message else send_file(file)
    if as_json:
        print_json(sent.to_json())
    else:
        rows = {
            "sent": sent.uri,
            "answer": sent.answer,
            "workflow": sent.workflow_id or (None if sent.refused else "none seen yet"),
            "child": sent.child_id,
            "refused": sent.refused,
            "open": sent.link,
        }
        for name, value in rows.items():
            if value:
                out.print(f"{name:9} {escape(value)}", soft_wrap=True)
    if sent.refused:
        raise typer.Exit(BAD_NEWS)


def explain(
    file: Annotated[
        typer.FileBinaryRead, typer.Argument(help="A payload; - reads standard input.")
    ],
    format: Annotated[
        str | None, typer.Option(help="Read it as this format (s3, message, ...); else guess.")
    ] = None,
    hook: Hook = None,
    header: Headers = None,
    as_json: Json = False,
) -> None:
    """Say what would become of a payload: events, keys, workflow IDs, route, child.

    Starts nothing. Takes a Lambda event or the message body alone, or with --hook the body of a
    request, whose signature is checked when there is one among its headers. Ends with 1 when an
    event of it would be quarantined, or the request refused.
    """
    from core.formats.registry import FORMATS, read
    from functions_aws import sqs

    if format is not None and format not in FORMATS:
        raise typer.BadParameter(f"there is no format {format!r}; there are {', '.join(FORMATS)}")
    settings = Settings.from_env()
    router = bootstrap.router(settings)
    if hook:
        _explain_request(hook, file.read(), parse_headers(header), settings, as_json=as_json)
        return
    arrivals = [
        arrival
        for delivery in thinking.deliveries(file.read(), format, sqs.deliveries)
        for arrival in read(delivery)
    ]
    explanations = thinking.explain(arrivals, settings, router)
    if as_json:
        print_json([e.to_json() for e in explanations])
    elif not explanations:
        out.print("No events in it: it is acknowledged, nothing starts.")
    for explanation in explanations if not as_json else ():
        _print_explanation(explanation.to_json())
    raise typer.Exit(BAD_NEWS if any(e.error for e in explanations) else 0)


def _explain_request(
    hook: str, body: bytes, headers: dict[str, str], settings: Settings, *, as_json: bool
) -> None:
    from core.operations.explain_request import explain_request

    request = Request(method="POST", path=f"/hooks/{hook}", headers=headers, body=body)
    found = run(explain_request(request, hook, settings, datetime.now(UTC)))
    if as_json:
        print_json(found.to_json())
    else:
        out.print(f"[bold]{'answer':12}[/bold] {found.status} {escape(found.answer)}")
        out.print(f"[bold]{'sender':12}[/bold] {escape(found.sender)}\n", soft_wrap=True)
        for explanation in found.explanations:
            _print_explanation(explanation.to_json())
    raise typer.Exit(0 if found.status < 300 else BAD_NEWS)


def _print_explanation(found: dict[str, Any]) -> None:
    event, child = found["event"] or {}, found["child"] or {}
    refused = found["code"] is not None
    rows = {
        "verdict": "[red]quarantined[/red]" if refused else "[green]started[/green]",
        "format": found["format"],
        "reason": escape(f"{found['code']}: {found['reason']}") if refused else None,
        "type": event.get("type"),
        "source": event.get("source"),
        "subject": event.get("subject"),
        "time": event.get("time"),
        "key": found["key"],
        "": "a redelivery of it could not be recognised" if found["unidentified"] else None,
        "workflow ID": found["workflow_id"],
        "route": child.get("route"),
        "child": child and f"{child['workflow']} on {child['task_queue']}",
        "child ID": child.get("id"),
        "if it runs": child and f"{child['when_running']} {child['signal'] or ''}",
        "note": found["note"],
    }
    for name, value in rows.items():
        if value:
            marked = value if name in ("verdict", "reason") else escape(str(value))
            out.print(f"[bold]{name:12}[/bold] {marked}", soft_wrap=True)
    out.print()


def parse_headers(given: list[str] | None) -> dict[str, str]:
    """`Name: value` lines as headers with lower-case names; JSON unless they say otherwise."""
    headers = {"content-type": "application/json"}
    for line in given or []:
        name, colon, text = line.partition(":")
        if not colon or not name.strip():
            raise typer.BadParameter(f"{line!r} is not a header like 'Name: value'")
        headers[name.strip().lower()] = text.strip()
    return headers
