"""`tidegate demo|dev|send`: the local stack.

The one module outside `infra` that may import it, and only inside its functions: the command is
also installed where there is no local stack.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.markup import escape

from core.cli.console import (
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_UNAVAILABLE,
    Json,
    err,
    out,
    print_facts,
    print_json,
    print_next,
)
from core.cli.payload_file import name_of, read_payload
from core.cli.quantities import seconds
from core.cli.request_options import Headers, Hook, parse_headers
from core.contracts import WORKERS

if TYPE_CHECKING:
    from infra.local.sent import Sent

_BASES = range(1024, 65530)
_NAMES = [worker.name for worker in WORKERS]


def _worker(name: str) -> str:
    if name not in _NAMES:
        raise typer.BadParameter(f"{name!r} is not one of {', '.join(_NAMES)}")
    return name


def _workers_option(name: str, about: str) -> Any:
    return typer.Option(
        name, parser=_worker, metavar="NAME", autocompletion=lambda: _NAMES, help=about
    )


Cloud = Annotated[Literal["aws", "azure"], typer.Option(help="The cloud to run locally.")]
Workers = Annotated[
    Literal["processes", "docker", "serverless"],
    typer.Option(
        help="What the workers run in: processes, containers of their image (`make image` in a "
        "checkout), or invocations of a function, on AWS only."
    ),
]


def demo(cloud: Cloud = "aws", workers: Workers = "processes") -> None:
    """Run an outage end to end on this machine, from the first alert to the report.

    Exits with 1 if a hop fails."""
    from infra.local.demo import run_demo

    raise typer.Exit(run_demo(cloud=cloud, hosting=workers))


def dev(
    cloud: Cloud = "aws",
    workers: Workers = "processes",
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep Temporal's state in .tidegate/ for the next run.")
    ] = False,
    port_base: Annotated[
        int | None,
        typer.Option(
            help="Use this port and the next six: Temporal, its UI, webhooks, pager, documents, "
            "Service Bus, the application. Default: the usual ports, or others where they are "
            "taken.",
        ),
    ] = None,
    with_: Annotated[
        list[str] | None, _workers_option("--with", "Run this worker alone; repeatable.")
    ] = None,
    without: Annotated[
        list[str] | None, _workers_option("--without", "Leave this worker out; repeatable.")
    ] = None,
) -> None:
    """Run the whole stack on this machine until Ctrl-C; prints what to open and what to type.

    It takes your settings (TIDEGATE_ROUTES, TIDEGATE_POLICIES, ...) and says which it sets itself.
    All of them are in .tidegate/env, for the other commands."""
    from infra.local.dev import run_dev

    if port_base is not None and port_base not in _BASES:
        raise typer.BadParameter(f"--port-base is not from {_BASES[0]} to {_BASES[-1]}")
    if with_ and without:
        raise typer.BadParameter("--with and --without cannot be combined: name those that run")
    chosen = [w for w in WORKERS if w.name in (with_ or _NAMES) and w.name not in (without or ())]
    raise typer.Exit(
        run_dev(cloud=cloud, keep=keep, port_base=port_base, chosen=chosen, hosting=workers)
    )


def send(
    file: Annotated[Path, typer.Argument(help="The file to send; - reads standard input.")],
    message: Annotated[
        bool, typer.Option("--message", help="Send it as a queue message, not as an upload.")
    ] = False,
    hook: Hook = None,
    header: Headers = None,
    timeout: Annotated[
        float,
        typer.Option(min=1, callback=seconds, help="Seconds to wait for what becomes of it."),
    ] = 30.0,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Send it, and do not wait for what becomes of it.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Send a file to the running `tidegate dev`: an upload, a queue message or a webhook request.

    Waits for what becomes of it. A request is signed as its sender would sign it, except for
    headers that you name. Exits with 1 if an event was refused or quarantined, with 3 if nothing
    is known of one in time."""
    if message and hook is not None:
        raise typer.BadParameter("use one of --message and --hook")
    if header and hook is None:
        raise typer.BadParameter("--header describes a request: name its webhook with --hook")
    headers, body = parse_headers(header), read_payload(file)
    from infra.local.send import send_file, send_hook, send_message

    wait = 0.0 if no_wait else timeout
    steps: list[str] = []
    with err.status(f"Sending {escape(str(file))} ...") as status:  # in a terminal only

        def report(step: str) -> None:
            steps.append(step)
            waits = "" if no_wait else f"; waiting up to {timeout:g} s"
            status.update(f"{escape(step)}{waits} ...")

        try:
            if hook is not None:
                sent = send_hook(hook, body, headers, timeout=wait, report=report)
            elif message:
                sent = send_message(str(file), body, timeout=wait, report=report)
            else:
                sent = send_file(name_of(file), body, timeout=wait, report=report)
        except KeyboardInterrupt:
            known = steps[-1] if steps else "it is not known whether it was sent"
            err.print(f"Stopped: {escape(known)}.", soft_wrap=True)
            raise typer.Exit(EXIT_INTERRUPTED) from None
    if as_json:
        print_json(sent.to_json())
    else:
        _print_sent(sent)
    match sent.result:
        case "accepted":
            pass
        case "refused":
            raise typer.Exit(EXIT_FAILED)
        case "unknown":
            raise typer.Exit(EXIT_UNAVAILABLE)


def _print_sent(sent: Sent) -> None:
    first = next(iter(sent.outcomes), None)
    facts = {
        "sent": sent.uri,
        "answer": sent.answer,
        "workflow": first.workflow_id if first else None,
        "child": first.child_id if first else None,
        "open": sent.link,
    }
    print_facts({name: value and escape(value) for name, value in facts.items()})
    for line in sent.lines:
        out.print(escape(line), soft_wrap=True)
    if sent.next:
        print_next(sent.next)
