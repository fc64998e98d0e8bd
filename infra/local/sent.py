"""What was sent to a local stack, and what became of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from core.operations.outcome import Outcome, Result, next_step

_SHOWN: Final = 10
"""Most events that are shown one by one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What was sent, and what became of it.

    `uri` is the document's, the message's queue and ID, or the webhook's; `answer` is the status of
    a webhook's response. `refused` is why a request was refused as a whole, by the listener's fault
    if `unavailable`; `note` is why there is nothing to wait for. `outcomes` are those of the events
    in it; `events` is their number, of which a webhook answers for the first hundred one by one.
    `link` leads to Temporal's UI. `fix` is the next step where there is no record or incident.
    """

    uri: str
    answer: str | None = None
    refused: str | None = None
    unavailable: bool = False
    note: str | None = None
    outcomes: tuple[Outcome, ...] = ()
    events: int = 0
    link: str | None = None
    fix: str | None = None
    first: str = ""
    """What a shell has to do before it can use the stack."""

    @property
    def result(self) -> Literal["accepted", "refused", "unknown"]:
        """What became of all of it."""
        results = {outcome.result for outcome in self.outcomes}
        if (self.refused and not self.unavailable) or Result.REFUSED in results:
            return "refused"
        if self.refused or results & {Result.UNAVAILABLE, Result.UNKNOWN}:
            return "unknown"
        return "accepted"

    @property
    def lines(self) -> list[str]:
        """What became of it, a line for each event and one for all where there are several."""
        if self.refused or self.note:
            return [f"refused: {self.refused}" if self.refused else str(self.note)]
        texts = [outcome.text for outcome in self.outcomes[:_SHOWN]]
        if self.events < 2:
            return texts
        counts = Counter(outcome.result.value for outcome in self.outcomes)
        summary = ", ".join(f"{count:,} {result}" for result, count in counts.items())
        seen = "" if self.events == len(self.outcomes) else f"; of the first {len(self.outcomes):,}"
        more = [f"and {rest:,} more"] if (rest := self.events - len(texts)) else []
        return [f"{self.events:,} events{seen}: {summary}", *texts, *more]

    @property
    def next(self) -> str | None:
        """The command to type next: about what was refused, if anything was."""
        step = next_step(self.outcomes)
        return f"{self.first}{step}" if step else self.fix

    def to_json(self) -> dict[str, Any]:
        """The result as a JSON object; `workflow_id`, `child_id` and `refused` are those of the
        first event that has one."""

        def first(values: Iterator[str | None]) -> str | None:
            return next((value for value in values if value), None)

        refusals = (
            f"{each.code}: {each.reason}" for each in self.outcomes if each.result is Result.REFUSED
        )
        return {
            "uri": self.uri,
            "answer": self.answer,
            "result": self.result,
            "text": self.lines,
            "workflow_id": first(outcome.workflow_id for outcome in self.outcomes),
            "child_id": first(outcome.child_id for outcome in self.outcomes),
            "link": self.link,
            "refused": self.refused or first(refusals),
            "note": self.note,
            "events": self.events,
            "outcomes": [outcome.to_json() for outcome in self.outcomes],
            "next": self.next,
        }
