"""One incident, taken through its life step by step: what the tests of the domain share."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from core.domain.incident.effects import Effect
from core.domain.incident.fold import apply
from core.domain.incident.inputs import Acknowledge, FurtherEvent, Input, Open, Resolve
from core.domain.incident.intake_report import IncidentReport
from core.domain.incident.lifecycle import decide
from core.domain.incident.model import Incident, Policy
from core.domain.incident.timeline import TimelineEvent, describe

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ON_CALL, SECOND_LINE = "slack#00000001", "pagerduty#00000002"
POLICY = Policy(ack_timeout=300, targets={1: (ON_CALL,), 2: (SECOND_LINE,)})


def opening(policy: Policy = POLICY, **fields: Any) -> Open:
    report = IncidentReport.model_validate({"title": "Checkout", "severity": "high", **fields})
    return Open(report=report, policy=policy, event_key="s3:docs/a@1", document="s3://docs/a")


def further(key: str = "s3:docs/b@1") -> FurtherEvent:
    return FurtherEvent(event_key=key, event_type="tidegate.document.created")


def acknowledge(id: str = "c1", actor: str = "ana", **fields: Any) -> Acknowledge:
    return Acknowledge(command_id=id, actor=actor, **fields)


def resolve(id: str = "c2", actor: str = "ana", **fields: Any) -> Resolve:
    return Resolve(command_id=id, actor=actor, **fields)


@dataclass
class Life:
    """An incident and all that has come of it; `give` hands it an input at the present moment."""

    incident: Incident = field(default_factory=lambda: Incident(id="incident:a"))
    now: datetime = START
    timeline: list[TimelineEvent] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)

    def give(self, given: Input) -> tuple[list[TimelineEvent], list[Effect]]:
        events, effects = decide(self.incident, given, self.now)
        for event in events:
            self.incident = apply(self.incident, event)
        self.timeline += events
        self.effects += effects
        return list(events), list(effects)

    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def told(self) -> list[str]:
        return [describe(event) for event in self.timeline]
