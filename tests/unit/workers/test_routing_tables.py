"""A listener and a worker with different routing tables are told apart."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from temporalio.testing import ActivityEnvironment

from core import bootstrap
from core.config.settings import Settings
from core.domain.event import ALERT, Event
from core.domain.incident.policies.file import Facts
from workers.incident.run_worker import plan as incident_plan
from workers.incident.workflow.incoming import table_of
from workers.root_orchestrator.activities import RootActivities
from workers.root_orchestrator.run_worker import plan as root_plan
from workers.runtime.routing_tables import MISMATCHES


class Meter:
    """Counts what is added to each counter."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def with_additional_attributes(self, attributes: Any) -> Meter:
        return self

    def create_counter(self, name: str, description: str | None = None) -> Any:
        meter = self

        class _Counter:
            def add(self, value: int) -> None:
                meter.counts[name] += value

        return _Counter()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(quarantine=f"file://{tmp_path}/")


EVENT = Event(id="1", source="/s", type=ALERT, key="k", scope="queue:q", data={"key": "a"})


def sent(table: object) -> Any:
    """An alert as a listener with this table sends it."""
    return EVENT.to_wire() | ({"tidegatetable": table} if table else {})


async def route(settings: Settings, wire: Any) -> Counter[str]:
    """What the root worker counts while it routes the event."""
    activities = RootActivities(
        validation=bootstrap.validation(settings),
        router=bootstrap.router(settings),
        quarantine=bootstrap.quarantine(settings),
    )
    environment, meter = ActivityEnvironment(), Meter()
    environment.metric_meter = meter  # type: ignore[assignment]
    target = await environment.run(activities.validate_and_route, wire)
    assert target is not None
    assert target.id == "incident:queue:q:a"
    return meter.counts


async def open_incident(settings: Settings, wire: Any) -> Counter[str]:
    """What the incident worker counts while an incident with the alert opens."""
    activities: list[Any] = list(incident_plan(settings).activities)
    [load_policy] = [each for each in activities if each.__name__ == "load_policy"]
    environment, meter = ActivityEnvironment(), Meter()
    environment.metric_meter = meter  # type: ignore[assignment]
    rules = await environment.run(load_policy, Facts(), table_of(wire))
    assert rules.policy.name
    return meter.counts


WORKERS = [route, open_incident]


@pytest.mark.parametrize("work", WORKERS)
async def test_another_table_is_logged_and_counted(
    settings: Settings, caplog: pytest.LogCaptureFixture, work: Any
) -> None:
    assert await work(settings, sent("0123456789ab")) == {MISMATCHES: 1}
    own = bootstrap.router(settings).digest
    assert f"the listener has 0123456789ab, this worker {own}" in caplog.text


@pytest.mark.parametrize("work", WORKERS)
@pytest.mark.parametrize("has_one", [True, False])
async def test_the_same_table_and_none_are_fine(
    settings: Settings, caplog: pytest.LogCaptureFixture, work: Any, has_one: bool
) -> None:
    own = bootstrap.router(settings).digest
    assert await work(settings, sent(own if has_one else None)) == {}
    assert "routing tables differ" not in caplog.text


def test_what_is_no_digest_does_not_stop_an_incident() -> None:
    """Whoever may signal a workflow writes the wire form."""
    assert table_of(sent(5)) is None
    assert table_of([]) is None
    assert len(table_of(sent("x" * 900_000)) or "") <= 20


@pytest.mark.parametrize("plan", [root_plan, incident_plan])
def test_a_worker_says_in_its_identity_which_table_it_has(settings: Settings, plan: Any) -> None:
    assert plan(settings).about == f"routes={bootstrap.router(settings).digest}"
