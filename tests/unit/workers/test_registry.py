"""Which workers there are: the registry in core.contracts, held against the workers themselves."""

from __future__ import annotations

import importlib
from dataclasses import fields
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from temporalio import workflow

from core import contracts
from core.config.settings import Settings, variables
from core.contracts import (
    ACKNOWLEDGED_AT_ATTRIBUTE,
    RESOLVED_AT_ATTRIBUTE,
    SEARCH_ATTRIBUTES,
    SERVERLESS_SETTINGS,
    STATUS_ATTRIBUTE,
    WORKER_SETTINGS,
    WORKERS,
    WorkerSpec,
)
from core.domain.incident.model import Incident
from core.domain.incident.status import Status
from core.domain.severity import Severity
from workers.incident.workflow import search_attributes
from workers.runtime.process import Plan

MOMENTS = {ACKNOWLEDGED_AT_ATTRIBUTE, RESOLVED_AT_ATTRIBUTE}
ROOT = Path(__file__).parents[3]
VARIABLES = {field.name: field.metadata["name"] for field in fields(Settings)}


class RecordingSettings(Settings):
    """Settings that remember which of them were read."""

    __slots__ = ("read",)

    def __getattribute__(self, name: str) -> Any:
        if name in VARIABLES:
            object.__getattribute__(self, "read").add(VARIABLES[name])
        return super().__getattribute__(name)


def plan_of(spec: WorkerSpec) -> tuple[Plan, set[str]]:
    """The worker's plan, and the variables that it was made from."""
    settings = RecordingSettings(
        quarantine="file:///quarantine/",
        documents=("file:///documents/",),
        app_url="https://app.example",
        link_keys=("env:LINK_KEY",),
    )
    object.__setattr__(settings, "read", read := set[str]())
    plan: Plan = importlib.import_module(spec.module).plan(settings)
    return plan, read


def test_the_workers() -> None:
    """A changed property of a worker is a changed line here."""
    expected = [
        {
            "name": "root-worker",
            "package": "root_orchestrator",
            "task_queue": "tidegate-root",
            "workflows": {"RootOrchestrator": ()},
            "search_attributes": (),
            "settings": (
                "TIDEGATE_ROUTES",
                "TIDEGATE_DOCUMENTS",
                "TIDEGATE_QUARANTINE",
                "TIDEGATE_MAX_EVENT_BYTES",
            ),
            "pages": False,
            "parts": (),
        },
        {
            "name": "incident-worker",
            "package": "incident",
            "task_queue": "tidegate-incident",
            "workflows": {"Incident": ("event",), "OnCall": (), "Heartbeat": ("event",)},
            "search_attributes": (
                "TidegateIncidentId",
                "TidegateStatus",
                "TidegateSeverity",
                "TidegateService",
                "TidegateAssignee",
                "TidegateHandle",
                "TidegateAcknowledgedAt",
                "TidegateResolvedAt",
            ),
            "settings": (
                "TIDEGATE_ROUTES",
                "TIDEGATE_POLICIES",
                "TIDEGATE_ONCALL",
                "TIDEGATE_TARGET_VARIABLES",
                "TIDEGATE_DOCUMENTS",
                "TIDEGATE_REPORTS",
                "TIDEGATE_QUARANTINE",
                "TIDEGATE_ACK_TIMEOUT",
                "TIDEGATE_INCIDENT_URL",
                "TIDEGATE_APP_URL",
                "TIDEGATE_LINK_KEYS",
                "TIDEGATE_SECRETS_TTL",
                "TIDEGATE_MAX_REPORT_BYTES",
                "TIDEGATE_CONTINUE_AS_NEW_AFTER",
            ),
            "pages": True,
            "parts": ("oncall", "heartbeat"),
        },
    ]
    found = [spec._asdict() for spec in WORKERS]
    assert found == expected, "change the list in this test along with core.contracts.WORKERS"


def test_every_run_worker_is_registered() -> None:
    found = {path.parent.name for path in (ROOT / "workers").glob("*/run_worker.py")}
    registered = {package for spec in WORKERS for package in (spec.package, *spec.parts)}
    assert found == registered, (
        f"without a WorkerSpec in core/contracts.py: {sorted(found - registered)}; "
        f"without workers/PACKAGE/run_worker.py: {sorted(registered - found)}"
    )


@pytest.mark.parametrize("spec", WORKERS, ids=lambda spec: spec.name)
def test_a_worker_serves_what_is_registered(spec: WorkerSpec) -> None:
    plan, read = plan_of(spec)
    names = [workflow._Definition.must_from_class(served).name for served in plan.workflows]
    assert names == list(spec.workflows)
    assert plan.task_queue == spec.task_queue
    assert plan.search_attributes == spec.search_attributes
    assert read == set(spec.settings)


@pytest.mark.parametrize("field", ["name", "package", "task_queue"])
def test_no_two_workers_share(field: str) -> None:
    assert len({getattr(spec, field) for spec in WORKERS}) == len(WORKERS)


def test_the_settings_exist_and_none_is_named_twice() -> None:
    known = {name for name, _, _ in variables()}
    for spec in WORKERS:
        named = [*spec.settings, *WORKER_SETTINGS]
        assert set(named) <= known
        assert len(set(named)) == len(named)


def test_the_settings_of_serverless_workers_exist_and_none_is_named_twice() -> None:
    assert set(SERVERLESS_SETTINGS) <= {name for name, _, _ in variables()}
    for spec in WORKERS:
        named = [*spec.settings, *SERVERLESS_SETTINGS]
        assert len(set(named)) == len(named)


def test_every_search_attribute_that_an_incident_upserts_is_registered() -> None:
    at = datetime(2026, 1, 2, tzinfo=UTC)
    incident = Incident(
        id="i", key="k", title="t", status=Status.RESOLVED, severity=Severity.HIGH, service="s"
    ).model_copy(update={"assignee": "ana", "first_acknowledged_at": at, "resolved_at": at})
    upserted = search_attributes.changed(incident, search_attributes.Published({}, {}))
    assert upserted
    assert set(upserted.attributes) == set(contracts.INCIDENT_WORKER.search_attributes)
    named = {value for name, value in vars(contracts).items() if name.endswith("_ATTRIBUTE")}
    assert set(SEARCH_ATTRIBUTES) == named


def test_when_an_incident_was_acknowledged_and_resolved_is_upserted_with_its_status_alone() -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, 678000, timezone(timedelta(hours=1)))
    taken = Incident(id="i", key="k", title="t", status=Status.ACKNOWLEDGED).model_copy(
        update={"first_acknowledged_at": at}
    )
    resolved = taken.model_copy(update={"status": Status.RESOLVED, "resolved_at": at})
    nothing = search_attributes.Published({}, {})
    before = search_attributes.changed(taken, nothing)
    assert before
    now = search_attributes.changed(resolved, before)
    assert now
    assert not before.attributes.keys() & MOMENTS
    assert {now.attributes[name] for name in MOMENTS} == {"20260102T020405.678Z"}
    # A run of an older version, continued by this one, had its status already.
    older = before._replace(attributes={**before.attributes, STATUS_ATTRIBUTE: "resolved"})
    assert search_attributes.changed(resolved, older) is None
    reopened = search_attributes.changed(taken, now)
    assert reopened
    assert not reopened.attributes.keys() & MOMENTS
