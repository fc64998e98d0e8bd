"""Whom an incident would page, when and why: the incident's own decisions, one timer after another,
while every page is delivered and nobody acknowledges.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import reduce
from itertools import islice
from typing import Any, Final, Literal

from core.domain.alert import Alert, AlertStatus
from core.domain.durations import format_duration
from core.domain.incident.decisions import timers
from core.domain.incident.effects import FindOnCall, Page
from core.domain.incident.evolve import apply
from core.domain.incident.inputs import (
    AlertReceived,
    Input,
    OnCallAnswered,
    Open,
    PageSettled,
    Wake,
)
from core.domain.incident.lifecycle import decide
from core.domain.incident.model import Incident
from core.domain.incident.policies.file import Facts, Policies
from core.domain.incident.policies.policy import Policy
from core.domain.incident.reports.incident_report import IncidentReport
from core.domain.incident.status import Status
from core.domain.incident.timeline import (
    Closed,
    Discarded,
    HandedOver,
    HeldBack,
    NobodyToPage,
    Noted,
    OnCallFound,
    PageStarted,
    PagingHeld,
    PersonPaged,
    Resolved,
    TimelineEvent,
)
from core.domain.matching import Misfit
from core.domain.oncall.answer import Answer, Question
from core.domain.severity import Severity

MOST_STEPS: Final = 12
"""How many steps an explanation has at most before its end: some policies page for a year."""

_PAGING: Final = (Status.PENDING, Status.OPEN)
"""While it is in one of these, somebody may be paged."""

MOST_LOOKS: Final = 1_000
"""How many timers are gone through at most: those of somebody coming on call may show nothing."""

Kind = Literal["waits", "held", "unreachable", "person", "noted", "paged", "ends"]

Find = Callable[[Question, datetime], Answer]
"""Says who is on call at a moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What happens at one moment. `targets` are paged at `level`, for the `repeat`th time, each
    with its fallbacks; `until` is when what holds the paging ends."""

    at: datetime
    kind: Kind
    reason: str = ""
    level: int | None = None
    repeat: int = 1
    targets: tuple[tuple[str, tuple[str, ...]], ...] = ()
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyExplanation:
    """What happens from `at` on to an incident that nobody acknowledges. `passed` are the policies
    above the one that fits, with what does not fit. `more_at` is the moment of the next step where
    there are too many to show. `unset` are the variables that targets lack here; with
    `assumed_addresses` all lack theirs, and each target is taken to have an address."""

    at: datetime
    severity: Severity
    policy: Policy
    passed: tuple[tuple[str, tuple[Misfit, ...]], ...]
    steps: tuple[Step, ...]
    more_at: datetime | None
    unset: Mapping[str, tuple[str, ...]]
    assumed_addresses: bool

    def to_json(self) -> dict[str, Any]:
        """The explanation as a JSON object."""
        return {
            "at": self.at.isoformat(),
            "severity": self.severity,
            "policy": self.policy.name,
            "passed": [
                {"policy": name, "misfits": [misfit._asdict() for misfit in misfits]}
                for name, misfits in self.passed
            ],
            "steps": [
                {
                    **asdict(step),
                    "at": step.at.isoformat(),
                    "until": step.until and step.until.isoformat(),
                    "targets": [{"name": n, "fallback": list(f)} for n, f in step.targets],
                }
                for step in self.steps
            ],
            "more_at": self.more_at and self.more_at.isoformat(),
            "unset": self.unset,
            "assumed_addresses": self.assumed_addresses,
        }


def explain_policy(
    policies: Policies,
    facts: Facts,
    at: datetime,
    *,
    ack_timeout: float,
    addresses: Mapping[str, Sequence[str]],
    unset: Mapping[str, tuple[str, ...]],
    find: Find,
) -> PolicyExplanation:
    """Whom an incident with these facts pages that begins at `at`. A source's is opened by its
    alerts, as many as the policy asks for, which fire from then on; any other by a report.

    `addresses` are the names of each target's addresses, as `Policy.addressed` takes them; `find`
    is asked whenever the incident would ask who is on call. Raises `ValidationError` for facts that
    no report may have, and `OverflowError` where the calendar ends too close to `at`.
    """
    assumed = not any(addresses.values())
    names = {name: (name,) for name in addresses} if assumed else addresses
    policy = policies.choose(facts, ack_timeout=ack_timeout).addressed(names)
    *passed, _ = policies.considered(facts)

    def on_call(question: Question, now: datetime) -> Answer:
        return find(question, now).addressed(names)

    happening = (
        step
        for now, events in islice(_run(facts, policy, at, on_call), MOST_LOOKS)
        for step in _steps(events, policy, now)
    )
    steps = list(islice(happening, MOST_STEPS + 1))
    more = len(steps) > MOST_STEPS and steps[-1].kind != "ends"
    more_at = steps.pop().at if more else None
    return PolicyExplanation(
        at=at,
        severity=policies.severity(facts),
        policy=policy,
        passed=tuple((rule.name, misfits) for rule, misfits in passed),
        steps=tuple(steps),
        more_at=more_at,
        unset=unset,
        assumed_addresses=assumed,
    )


def _run(
    facts: Facts, policy: Policy, at: datetime, find: Find
) -> Iterator[tuple[datetime, list[TimelineEvent]]]:
    """What happens to the incident at its opening and at each of its timers."""
    incident = Incident(id="explained", key="explained")
    events: list[TimelineEvent] = []
    for input in _openers(facts, policy, at):
        incident, more = _after(incident, input, at, find)
        events += more
    yield at, events
    while incident.status in _PAGING:
        due = timers.deadline(incident)
        if due is None:
            return
        incident, events = _after(incident, Wake(), due, find)
        yield due, events


def _openers(facts: Facts, policy: Policy, at: datetime) -> Iterable[Input]:
    if facts.source is None:
        report = IncidentReport(
            title="explained",
            severity=facts.severity,
            service=facts.service,
            labels=dict(facts.labels),
        )
        return [Open(report=report, policy=policy, event_key="explained")]
    rule = policy.open_after
    return [
        AlertReceived(
            alert=Alert(
                key=f"explained-{number}",
                status=AlertStatus.FIRING,
                title="explained",
                source=facts.source,
                severity=facts.severity,
                service=facts.service,
                labels=facts.labels,
                starts_at=at,
            ),
            event_key=f"explained-{number}",
            policy=policy,
        )
        for number in range(rule.count if rule else 1)
    ]


def _after(
    incident: Incident, input: Input, now: datetime, find: Find
) -> tuple[Incident, list[TimelineEvent]]:
    """The incident after an input, its pages delivered, and what happened but for that."""
    decision = decide(incident, input, now)
    incident, events = reduce(apply, decision.events, incident), list(decision.events)
    for effect in decision.effects:
        if isinstance(effect, Page):
            settled = decide(incident, PageSettled(key=effect.key), now)
            incident = reduce(apply, settled.events, incident)
        elif isinstance(effect, FindOnCall):
            answer = find(effect.question, now)
            answered = OnCallAnswered(number=effect.number, answer=answer)
            incident, more = _after(incident, answered, now, find)
            events += more
    return incident, events


def _steps(events: Sequence[TimelineEvent], policy: Policy, now: datetime) -> Iterator[Step]:
    """What a person asks about: pages by their level, and why there are none."""
    paged: dict[int, list[PageStarted]] = {}
    remarks: tuple[str, ...] = ()
    for event in events:
        if isinstance(event, HeldBack):
            yield Step(at=now, kind="waits", reason=_waiting(policy))
        elif isinstance(event, PagingHeld):
            yield Step(at=now, kind="held", reason=event.reason, until=event.until)
        elif isinstance(event, NobodyToPage):
            yield Step(at=now, kind="unreachable", level=event.level, reason=event.reason)
        elif isinstance(event, OnCallFound):
            remarks = event.answer.remarks
        elif isinstance(event, PersonPaged):
            yield Step(at=now, kind="person", level=event.level, reason=event.sentence())
        elif isinstance(event, HandedOver) or (isinstance(event, Noted) and event.text in remarks):
            yield Step(at=now, kind="noted", reason=event.sentence())
        elif isinstance(event, PageStarted):
            paged.setdefault(event.level, []).append(event)
        elif isinstance(event, Discarded | Resolved | Closed):
            yield Step(at=now, kind="ends", reason=event.sentence())
    for level, pages in paged.items():
        yield Step(
            at=now,
            kind="paged",
            level=level,
            repeat=pages[0].repeat,
            targets=tuple((page.target, page.fallback) for page in pages),
        )


def _waiting(policy: Policy) -> str:
    """What has to happen before an alert opens an incident."""
    rule = policy.open_after
    needed = [f"{rule.count} alerts within {format_duration(rule.within)}"] if rule else []
    if policy.hold_back:
        needed.append(f"an alert that lasts {format_duration(policy.hold_back)}")
    return " and ".join(needed)
