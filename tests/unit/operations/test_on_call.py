"""find_on_call: what is gathered, and that Temporal's faults never keep a page back."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta
from typing import Any

import pytest

from core.adapters.temporal import on_call
from core.domain.oncall.answer import Answer, Question, Recipient, RecipientKind, TeamMode
from core.domain.oncall.file import OnCallFile
from core.domain.oncall.state import OnCallState
from core.domain.severity import Severity
from core.errors import TemporalUnavailable
from core.operations.on_call import find_on_call
from tests.support.calendars import NoCalendars
from tests.unit.oncall.examples import NOW, after, file, obey

TEAM = Recipient(kind=RecipientKind.TEAM, name="web", mode=TeamMode.ROUND_ROBIN)
SCHEDULE = Recipient(kind=RecipientKind.SCHEDULE, name="checkout")


@pytest.fixture
def temporal(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What Temporal answers: the state, and the next turn of a team. An exception is raised, None
    is no answer at all."""
    answers: dict[str, Any] = {"state": OnCallState(), "turn": 1}

    async def answer(name: str) -> Any:
        if isinstance(answers[name], Exception):
            raise answers[name]
        if answers[name] is None:
            await asyncio.sleep(3_600)
        return answers[name]

    async def read_state(client: Any, *, timeout: timedelta) -> Any:
        return await answer("state")

    async def take_turn(client: Any, team: str, incident_id: str, **options: Any) -> Any:
        return await answer("turn")

    monkeypatch.setattr(on_call, "read_state", read_state)
    monkeypatch.setattr(on_call, "take_turn", take_turn)
    monkeypatch.setattr("core.operations.on_call._BUDGET", 0.1)
    return answers


async def find(*recipients: Recipient) -> Answer:
    whole = file().model_dump(mode="json")
    whole["teams"] = {"web": {"members": ["ana", "ben", "eva"]}}
    return await find_on_call(
        Question(incident_id="i", severity=Severity.HIGH, recipients=recipients),
        client=None,  # type: ignore[arg-type]
        file=OnCallFile.model_validate(whole),
        calendars=NoCalendars(),
        now=after(hours=1),
    )


async def people(*recipients: Recipient) -> list[str]:
    return [each.person for each in (await find(*recipients)).people]


async def test_what_was_added_at_run_time_counts(temporal: dict[str, Any]) -> None:
    assert await people(SCHEDULE) == ["ana"]
    temporal["state"] = obey(
        OnCallState(), "add_override", schedule="checkout", people=["eva"], until=after(hours=2)
    )
    assert await people(SCHEDULE) == ["eva"]
    temporal["state"] = obey(
        OnCallState(), "add_silence", everything=True, until=after(hours=2), why="w"
    )
    assert [each.span.start for each in (await find(SCHEDULE)).silences] == [NOW]


async def test_a_team_in_turns_is_paged_by_its_turn(temporal: dict[str, Any]) -> None:
    assert await people(TEAM) == ["ben"]


@pytest.mark.parametrize("fault", [TemporalUnavailable("Temporal is down"), None])
async def test_without_temporal_the_file_decides_and_all_of_a_team_are_paged(
    temporal: dict[str, Any], fault: Exception | None
) -> None:
    temporal["state"] = temporal["turn"] = fault
    why = "Temporal is down" if fault else "no answer in time"
    answer = await find(SCHEDULE, TEAM)
    assert [each.person for each in answer.people] == ["ana", "ana", "ben", "eva"]
    assert answer.remarks == (
        f"overrides and silences cannot be read: {why}",
        f"all of team web are paged, as its turns cannot be read: {why}",
    )


async def test_the_turns_of_many_teams_take_no_longer_than_those_of_one(
    temporal: dict[str, Any],
) -> None:
    temporal["turn"] = None
    teams = [TEAM.model_copy(update={"name": f"web-{number}"}) for number in range(20)]
    async with asyncio.timeout(1):  # one after the other they take two seconds
        found = await find(*teams)
    paged_all = [each for each in found.remarks if each.startswith("all of team")]
    assert len(paged_all) == len(teams)


async def test_what_takes_long_to_expand_holds_nothing_else_of_the_worker_up(
    temporal: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on = threading.Event()

    def slow(*_: Any, **__: Any) -> Answer:
        assert goes_on.wait(10), "the event loop stands still"
        return Answer()

    monkeypatch.setattr("core.operations.on_call.answer", slow)
    asking = asyncio.create_task(find(SCHEDULE))
    asyncio.get_running_loop().call_later(0.05, goes_on.set)
    assert await asking == Answer()
