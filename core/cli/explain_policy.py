"""`tidegate policies explain`: whom an incident would page, when and why."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.cells import cell_len
from rich.markup import escape
from rich.text import Text

from core.cli.clock import read_time, shown_time
from core.cli.console import Json, out, print_json, print_lines, terminal_width
from core.cli.layout import GAP, fact_lines, hanging, line, wrapped
from core.config.settings import Settings
from core.domain.durations import format_duration

if TYPE_CHECKING:
    from core.domain.incident.policies.file import Facts, Policies
    from core.domain.matching import Match, Misfit
    from core.domain.oncall.file import OnCallFile
    from core.operations.explain_policy import PolicyExplanation, Step
    from core.operations.oncall_rota import Rota

_LEAST_BESIDE = 30
"""Columns that a sentence needs beside its time; with fewer it stands below."""


def explain(
    service: Annotated[str | None, typer.Option(help="The incident's service.")] = None,
    severity: Annotated[
        str | None, typer.Option(help="Its severity, in our words or the source's.")
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(help="The monitoring system whose alert opens it. Default: a report does."),
    ] = None,
    label: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A label; repeatable.")
    ] = None,
    at: Annotated[
        str | None, typer.Option(help="When it begins: 03:00, or a date and a time. Default: now.")
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(help="The policies. Default: TIDEGATE_POLICIES, else the shipped ones."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show whom an incident would page, when and why, if nobody acknowledged it.

    Pages nobody. Targets have the addresses that are set here; where none is, each is taken to have
    one. Who is on call, and what is silenced, is as it is known now. Exits with 2 if the policies
    or the on-call file are invalid."""
    from pydantic import ValidationError

    from core import bootstrap
    from core.config import files
    from core.domain.problems import problems_of
    from core.domain.targets import unset
    from core.operations.explain_policy import explain_policy

    settings = Settings.from_env()
    oncall = bootstrap.oncall(settings)
    policies = files.load_policies(file or settings.policies or files.SHIPPED_POLICIES, oncall)
    targets = bootstrap.targets(policies, oncall)
    facts = _facts(severity, source, service, label or [])
    named = bootstrap.addresses(settings, targets)
    rota, remark = asyncio.run(_rota(settings, oncall))
    try:
        explanation = explain_policy(
            policies,
            facts,
            _moment(at),
            ack_timeout=settings.ack_timeout,
            addresses={target: [each.name for each in some] for target, some in named.items()},
            unset=unset(targets, bootstrap.target_variables(settings)),
            find=rota.answer,
        )
    except ValidationError as error:
        raise typer.BadParameter("; ".join(problems_of(error))) from None
    except OverflowError:
        raise typer.BadParameter(f"--at {at!r} is too close to the calendar's end") from None
    if as_json:
        print_json({**explanation.to_json(), "not_read": remark})
        return
    print_lines(explanation_lines(explanation, facts, policies, terminal_width()))
    if remark:
        out.print(
            escape(f"What was added to on-call at run time is not considered: {remark}."),
            soft_wrap=True,
        )


async def _rota(settings: Settings, file: OnCallFile) -> tuple[Rota, str | None]:
    """Who is on call, and why it is without what was added at run time, if it is."""
    from core.domain.oncall.state import OnCallState
    from core.errors import ConfigurationError, TransientError
    from core.operations.oncall_rota import Rota, read_added, read_calendars

    async def added() -> tuple[OnCallState, str | None]:
        try:
            return await read_added(settings), None
        except (ConfigurationError, TransientError) as error:
            return OnCallState(), error.message

    (state, remark), calendars = await asyncio.gather(added(), read_calendars(settings, file))
    return Rota(file=file, state=state, calendars=calendars), remark


def _facts(
    severity: str | None, source: str | None, service: str | None, labels: Sequence[str]
) -> Facts:
    """What the options say of the incident. Raises `typer.BadParameter`."""
    from core.domain.incident.policies.file import Facts
    from core.domain.severity import Severity, severity_of

    if severity is not None and severity_of(severity, source) is None:
        raise typer.BadParameter(
            f"there is no severity {severity!r}; there are {', '.join(Severity)}"
        )
    pairs = [text.partition("=") for text in labels]
    for text, (name, equals, _) in zip(labels, pairs, strict=True):
        if not name or not equals:
            raise typer.BadParameter(f"--label {text!r} is not NAME=VALUE")
    return Facts(
        severity=severity,
        source=source,
        service=service,
        labels={name: value for name, _, value in pairs},
    )


