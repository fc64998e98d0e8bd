"""`tidegate explain`: what would become of a payload, or of a webhook's request."""

from __future__ import annotations

import asyncio
import json
import shlex
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Protocol

import typer
from rich.markup import escape

from core.cli.console import EXIT_FAILED, Json, out, print_facts, print_json, print_next, table
from core.cli.invocation import hook_of, request_in
from core.cli.payload_file import name_of, read_payload
from core.cli.request_options import Headers, Hook, parse_headers
from core.config.settings import Settings
from core.domain.durations import format_duration
from core.domain.event import Event
from core.domain.printable import printable_line
from core.domain.routing.table import Deliver, StartOptions, Target, WhenMissing, WhenRunning
from core.domain.text import one_line, shortened

if TYPE_CHECKING:
    from core.formats.mapping.mapping import Finding
    from core.operations.explain import Explanation
    from core.operations.explain_request import RequestExplanation
    from core.webhooks.request import Request


_MAX_FINDINGS: Final = 200
_FOUND_CHARS: Final = 200
_VERDICTS: Final = {
    "accepted": "[green]accepted[/green]",
    "dropped": "[yellow]dropped[/yellow]",
    "quarantined": "[red]quarantined[/red]",
}


def explain(
    file: Annotated[Path, typer.Argument(help="The payload; - reads standard input.")],
    format: Annotated[
        str | None, typer.Option(help="Its format: s3, message, ... Default: guessed.")
    ] = None,
    upload: Annotated[
        bool, typer.Option("--upload", help="Explain the upload of the file, as of one not JSON.")
    ] = False,
    hook: Hook = None,
    header: Headers = None,
    as_json: Json = False,
) -> None:
    """Show what would become of a payload: events, routes, deliveries, workflow IDs.

    Starts nothing. Takes a Lambda event of any listener or the body of a message; a file that is
    not JSON, or with --upload any, is explained as an upload; with --hook it is the body of a
    request. A request's signature is checked if its headers carry one. Exits with 1 if an event
    would be quarantined, or the request refused."""
    from core.formats.registry import FORMATS

    if format is not None and format not in FORMATS:
        raise typer.BadParameter(f"there is no format {format!r}; there are {', '.join(FORMATS)}")
    if sum((format is not None, upload, hook is not None)) > 1:
        raise typer.BadParameter("use one of --format, --upload and --hook")
    if header and hook is None:
        raise typer.BadParameter("--header describes a request: name its webhook with --hook")
    payload = read_payload(file)
    if hook is not None:
        _explain_body(hook, payload, parse_headers(header), as_json=as_json)
    elif upload or (format is None and not _is_json(payload)):
        _explain_upload(file, payload, asked=upload, as_json=as_json)
    elif format is None and (request := request_in(payload)):
        _explain_request(request, as_json=as_json)
    else:
        _explain_payload(file, payload, format, as_json=as_json)


def _is_json(payload: bytes) -> bool:
    from core.errors import InvalidEvent
    from core.formats.shared.json_body import load_json

    try:
        load_json(payload)
    except InvalidEvent:
        return False
    return True


def _explain_upload(file: Path, body: bytes, *, asked: bool, as_json: bool) -> None:
    from core.operations.explain import explain_upload

    uri, explanations = explain_upload(name_of(file), body, Settings.from_env())
    if as_json:
        print_json([{**each.to_json(), "upload": uri} for each in explanations])
    else:
        why = "explained" if asked else "not JSON: explained"
        out.print(f"{why} as an upload to {escape(printable_line(uri))}\n", soft_wrap=True)
        _print_all(file, explanations)
    raise typer.Exit(EXIT_FAILED if any(e.error for e in explanations) else 0)


def _print_all(file: Path, explanations: Sequence[Explanation]) -> None:
    if not explanations:
        out.print("It holds no events: it is acknowledged, and nothing starts.")
    for explanation in explanations:
        _print(explanation)
    if next := _next(file, explanations):
        print_next(next)


def _next(file: Path, explanations: Sequence[Explanation]) -> str | None:
    """The command to type next, where the file may be meant as something else."""
    for explanation in explanations:
        if explanation.hooks:
            return _explain_again(file, "--hook", explanation.hooks[0])
        if explanation.may_be_upload:
            return f"{_explain_again(file, '--upload')}  # if it is uploaded and not sent"
    return None


def _explain_again(file: Path, *options: str) -> str:
    """The command that explains the file with these options, for a shell."""
    ends = ["--"] if file.name != "-" and str(file).startswith("-") else []
    return shlex.join(["tidegate", "explain", *options, *ends, str(file)])


def _explain_payload(file: Path, payload: bytes, format: str | None, *, as_json: bool) -> None:
    from core.operations.explain import explain_payload
    from functions_aws import sqs

    settings = Settings.from_env()
    unwrap = partial(sqs.deliveries, settings=settings)
    explanations = explain_payload(payload, format, settings, unwrap=unwrap)
    if as_json:
        print_json([explanation.to_json() for explanation in explanations])
    else:
        _print_all(file, explanations)
    raise typer.Exit(EXIT_FAILED if any(e.error for e in explanations) else 0)


def _explain_body(hook: str, body: bytes, headers: dict[str, str], *, as_json: bool) -> None:
    from core.webhooks.request import post_to

    _explain_request(post_to(hook, body, headers), as_json=as_json)


