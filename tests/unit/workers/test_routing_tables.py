"""A listener and a root worker with different routing tables are told apart."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from temporalio.testing import ActivityEnvironment

from core import bootstrap
from core.config.settings import Settings
from core.domain.event import ALERT, Event
from workers.root_orchestrator.activities import TABLE_MISMATCHES, RootActivities
from workers.root_orchestrator.run_worker import plan


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


async def route(settings: Settings, table: str | None) -> Counter[str]:
    """What is counted while an event is routed that a listener with this table sent."""
    activities = RootActivities(
        validation=bootstrap.validation(settings),
        router=bootstrap.router(settings),
        quarantine=bootstrap.quarantine(settings),
    )
    event = Event(id="1", source="/s", type=ALERT, key="k", scope="queue:q", data={"key": "a"})
    wire = event.to_wire() | ({"tidegatetable": table} if table else {})
    environment, meter = ActivityEnvironment(), Meter()
    environment.metric_meter = meter  # type: ignore[assignment]
    target = await environment.run(activities.validate_and_route, wire)
    assert target.id == "incident:queue:q:a"
    return meter.counts


async def test_another_table_is_logged_and_counted(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    assert await route(settings, "0123456789ab") == {TABLE_MISMATCHES: 1}
    own = bootstrap.router(settings).digest
    assert f"the listener has 0123456789ab, this worker {own}" in caplog.text


@pytest.mark.parametrize("has_one", [True, False])
async def test_the_same_table_and_none_are_fine(
    settings: Settings, caplog: pytest.LogCaptureFixture, has_one: bool
) -> None:
    own = bootstrap.router(settings).digest
    assert await route(settings, own if has_one else None) == {}
    assert caplog.messages == []


def test_a_root_worker_says_in_its_identity_which_table_it_has(settings: Settings) -> None:
    assert plan(settings).about == f"routes={bootstrap.router(settings).digest}"
