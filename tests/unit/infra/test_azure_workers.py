"""The workers on Azure: at least one replica, time to drain, health checks, alerts."""

from __future__ import annotations

import re

import pytest

from core.config.settings import Settings
from core.contracts import WORKERS, WorkerSpec
from tests.support.azure_templates import (
    ROOT,
    at,
    made,
    named_values,
    template,
    text,
)

WORKER = template("modules/worker")
WORKER_VARIABLES = named_values(WORKER.variables["variables"])


@pytest.mark.parametrize("spec", WORKERS, ids=lambda spec: spec.name)
def test_a_registered_worker_has_a_template_that_runs_its_module(spec: WorkerSpec) -> None:
    for suffix in ("bicep", "parameters.json"):
        file = f"infra/azure/{spec.name}.{suffix}"
        assert (ROOT / file).is_file(), f"write {file} after infra/azure/incident-worker.{suffix}"
    [module] = template(spec.name).modules
    assert module.params["name"] == spec.name
    assert module.params["entryPoint"] == spec.module


@pytest.mark.parametrize("file", ["modules/worker", *(spec.name for spec in WORKERS)])
def test_a_worker_is_never_scaled_to_zero(file: str) -> None:
    replicas = template(file).params["minReplicas"]
    assert replicas.default == 1
    assert replicas.decorators["minValue"] == 1


def test_a_worker_is_scaled_by_cpu() -> None:
    scale = at(WORKER.resource("Microsoft.App/containerApps").body, "properties.template.scale")
    assert text(scale["minReplicas"]) == "minReplicas"
    assert [at(rule, "custom.type") for rule in scale["rules"]] == ["cpu"]


def test_a_worker_may_take_longer_to_stop_than_to_drain() -> None:
    app = at(WORKER.resource("Microsoft.App/containerApps").body, "properties.template")
    spare = re.fullmatch(r"drainSeconds \+ (\d+)", text(app["terminationGracePeriodSeconds"]))
    assert spare
    assert int(spare[1]) >= 10
    assert text(WORKER_VARIABLES["TIDEGATE_DRAIN_TIMEOUT"]) == "string(drainSeconds)"
    longest = WORKER.params["drainSeconds"].decorators["maxValue"]
    assert longest + int(spare[1]) <= 600  # Container Apps' own limit


def test_the_probes_use_the_workers_address() -> None:
    health = (ROOT / "workers/runtime/health.py").read_text(encoding="utf-8")
    assert WORKER_VARIABLES["TIDEGATE_HEALTH_ADDRESS"] == Settings().health_address
    [container] = at(
        WORKER.resource("Microsoft.App/containerApps").body, "properties.template.containers"
    )
    asked = {probe["type"]: probe["httpGet"] for probe in container["probes"]}
    assert set(asked) == {"Startup", "Liveness", "Readiness"}
    for probe in asked.values():
        assert f'case "{probe["path"]}"' in health
        assert str(probe["port"]) == Settings().health_address.rpartition(":")[2]
    assert asked["Liveness"]["path"] == "/healthz"
    assert asked["Readiness"]["path"] == "/readyz"


def test_every_alert_reaches_somebody_and_is_in_the_runbook() -> None:
    runbook = (ROOT / "docs/deploy-azure.md").read_text(encoding="utf-8")
    alerts = template("modules/alerts")
    listed = [
        each["name"]
        for name in ("busMetrics", "topicMetrics", "queries")
        for each in alerts.variables[name]
    ]
    workers = [f"{spec.name}-{what}" for spec in WORKERS for what in ("restarts", "absent")]
    for name in [*listed, *workers]:
        assert f"`{name}`" in runbook, name
    rules = made("Microsoft.Insights/metricAlerts") + made("Microsoft.Insights/scheduledQueryRules")
    assert len(rules) == 5
    for file, rule in rules:
        assert re.search(r"actionGroupId|operators\.id", str(at(rule.body, "properties.actions")))
        assert at(rule.body, "properties.enabled") is True, file.path.name