def _explain_request(request: Request, *, as_json: bool) -> None:
    from core.operations.explain_request import explain_request

    hook = hook_of(request)
    explained = asyncio.run(explain_request(request, hook, Settings.from_env(), datetime.now(UTC)))
    if as_json:
        print_json(explained.to_json())
    else:
        print_request(explained)
    raise typer.Exit(0 if explained.status < 300 else EXIT_FAILED)


def print_request(explained: RequestExplanation) -> None:
    """Print what would become of a request: its answer, what its sender's mapping finds, and each
    event."""
    print_facts(
        {
            "answer": f"{explained.status} {escape(explained.answer)}",
            "sender": escape(explained.sender),
        }
    )
    out.print()
    if explained.findings:
        columns = ("alert", "field", "expression", "found", "read as")
        out.print(table(columns, map(_row, explained.findings[:_MAX_FINDINGS])))
        if (left_out := len(explained.findings) - _MAX_FINDINGS) > 0:
            out.print(f"and {left_out:,} more; --json has all of them")
        out.print()
    for explanation in explained.explanations:
        _print(explanation)


def _row(finding: Finding) -> tuple[str, ...]:
    return (
        "" if finding.position is None else str(finding.position),
        escape(finding.field),
        escape(finding.expression),
        _shown(finding.found) if finding.problem is None else f"[red]{_cut(finding.problem)}[/red]",
        "" if finding.read_as is None else _shown(finding.read_as),
    )


def _shown(value: object) -> str:
    return _cut(json.dumps(value, ensure_ascii=False, default=str))


def _cut(text: str) -> str:
    return escape(shortened(str(one_line(text)), _FOUND_CHARS))


def _print(explanation: Explanation) -> None:
    event, target, error = explanation.event, explanation.target, explanation.error
    facts = {
        "verdict": _VERDICTS[explanation.verdict],
        "format": explanation.format,
        "reason": escape(f"{error.code}: {error.message}") if error else None,
        "fix": explanation.fix and escape(explanation.fix),
    }
    if event:
        facts |= {
            "type": escape(event.type),
            "source": escape(event.source),
            "subject": event.subject and escape(event.subject),
            "time": event.time and escape(event.time),
            "way": escape(event.way),
            "scope": escape(event.scope),
            "key": escape(event.key),
            "redelivery": _redelivery(event, target),
            "workflow ID": escape(explanation.workflow_id or ""),
        }
    if target:
        facts |= {
            "route": target.route,
            "delivery": target.deliver.value,
            "workflow": escape(f"{target.workflow} on {target.task_queue}"),
            "its ID": escape(target.id),
            "if running": escape(if_running(target)),
            "cut": ", ".join(explanation.cut) or None,
            "input": None if target.input is None else ", ".join(map(_shown, target.input)),
            **_options(target.options),
        }
    if report := explanation.report:
        service = f" ({report.service})" if report.service else ""
        facts["incident"] = escape(f"{report.title}{service}")
        facts["severity"] = report.severity and escape(report.severity)
    print_facts({**facts, "note": explanation.note and escape(explanation.note)})
    out.print()


def _options(options: StartOptions | None) -> dict[str, str | None]:
    """What the workflow is started with besides its arguments."""
    if options is None:
        return {}
    attributes = (options.search_attributes or {}).items()
    return {
        "attributes": ", ".join(
            f"{name} {_shown(read)} ({kind})"
            for name, value in attributes
            for kind, read in value.items()
        ),
        "memo": _shown(options.memo) if options.memo else None,
        "summary": options.static_summary and escape(options.static_summary),
        "priority": str(options.priority) if options.priority else None,
        "fairness": _fairness(options),
        "retry": _retry(options.retry) if options.retry else None,
        "starts": _start(options),
    }


def _fairness(options: StartOptions) -> str | None:
    if options.fairness_key is None:
        return None
    weight = f", weight {options.fairness_weight:g}" if options.fairness_weight else ""
    return f"{escape(options.fairness_key)}{weight}"


def _retry(rule: dict[str, Any]) -> str:
    attempts = rule["maximum_attempts"]
    often = f"up to {attempts:,} attempts" if attempts else "without a limit"
    longest = f", at most {format_duration(rule['maximum_interval'])}" * bool(
        rule["maximum_interval"]
    )
    first = format_duration(rule["initial_interval"])
    return f"{often}; after {first}, then {rule['backoff']:g} times as long{longest}"


def _start(options: StartOptions) -> str | None:
    if options.start_time is None:
        return f"after {format_duration(options.start_delay)}" if options.start_delay else None
    past = "" if options.delay(datetime.now(UTC)) else ", which has passed: immediately"
    return f"at {escape(options.start_time)}{past}"


def _redelivery(event: Event, target: Target | None) -> str | None:
    """What would recognise the event if it were delivered again, where its key does not."""
    if target and target.deliver is Deliver.SIGNAL:
        return "left to the workflow, which is signalled with each"
    return "would not be recognised" if event.unidentified else None


class _Delivered(Protocol):
    """What a target and a rule have in common."""

    @property
    def deliver(self) -> Deliver: ...
    @property
    def when_running(self) -> WhenRunning: ...
    @property
    def when_missing(self) -> WhenMissing: ...
    @property
    def signal(self) -> str | None: ...


def if_running(target: _Delivered) -> str:
    """What becomes of an event whose workflow is already running."""
    match target.deliver:
        case Deliver.SIGNAL:
            missing = target.when_missing is WhenMissing.QUARANTINE
            return f"signal {target.signal}{'; else it is quarantined' if missing else ''}"
        case Deliver.START:
            return "it is a duplicate"
        case Deliver.ORCHESTRATE:
            return f"{target.when_running} {target.signal or ''}".rstrip()
