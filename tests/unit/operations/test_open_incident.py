"""What `tidegate incident open` makes of what becomes of its report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from core import bootstrap
from core.config.settings import Settings
from core.domain.handles import handle_of
from core.errors import InvalidReport, NoRoute, PermanentError, TemporalUnavailable, TidegateError
from core.formats.shared.delivery import Arrival
from core.intake.receipts import Receipt, Verdict
from core.operations import open_incident
from core.operations.open_incident import Opened
from core.operations.outcome import OpenedIncident, Outcome, Result

RECORD = "stored_event-0123456789abcdef01234567"
ID = "incident:1@20260102T030405.678Z"
OPEN = OpenedIncident(id=ID, title="It burns", status="open")
ROUTED = {
    "route": "incident-event",
    "workflow": "Incident",
    "child_id": "incident:1",
    "run_id": "r",
    "action": "started",
}
DIRECT = """
version: 1
routes:
  - name: direct
    match:
      suffix: {type: .incident.reported}
    workflow: Incident
    task_queue: tidegate-incident
    deliver: start
"""


class Intake:
    """Accepts every event."""

    async def accept(self, arrivals: Sequence[Arrival]) -> list[Receipt]:
        [_] = arrivals
        return [Receipt(verdict=Verdict.STARTED, workflow_id="w", run_id="r1")]


async def opened(
    monkeypatch: pytest.MonkeyPatch,
    outcome: Outcome,
    settings: Settings | None = None,
    intake: Intake | None = None,
) -> Opened:
    """What is opened, with this outcome of the report."""

    async def connect(_: Settings) -> None: ...

    async def follow(*_: object, timeout: float) -> list[Outcome]:
        return [outcome]

    monkeypatch.setattr(bootstrap, "intake", lambda _: intake or Intake())
    monkeypatch.setattr(bootstrap, "connect", connect)
    monkeypatch.setattr(open_incident, "follow", follow)
    return await open_incident.open_incident(settings or Settings(), {"title": "It burns"})


@pytest.mark.parametrize(
    ("outcome", "incident_id"),
    [
        (Outcome(result=Result.ACCEPTED, orchestrated=ROUTED, incident=OPEN), ID),
        (Outcome(result=Result.UNKNOWN, orchestrated=ROUTED, reason="not finished"), None),
    ],
)
async def test_what_the_root_orchestrator_did_is_known_before_the_incident_is(
    monkeypatch: pytest.MonkeyPatch, outcome: Outcome, incident_id: str | None
) -> None:
    assert await opened(monkeypatch, outcome) == {
        **ROUTED,
        "incident_id": incident_id,
        "handle": incident_id and handle_of(incident_id),
        "opened": True,
        "title": "It burns",
        "follows": None,
    }


async def test_a_report_that_its_route_delivers_without_an_orchestrator_is_opened(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    routes = tmp_path / "routes.yaml"
    routes.write_text(DIRECT)
    accepted = Outcome(result=Result.ACCEPTED, started=True, incident=OPEN)
    done: Any = await opened(monkeypatch, accepted, Settings(routes=routes))
    assert (done["route"], done["workflow"], done["child_id"]) == ("direct", "Incident", "w")
    assert (done["run_id"], done["action"], done["incident_id"]) == ("r1", "started", ID)


@pytest.mark.parametrize(
    ("outcome", "error", "message"),
    [
        (
            Outcome(result=Result.REFUSED, code="InvalidReport", reason="no title", record=RECORD),
            InvalidReport,
            f"no title; kept as {handle_of(RECORD)}",
        ),
        (
            Outcome(result=Result.DROPPED, key="k", orchestrated={"action": "dropped"}),
            NoRoute,
            "event 'k': the root worker's table has no route for it",
        ),
        (
            Outcome(result=Result.REFUSED, code="SoldOut", reason="workflow order:1: none left"),
            PermanentError,
            "SoldOut: workflow order:1: none left",
        ),
        (
            Outcome(result=Result.UNKNOWN, reason="workflow w: no worker has taken it"),
            TemporalUnavailable,
            "the report is accepted and stays queued: workflow w: no worker has taken it",
        ),
    ],
)
async def test_what_is_not_opened_is_an_error(
    monkeypatch: pytest.MonkeyPatch, outcome: Outcome, error: type[TidegateError], message: str
) -> None:
    with pytest.raises(TidegateError) as raised:
        await opened(monkeypatch, outcome)
    assert (type(raised.value), raised.value.message) == (error, message)


async def test_a_report_that_the_routing_table_drops_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Dropping(Intake):
        async def accept(self, arrivals: Sequence[Arrival]) -> list[Receipt]:
            return [Receipt(verdict=Verdict.DROPPED, reason="no route matches it")]

    with pytest.raises(NoRoute, match="no route matches it"):
        await opened(monkeypatch, Outcome(result=Result.DROPPED), intake=Dropping())
