"""The table of the states and inputs of an incident, cell by cell."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import pytest

from core.domain.incident.commands import COMMANDS, Command
from core.domain.incident.decisions.command_handling import refusal
from core.domain.incident.effects import Effect, Page, StartSuccessor
from core.domain.incident.inputs import Input, Wake
from core.domain.incident.model import Incident
from core.domain.incident.policies.policy import Policy, Recurrence
from core.domain.incident.status import CloseReason, Status
from core.domain.incident.timeline import Acknowledged, AlertFired, Noted, TimelineEvent
from tests.unit.incident.examples import (
    ID,
    ON_CALL,
    SECOND_LINE,
    Life,
    acknowledged,
    alert,
    cleared,
    closed,
    command,
    mitigated,
    opened,
    policy,
    resolved,
)

WINDOW = 3600.0
REOPENING = policy(reopen_window=WINDOW)
RENEWING = policy(reopen_window=WINDOW, recurrence=Recurrence.NEW)
NOTING = policy(reopen_window=WINDOW, auto_resolve_acknowledged=False)
TIMED = policy(reopen_window=WINDOW, acknowledgement_timeout=600)

STATES: Final[dict[Status, Callable[[Policy], Life]]] = {
    Status.OPEN: opened,
    Status.ACKNOWLEDGED: acknowledged,
    Status.MITIGATED: mitigated,
    Status.RESOLVED: resolved,
    Status.CLOSED: closed,
}


@dataclass(frozen=True)
class After:
    """The result of an input."""

    before: Incident
    life: Life
    events: list[TimelineEvent]
    effects: list[Effect]

    @property
    def unchanged(self) -> bool:
        return not self.events and not self.effects and self.life.incident == self.before

    @property
    def pages(self) -> list[str]:
        return [effect.target for effect in self.effects if isinstance(effect, Page)]


Expectation = Callable[[After], bool]


def becomes(status: Status) -> Expectation:
    return lambda after: after.life.status == status and bool(after.events)


def absorbed(after: After) -> bool:
    """It is counted and has no other effect."""
    kinds = [type(event) for event in after.events]
    return kinds == [AlertFired] and after.life.status == after.before.status and not after.effects


def changes_nothing(after: After) -> bool:
    return after.unchanged


def done(after: After) -> bool:
    """It is on the timeline, and the status stays."""
    return bool(after.events) and after.life.status == after.before.status


def only_heard(after: After) -> bool:
    """It changes what is known of the alert, and nothing that anybody sees."""
    told = [event for event in after.events if event.visible]
    return not told and not after.effects and after.life.status == after.before.status


def opens_again(after: After) -> bool:
    return after.life.status == Status.OPEN and after.pages == [ON_CALL]


def begins_a_new_one(after: After) -> bool:
    ended = after.life.status == Status.CLOSED
    return ended and [type(effect) for effect in after.effects] == [StartSuccessor]


def pages_and_stays(after: After) -> bool:
    return after.life.status == after.before.status and after.pages == [ON_CALL]


def pages_the_next_level(after: After) -> bool:
    return after.life.status == after.before.status and after.pages == [SECOND_LINE]


def one_more_has_it(after: After) -> bool:
    [event] = after.events
    return isinstance(event, Acknowledged) and after.life.incident.acknowledged_by == ("ana", "ben")


def only_noted(after: After) -> bool:
    noted = any(isinstance(event, Noted) for event in after.events)
    return noted and after.life.status == after.before.status


REFUSED = None

TABLE = """
| input                  | open         | acknowledged | mitigated  | resolved   | closed    |
|------------------------|--------------|--------------|------------|------------|-----------|
| the same alert fires   | absorbed     | absorbed     | absorbed   | open again | a new one |
| another alert fires    | absorbed     | absorbed     | open again | open again | a new one |
| a worse alert fires    | kept         | paged        | kept       | open again | a new one |
| fires, if not reopened | absorbed     | absorbed     | absorbed   | a new one  | a new one |
| all alerts resolved    | resolved     | resolved     | resolved   | kept       | heard     |
| resolved, if not acted | resolved     | noted        | resolved   | kept       | heard     |
| acknowledge            | acknowledged | one more     | -          | refused    | refused   |
| unacknowledge          | -            | open again   | -          | refused    | refused   |
| escalate               | next level   | next level   | refused    | refused    | refused   |
| mitigate               | mitigated    | mitigated    | -          | refused    | refused   |
| resolve                | refused      | refused      | refused    | -          | -         |
| resolve, force         | resolved     | resolved     | resolved   | -          | -         |
| reopen                 | -            | -            | open again | open again | refused   |
| assign                 | kept         | kept         | kept       | refused    | refused   |
| snooze                 | kept         | kept         | kept       | refused    | refused   |
| comment                | kept         | kept         | kept       | kept       | refused   |
| set severity           | kept         | kept         | kept       | kept       | refused   |
| close                  | closed       | closed       | closed     | closed     | -         |
| a wake too early       | -            | -            | -          | -          | -         |
"""

MEANINGS: Final[dict[str, Expectation | None]] = {
    "-": changes_nothing,
    "absorbed": absorbed,
    "kept": done,
    "heard": only_heard,
    "paged": pages_and_stays,
    "next level": pages_the_next_level,
    "noted": only_noted,
    "one more": one_more_has_it,
    "open again": opens_again,
    "a new one": begins_a_new_one,
    "refused": REFUSED,
    **{status.value: becomes(status) for status in STATES},
}


def by(name: str, **fields: object) -> Callable[[], Input]:
    return lambda: command(name, "ben", **fields)


INPUTS: Final[dict[str, Callable[[], Input]]] = {
    "the same alert fires": alert,
    "another alert fires": lambda: alert("another"),
    "a worse alert fires": lambda: alert(severity="critical"),
    "fires, if not reopened": alert,
    "all alerts resolved": cleared,
    "resolved, if not acted": cleared,
    "acknowledge": by("acknowledge"),
    "unacknowledge": by("unacknowledge"),
    "escalate": by("escalate"),
    "mitigate": by("mitigate"),
    "resolve": by("resolve"),
    "resolve, force": by("resolve", force=True),
    "reopen": by("reopen"),
    "assign": by("assign", assignee="eve"),
    "snooze": by("snooze", for_=60),
    "comment": by("comment", note="!"),
    "set severity": by("set_severity", severity="low"),
    "close": by("close", reason=CloseReason.DUPLICATE),
    "a wake too early": Wake,
}
RULES: Final = {"fires, if not reopened": RENEWING, "resolved, if not acted": NOTING}


def cells() -> Iterator[tuple[str, Status, str]]:
    """Input, state and meaning of every cell."""
    head, _, *rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in TABLE.strip().split("\n")
    ]
    for name, *meanings in rows:
        for state, meaning in zip(head[1:], meanings, strict=True):
            yield name, Status(state), meaning


def test_the_table_has_every_command() -> None:
    named = {name.partition(",")[0].replace(" ", "_") for name in INPUTS}
    assert set(COMMANDS) <= named


@pytest.mark.parametrize(("name", "state", "meaning"), list(cells()))
def test_the_table(name: str, state: Status, meaning: str) -> None:
    life = STATES[state](RULES.get(name, REOPENING))
    assert life.status == state
    before, input, expected = life.incident, INPUTS[name](), MEANINGS[meaning]
    if isinstance(input, Command):
        objection = refusal(before, input, life.now)
        assert (objection is not None) == (expected is REFUSED)
        if objection is not None:
            assert f"cannot {input.name}: the incident is {state}" in str(objection)
            assert "possible" in str(objection)
    after = After(before, life, *life.give(input))
    assert expected(after) if expected else after.unchanged


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (Status.OPEN, Status.OPEN),
        (Status.ACKNOWLEDGED, Status.OPEN),
        (Status.MITIGATED, Status.MITIGATED),
        (Status.RESOLVED, Status.RESOLVED),
        (Status.CLOSED, Status.CLOSED),
    ],
)
def test_the_table_an_acknowledgement_that_is_too_old(state: Status, expected: Status) -> None:
    life = STATES[state](TIMED)
    already = len(life.pages())
    life.wait(600)
    assert life.status == expected
    if state is Status.ACKNOWLEDGED:
        assert life.paged()[already:] == [ON_CALL]


def test_a_closed_incident_offers_a_new_one_in_place_of_a_reopening() -> None:
    assert closed().refused("reopen") == (
        "cannot reopen: the incident is closed; "
        f"nothing is possible any more but a new one: `tidegate incident open --follows {ID}`"
    )
