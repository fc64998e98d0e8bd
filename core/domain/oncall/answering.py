"""Who is to be paged for an incident, out of the on-call file, what was added at run time, and
calendars."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from core.domain.oncall.answer import Answer, Question
from core.domain.oncall.calendars import Calendars
from core.domain.oncall.file import OnCallFile
from core.domain.oncall.silencing import silences_for
from core.domain.oncall.state import OnCallState


def answer(
    file: OnCallFile,
    state: OnCallState,
    calendars: Calendars,
    question: Question,
    now: datetime,
    *,
    turns: Mapping[str, int] | None = None,
) -> Answer:
    """The answer to a question at a moment. `turns` are those that the incident has of teams that
    are paged in turns; of a team without one, all are paged."""
    return Answer(silences=silences_for(state.at(now).silences, question))
