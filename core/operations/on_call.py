"""Who is on call: gathered from the on-call file, what was added at run time, and calendars."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from core.adapters.temporal import on_call
from core.domain.oncall.answer import Answer, Question, RecipientKind, TeamMode
from core.domain.oncall.answering import answer
from core.domain.oncall.file import OnCallFile
from core.domain.oncall.state import OnCallState
from core.errors import TidegateError
from core.ports.calendars import CalendarReader

if TYPE_CHECKING:
    from temporalio.client import Client

_BUDGET: Final = 4.0
"""Seconds for what Temporal is asked: a page does not wait longer."""
_ATTEMPT: Final = timedelta(seconds=1.5)
_BETWEEN: Final = 0.2


async def find_on_call(
    question: Question,
    *,
    client: Client,
    file: OnCallFile,
    calendars: CalendarReader,
    now: datetime | None = None,
) -> Answer:
    """Who is to be paged for an incident now, and what silences it.

    Never fails because Temporal does: then the file alone decides, all of a team are paged, and the
    answer's remarks say so.
    """
    now = now or datetime.now(UTC)
    schedules = {each.name for each in question.recipients if each.kind is RecipientKind.SCHEDULE}
    (state, remark), (turns, others), read = await asyncio.gather(
        _state(client), _turns(client, question), calendars.read(file, schedules)
    )
    # In a thread: a calendar's events are expanded when they are asked for.
    found = await asyncio.to_thread(answer, file, state, read, question, now, turns=turns)
    remarks = (*([remark] if remark else ()), *others, *found.remarks)
    return found.model_copy(update={"remarks": remarks})


async def _state(client: Client) -> tuple[OnCallState, str | None]:
    """What was added at run time; nothing, with the reason, where that cannot be read in time."""
    reason = "no answer in time"
    try:
        async with asyncio.timeout(_BUDGET):
            while True:
                try:
                    return await on_call.read_state(client, timeout=_ATTEMPT), None
                except TidegateError as error:
                    reason = error.message
                await asyncio.sleep(_BETWEEN)
    except TimeoutError:
        return OnCallState(), f"overrides and silences cannot be read: {reason}"


async def _turns(client: Client, question: Question) -> tuple[Mapping[str, int], list[str]]:
    """The turns that an incident has of the teams it pages in turns, and why others have none."""
    teams = {
        each.name
        for each in question.recipients
        if each.kind is RecipientKind.TEAM and each.mode is TeamMode.ROUND_ROBIN
    }
    # Together: the answer waits as long for many as for one.
    taken = await asyncio.gather(*(_turn(client, team, question) for team in sorted(teams)))
    turns = {team: turn for team, turn in taken if isinstance(turn, int)}
    return turns, [turn for _, turn in taken if isinstance(turn, str)]


async def _turn(client: Client, team: str, question: Question) -> tuple[str, int | str]:
    """The team, and the turn that an incident has of it, or why it has none."""
    try:
        async with asyncio.timeout(_BUDGET):
            return team, await on_call.take_turn(client, team, question.incident_id)
    except (TidegateError, TimeoutError) as error:
        reason = error.message if isinstance(error, TidegateError) else "no answer in time"
    return team, f"all of team {team} are paged, as its turns cannot be read: {reason}"
