"""Silences and maintenance windows that are added at run time."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from pydantic import AwareDatetime

from core.domain.matching import Match
from core.domain.oncall.answer import Question
from core.domain.value import Value
from core.domain.windows import Silence, Span


class SilenceKind(StrEnum):
    """Why nobody is paged: somebody knows already, or work was announced."""

    SILENCE = "silence"
    MAINTENANCE = "maintenance"


class AddedSilence(Value):
    """From `start` to `end`, the end excluded, nobody is paged for what it matches: the incidents
    that `match` fits, those under the workflow ID `incident`, or all where both are None. `by` is
    who added it, and `why` their reason."""

    id: str
    kind: SilenceKind = SilenceKind.SILENCE
    match: Match | None = None
    incident: str | None = None
    start: AwareDatetime
    end: AwareDatetime
    by: str
    why: str

    def fits(self, question: Question) -> bool:
        """Whether it is for the incident; its severity, which may change, is left aside."""
        if self.incident is not None:
            return question.workflow_id == self.incident
        return self.match is None or self.match.fits(
            question.source, question.service, question.labels
        )

    def silence(self) -> Silence:
        """It as a policy has it."""
        severities = self.match.severity if self.match else None
        return Silence(
            name=f"{self.id} of {self.by}: {self.why}",
            span=Span(start=self.start, end=self.end),
            severities=tuple(severities or ()),
        )


def silences_for(silences: Iterable[AddedSilence], question: Question) -> tuple[Silence, ...]:
    """Those that are for an incident, as its policy has them."""
    return tuple(each.silence() for each in silences if each.fits(question))
