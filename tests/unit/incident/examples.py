"""What the tests of the incident share: one incident, taken through its life step by step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, TypeVar

from core.domain.alert import Alert, AlertStatus
from core.domain.incident.commands import COMMANDS, AnyCommand
from core.domain.incident.decisions.command_handling import refusal
from core.domain.incident.decisions.timers import deadline
from core.domain.incident.effects import Effect, FindOnCall, Page
from core.domain.incident.evolve import apply
from core.domain.incident.inputs import (
    AlertReceived,
    FurtherEvent,
    Input,
    OnCallAnswered,
    Open,
    PageSettled,
    ReportSettled,
    Wake,
)
from core.domain.incident.lifecycle import decide
from core.domain.incident.model import Incident, PageStatus
from core.domain.incident.policies.policy import Level, Policy, PolicyTarget
from core.domain.incident.reports.incident_report import IncidentReport
from core.domain.incident.status import Status
from core.domain.incident.timeline import OnCallAsked, OnCallFound, TimelineEvent
from core.domain.oncall.answer import Answer, Question

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)  # a Friday
ON_CALL, SECOND_LINE = "slack#00000001", "pagerduty#00000002"
KEY = "incident:alertmanager:5f2e"
ID = f"{KEY}@20260102T030405.000Z"

_numbers = count(1)
E = TypeVar("E")


def levels(*rules: tuple[float, str]) -> tuple[Level, ...]:
    """Levels of one target each (or of several, separated by blanks), by their delays."""
    return tuple(
        Level(after=after, targets=tuple(PolicyTarget(name=name) for name in names.split()))
        for after, names in rules
    )


TWO_LEVELS = levels((0, ON_CALL), (300, SECOND_LINE))
POLICY = Policy(levels=TWO_LEVELS)


def policy(**rules: Any) -> Policy:
    return Policy(**{"levels": TWO_LEVELS, **rules})


def opening(policy: Policy = POLICY, **fields: Any) -> Open:
    report = IncidentReport.model_validate({"title": "Checkout", "severity": "high", **fields})
    return Open(report=report, policy=policy, event_key="s3:docs/a@1", document="s3://docs/a")


def further(key: str = "s3:docs/b@1") -> FurtherEvent:
    return FurtherEvent(event_key=key, event_type="tidegate.document.created")


def alert(
    key: str = "5f2e",
    *,
    policy: Policy | None = None,
    event: str | None = None,
    status: AlertStatus = AlertStatus.FIRING,
    severity: str | None = "warning",
    **fields: Any,
) -> AlertReceived:
    """A firing alert in an event of its own."""
    details = {"title": f"Disk {key} is full", "source": "alertmanager", **fields}
    return AlertReceived(
        alert=Alert(key=key, status=status, severity=severity, **details),
        event_key=event or f"event {next(_numbers)}",
        policy=policy,
    )


def cleared(key: str = "5f2e", **fields: Any) -> AlertReceived:
    """The same alert, resolved."""
    return alert(key, status=AlertStatus.RESOLVED, **fields)


def command(name: str, actor: str = "ana", **fields: Any) -> AnyCommand:
    """A command with an ID of its own."""
    return COMMANDS[name](**{"command_id": f"c{next(_numbers)}", "actor": actor, **fields})


@dataclass
class Life:
    """An incident with its events and effects; `give` hands it an input at `now`.

    `events` are all that were applied, `timeline` those that are visible.
    """

    incident: Incident = field(default_factory=lambda: Incident(id=ID, key=KEY))
    now: datetime = START
    events: list[TimelineEvent] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    answer: Callable[[Question, datetime], Answer | None] = lambda question, now: Answer()
    """What is answered to the question who is on call; None for no answer yet."""
    asked: list[Question] = field(default_factory=list)

    def give(self, input: Input) -> tuple[list[TimelineEvent], list[Effect]]:
        """What comes of an input; who is on call is answered immediately, and the events and
        effects of asking are left out."""
        events, effects = decide(self.incident, input, self.now)
        for event in events:
            self.incident = apply(self.incident, event)
        shown: list[TimelineEvent] = [
            event for event in events if not isinstance(event, OnCallAsked | OnCallFound)
        ]
        others: list[Effect] = [e for e in effects if not isinstance(e, FindOnCall)]
        self.events += events
        self.effects += others
        for effect in effects:
            if isinstance(effect, FindOnCall):
                self.asked.append(effect.question)
                if answer := self.answer(effect.question, self.now):
                    more = self.give(OnCallAnswered(number=effect.number, answer=answer))
                    shown += more[0]
                    others += more[1]
        return shown, others

    def do(self, name: str, actor: str = "ana", **fields: Any) -> list[TimelineEvent]:
        """Give a command that is not refused."""
        input = command(name, actor, **fields)
        assert refusal(self.incident, input, self.now) is None
        return self.give(input)[0]

    def refused(self, name: str, actor: str = "ana", **fields: Any) -> str:
        """Why a command is refused; it must not have any effect."""
        input = command(name, actor, **fields)
        reason = refusal(self.incident, input, self.now)
        assert reason is not None
        assert self.give(input) == ([], [])
        return str(reason)

    def wait(self, seconds: float, *, deliver: bool = False) -> None:
        """Let time pass, waking the incident at each of its deadlines; with `deliver`, every page
        arrives immediately."""
        until = self.now + timedelta(seconds=seconds)
        if deliver:
            self.deliver()
        while (due := deadline(self.incident)) and due <= until:
            self.now = max(self.now, due)
            self.give(Wake())
            if (still := deadline(self.incident)) and still <= self.now:
                raise AssertionError(
                    f"{still} stays due after a Wake: is a case missing in `evolve`?"
                )
            if deliver:
                self.deliver()
        self.now = until

    def deliver(self) -> None:
        """Every page that is being sent arrives."""
        for key, page in list(self.incident.pages.items()):
            if page.status is PageStatus.SENDING:
                self.give(PageSettled(key=key, via=page.target))

    def write_report(self) -> None:
        """The requested report is written."""
        wanted = self.incident.report_wanted
        assert wanted is not None
        self.give(ReportSettled(as_of=wanted, uris=("s3://reports/a.md",)))

    @property
    def status(self) -> str:
        """As text, so that no type checker assumes that it stays what it was."""
        return self.incident.status.value

    @property
    def deadline(self) -> float | None:
        """Seconds from the start to the next deadline."""
        due = deadline(self.incident)
        return (due - START).total_seconds() if due else None

    @property
    def timeline(self) -> list[TimelineEvent]:
        return [event for event in self.events if event.visible]

    def sentences(self) -> list[str]:
        return [event.sentence() for event in self.timeline]

    def all(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    def pages(self) -> list[Page]:
        return [effect for effect in self.effects if isinstance(effect, Page)]

    def paged(self) -> list[str]:
        """Who was paged, in order."""
        return [page.target for page in self.pages()]


def opened(policy: Policy = POLICY, **fields: Any) -> Life:
    """An incident that an alert opened."""
    life = Life()
    life.give(alert(policy=policy, **fields))
    return life


def acknowledged(policy: Policy = POLICY) -> Life:
    life = opened(policy)
    life.do("acknowledge")
    return life


def mitigated(policy: Policy = POLICY) -> Life:
    life = opened(policy)
    life.do("mitigate")
    return life


def resolved(policy: Policy = POLICY) -> Life:
    life = acknowledged(policy)
    life.do("resolve", force=True)
    return life


def closed(policy: Policy = POLICY) -> Life:
    life = resolved(policy)
    life.write_report()
    life.wait(policy.reopen_window)
    assert life.status == Status.CLOSED
    return life
