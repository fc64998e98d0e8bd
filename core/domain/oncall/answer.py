"""What an incident asks at the moment of paging, and what it is answered: who is on call for each
recipient of a level, why, and what is silenced.

The answer is recorded with the incident: names, and never an address.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final

from pydantic import AwareDatetime, Field

from core.domain.oncall.people import ContactStep
from core.domain.severity import Severity
from core.domain.value import Value
from core.domain.windows import Silence

MAX_PEOPLE: Final = 50
"""Most people whom one answer names: everything about them is recorded with the incident."""


class RecipientKind(StrEnum):
    """What a level of a policy pages besides targets."""

    SCHEDULE = "schedule"
    PERSON = "person"
    TEAM = "team"


class TeamMode(StrEnum):
    """Who of a team is paged."""

    ALL = "all"
    ROUND_ROBIN = "round_robin"


class Recipient(Value):
    """A schedule, a person or a team, by its ID in the on-call file."""

    kind: RecipientKind
    name: str
    mode: TeamMode = TeamMode.ALL

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


class Question(Value):
    """Whom to page for an incident at a moment, and what is silenced. `incident_id` is its own ID,
    `workflow_id` that of its workflow, which its successors have too. `turn` counts how often its
    levels were paged before: a team in turns goes on from there."""

    incident_id: str
    workflow_id: str = ""
    severity: Severity
    source: str | None = None
    service: str | None = None
    labels: Mapping[str, str] = Field(default_factory=dict)
    recipients: tuple[Recipient, ...] = ()
    turn: int = 0


class OnCall(Value):
    """One person who is to be paged for a recipient.

    `person` is the ID, `name` what people call them. `reason` says what decided it, like
    `layer weekdays of schedule checkout`. `until` is when somebody else may be on call; None if
    that never changes by itself. `quiet_until` is the end of the person's own quiet hours, which
    hold this severity. Without `steps` the person cannot be reached.
    """

    person: str
    name: str
    recipient: Recipient
    reason: str
    until: AwareDatetime | None = None
    quiet_until: AwareDatetime | None = None
    steps: tuple[ContactStep, ...] = ()

    @property
    def role(self) -> str:
        """As what the person is paged; empty for one who is named by the policy."""
        reason = self.reason.removesuffix(f" of {self.recipient}")
        match self.recipient.kind:
            case RecipientKind.SCHEDULE:
                return f"on call for {self.recipient} ({reason})"
            case RecipientKind.TEAM:
                return f"{reason} of {self.recipient}"
            case RecipientKind.PERSON:
                return ""


class Answer(Value):
    """Who is on call, and which silences that were added at run time match the incident.

    A recipient without anybody is in no `people`; `remarks` say why, and what could not be read.
    `until` is when the answer may change by itself: a shift or an override that begins or ends.
    `left_out` is how many more are on call than the `MAX_PEOPLE` that are in `people`.
    """

    people: tuple[OnCall, ...] = ()
    silences: tuple[Silence, ...] = ()
    until: AwareDatetime | None = None
    remarks: tuple[str, ...] = ()
    left_out: int = 0

    def addressed(self, channels: Mapping[str, Sequence[str]]) -> Answer:
        """The answer with the target of each contact step replaced by those of its addresses, which
        `channels` has for each; a step without an address is left out, and a remark says so. Of
        more than `MAX_PEOPLE` people the first of each recipient are kept, so that no large team
        keeps the next level from being paged."""
        people, remarks = [], list(self.remarks)
        for each in self._first():
            steps = [
                ContactStep(after=step.after, target=name)
                for step in each.steps
                for name in channels.get(step.target, ())
            ]
            people.append(each.model_copy(update={"steps": tuple(dict.fromkeys(steps))}))
            lacking = {step.target: step for step in each.steps if not channels.get(step.target)}
            remarks += [_no_address(step) for step in lacking.values()]
        if left_out := len(self.people) - len(people):
            remarks.append(
                f"{left_out} more people are on call than the {MAX_PEOPLE} who are paged"
            )
        return self.model_copy(
            update={
                "people": tuple(people),
                "remarks": tuple(dict.fromkeys(remarks)),
                "left_out": left_out,
            }
        )

    def _first(self) -> list[OnCall]:
        """The people to keep, in their order. Of as many first ones those of the last recipients
        come first: their level is due, and those before were paged."""
        if len(self.people) <= MAX_PEOPLE:
            return list(self.people)
        ranks = Counter[Recipient]()
        ranked: list[tuple[int, int]] = []
        for number, each in enumerate(self.people):
            ranked.append((ranks[each.recipient], -number))
            ranks[each.recipient] += 1
        return [
            self.people[number] for number in sorted(-n for _, n in sorted(ranked)[:MAX_PEOPLE])
        ]


def _no_address(step: ContactStep) -> str:
    lacks = f" ({' and '.join(step.variables)} not set)" if step.variables else ""
    return f"{step.target} has no address{lacks}"
