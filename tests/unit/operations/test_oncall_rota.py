"""Who is paged, for whoever asks without paging: `tidegate policies explain`."""

from __future__ import annotations

import pytest

from core.domain.oncall.answer import Answer, Question, Recipient, RecipientKind, TeamMode
from core.domain.oncall.calendars import Calendars
from core.domain.oncall.file import OnCallFile, Team
from core.domain.severity import Severity
from core.operations.oncall_rota import Rota
from tests.unit.oncall.examples import NOW, file


def asked(*modes: TeamMode, members: tuple[str, ...]) -> Answer:
    """The answer for team web, once for each mode."""
    people: OnCallFile = file()
    rota = Rota(
        file=people.model_copy(update={"teams": {"web": Team(members=members)}}),
        calendars=Calendars(),
    )
    recipients = tuple(Recipient(kind=RecipientKind.TEAM, name="web", mode=mode) for mode in modes)
    question = Question(incident_id="i", severity=Severity.HIGH, recipients=recipients)
    return rota.answer(question, NOW)


def test_of_a_team_in_turns_all_are_named_and_a_remark_says_that_one_is_paged() -> None:
    answer = asked(*[TeamMode.ROUND_ROBIN] * 2, members=("ana", "ben"))
    assert {each.person for each in answer.people} == {"ana", "ben"}
    assert answer.remarks == (
        "only one member of team web is paged: whose turn it is when an incident opens",
    )


@pytest.mark.parametrize(
    ("mode", "members"),
    [(TeamMode.ALL, ("ana", "ben")), (TeamMode.ROUND_ROBIN, ("ana",))],
)
def test_where_nothing_is_left_to_turns_there_is_no_such_remark(
    mode: TeamMode, members: tuple[str, ...]
) -> None:
    assert asked(mode, members=members).remarks == ()