def _moment(text: str | None) -> datetime:
    if text is None:
        return datetime.now(UTC).replace(second=0, microsecond=0)
    try:
        return read_time(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def explanation_lines(
    explanation: PolicyExplanation, facts: Facts, policies: Policies, width: int | None
) -> list[Text]:
    """The explanation for a terminal of this width, or for a pipe."""
    policy, at = explanation.policy, explanation.at
    [rule] = [rule for rule in policies.policies if rule.name == policy.name]
    described = {
        "begins": shown_time(at),
        "severity": explanation.severity + ("" if facts.severity else ", as none is given"),
        "policy": f"{policy.name}, for {shown_match(rule.match)}",
    }
    passed = (
        ("not", f"{name}: {'; '.join(map(_misfit, misfits))}")
        for name, misfits in explanation.passed
    )
    named = [(name, line(value)) for name, value in (*described.items(), *passed)]
    steps = ((step.at, _sentence(step, at)) for step in explanation.steps if step.kind != "ends")
    timed = list(_timed(steps, at, width))
    lines = [*fact_lines(named, width, indent=0), Text(), *timed, *([Text()] if timed else [])]
    for remark in _remarks(explanation):
        lines += wrapped(line(remark), width) if width else [line(remark)]
    return lines


def _timed(
    entries: Iterable[tuple[datetime, str]], day: datetime, width: int | None
) -> Iterator[Text]:
    """Sentences beside their times, with the date where that is not the day's, or below them."""
    shown = [(shown_time(moment, now=day), sentence) for moment, sentence in entries]
    column = max((cell_len(time) for time, _ in shown), default=0)
    for time, sentence in shown:
        if width is None or width - column >= _LEAST_BESIDE:
            label = Text(f"{time:{column}}{GAP}", "cyan")
            yield from hanging(label, line(sentence), width)
        else:
            yield Text(time, "cyan")
            yield from hanging(Text(GAP), line(sentence), width)


def _sentence(step: Step, day: datetime) -> str:
    match step.kind:
        case "waits":
            return f"it opens after {step.reason}"
        case "person" | "noted":
            return step.reason
        case "held":
            until = shown_time(step.until, now=day) if step.until else ""
            return f"nobody until {until}: {step.reason}"
        case "unreachable":
            return f"level {step.level}: {step.reason or 'it has no targets'}"
        case "paged":
            names = [name + _else(fallback) for name, fallback in step.targets]
            again = ", again" if step.repeat > 1 else ""
            return f"level {step.level}{again}: pages {', '.join(names)}"
        case "ends":
            return step.reason


def _else(fallback: Sequence[str]) -> str:
    return f" (else {', else '.join(fallback)})" if fallback else ""


def _remarks(explanation: PolicyExplanation) -> Iterator[str]:
    policy = explanation.policy
    paged = any(step.kind == "paged" for step in explanation.steps)
    if explanation.more_at:
        next_at = shown_time(explanation.more_at, now=explanation.at)
        yield f"It goes on, next at {next_at}."
    elif paged:
        yield "Nobody else is paged."
    else:
        yield "Nobody is paged."
    for step in explanation.steps:
        if step.kind == "ends":
            yield f"At {shown_time(step.at, now=explanation.at)}: {step.reason}."
    if timeout := policy.acknowledgement_timeout:
        stops = f"An acknowledgement stops it for {format_duration(timeout)}; then it starts again."
    else:
        stops = "An acknowledgement stops it."
    if paged:
        yield stops
    if explanation.assumed_addresses:
        yield "No target's variables are set here: each is taken to have an address."


def _misfit(misfit: Misfit) -> str:
    wanted = " or ".join(misfit.patterns)
    if misfit.value is None:
        return f"it has no {misfit.name}, which must be {wanted}"
    return f"{misfit.name} is {misfit.value}, not {wanted}"


def shown_match(match: Match | None) -> str:
    """Which incidents a rule is for, in words."""
    return "all others" if match is None else str(match)
