"""The table of the states and inputs of an incident, cell by cell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import pytest

from core.domain.incident.effects import Effect, Page, StartNew
from core.domain.incident.inputs import Input, Wake
from core.domain.incident.lifecycle import refusal
from core.domain.incident.model import CloseReason, Incident, Status
from core.domain.incident.policy import Policy, Recurrence
from core.domain.incident.timeline import Acknowledged, AlertFired, Noted, TimelineEvent
from tests.unit.incident.examples import (
    ID,
    ON_CALL,
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
    """What came of an input."""

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
    return lambda after: after.life.status is status and bool(after.events)


def absorbed(after: After) -> bool:
    """It is counted, and nothing else comes of it."""
    kinds = [type(event) for event in after.events]
    return kinds == [AlertFired] and after.life.status is after.before.status and not after.effects


def changes_nothing(after: After) -> bool:
    return after.unchanged


def done(after: After) -> bool:
    """It is on the timeline, and the state stays."""
    return bool(after.events) and after.life.status is after.before.status


def opens_again(after: After) -> bool:
    return after.life.status is Status.OPEN and after.pages == [ON_CALL]


def begins_a_new_one(after: After) -> bool:
    ended = after.life.status is Status.CLOSED
    return ended and [type(effect) for effect in after.effects] == [StartNew]


def pages_and_stays(after: After) -> bool:
    return after.life.status is after.before.status and after.pages == [ON_CALL]


def one_more_has_it(after: After) -> bool:
    [event] = after.events
    return isinstance(event, Acknowledged) and after.life.incident.acknowledged_by == ("ana", "ben")


def only_said(after: After) -> bool:
    said = any(isinstance(event, Noted) for event in after.events)
    return said and after.life.status is after.before.status


REFUSED = "refused"
Cell = Expectation | str

SAME = alert
NEW = lambda: alert("another")  # noqa: E731  # a table of one-line makers
WORSE = lambda: alert(severity="critical")  # noqa: E731
OPEN, ACK = becomes(Status.OPEN), becomes(Status.ACKNOWLEDGED)
MIT, RES, CLOSED = (
    becomes(Status.MITIGATED),
    becomes(Status.RESOLVED),
    becomes(Status.CLOSED),
)
NOP: Cell = changes_nothing


def by(name: str, **fields: object) -> Callable[[], Input]:
    return lambda: command(name, "ben", **fields)


# fmt: off
TABLE: Final[list[tuple[str, Policy, Callable[[], Input], tuple[Cell, ...]]]] = [
    #                                             open     acknowledged     mitigated    resolved     closed
    ("the same alert fires", REOPENING, SAME,     (absorbed, absorbed,        absorbed,    opens_again, begins_a_new_one)),
    ("another alert fires",  REOPENING, NEW,      (absorbed, absorbed,        opens_again, opens_again, begins_a_new_one)),
    ("a worse alert fires",  REOPENING, WORSE,    (done,     pages_and_stays, done,        opens_again, begins_a_new_one)),
    ("and recurrence is new", RENEWING, SAME,     (absorbed, absorbed,        absorbed,    begins_a_new_one, begins_a_new_one)),
    ("all alerts resolved",  REOPENING, cleared,  (RES,      RES,             RES,         done,        NOP)),
    ("and it is only noted", NOTING, cleared,     (RES,      only_said,       RES,         done,        NOP)),
    ("acknowledge",    REOPENING, by("acknowledge"),   (ACK, one_more_has_it, NOP,         REFUSED,     REFUSED)),
    ("unacknowledge",  REOPENING, by("unacknowledge"), (NOP, opens_again,     NOP,         REFUSED,     REFUSED)),
    ("mitigate",       REOPENING, by("mitigate"),      (MIT, MIT,             NOP,         REFUSED,     REFUSED)),
    ("resolve",        REOPENING, by("resolve"),       (REFUSED, REFUSED,     REFUSED,     NOP,         NOP)),
    ("resolve, force", REOPENING, by("resolve", force=True), (RES, RES,       RES,         NOP,         NOP)),
    ("reopen",         REOPENING, by("reopen"),        (NOP, NOP,             opens_again, opens_again, REFUSED)),
    ("assign",         REOPENING, by("assign", assignee="eve"), (done, done,  done,        REFUSED,     REFUSED)),
    ("snooze",         REOPENING, by("snooze", for_=60), (done, done,         done,        REFUSED,     REFUSED)),
    ("comment",        REOPENING, by("comment", note="!"), (done, done,       done,        done,        REFUSED)),
    ("set severity",   REOPENING, by("set_severity", severity="low"), (done, done, done,   done,        REFUSED)),
    ("close",          REOPENING, by("close", reason=CloseReason.DUPLICATE), (CLOSED, CLOSED, CLOSED, CLOSED, NOP)),
    ("a wake too early", REOPENING, Wake,              (NOP, NOP,             NOP,         NOP,         NOP)),
]
# fmt: on
CELLS = [
    pytest.param(state, rules, make, cell, id=f"{name} | {state}")
    for name, rules, make, cells in TABLE
    for state, cell in zip(STATES, cells, strict=True)
]


@pytest.mark.parametrize(("state", "rules", "make", "cell"), CELLS)
def test_the_table(state: Status, rules: Policy, make: Callable[[], Input], cell: Cell) -> None:
    life = STATES[state](rules)
    assert life.status is state
    before, given = life.incident, make()
    objection = refusal(before, given, life.now) if hasattr(given, "command_id") else None  # type: ignore[arg-type]  # only commands have one
    assert (objection is not None) == (cell == REFUSED)
    if objection is not None:
        assert f"cannot {getattr(given, 'name', '')}" in objection
        assert f"the incident is {state}" in objection
        assert "possible" in objection
    events, effects = life.give(given)
    after = After(before, life, events, effects)
    assert after.unchanged if isinstance(cell, str) else cell(after)


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
    assert life.status is expected
    if state is Status.ACKNOWLEDGED:
        assert life.paged()[already:] == [ON_CALL]


def test_a_closed_incident_offers_a_new_one_in_place_of_a_reopening() -> None:
    assert closed().refused("reopen") == (
        "cannot reopen: the incident is closed; "
        f"nothing is possible any more but to report a new one that names {ID}"
    )
