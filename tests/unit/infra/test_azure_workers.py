"""The workers on Azure: at least one replica, time to drain, health checks, their secrets."""

from __future__ import annotations

import re
from typing import Any

import pytest

from core.config.settings import Settings
from core.contracts import WORKERS, WorkerSpec
from tests.support.azure_parameters import parameters
from tests.support.azure_snapshot import ROOT, Resource, only, outputs, token, variables

APP = "Microsoft.App/containerApps"
every_worker = pytest.mark.parametrize("spec", WORKERS, ids=lambda spec: spec.name)


def app(spec: WorkerSpec) -> Resource:
    return only(APP, f"{spec.name}.prod")


def container(spec: WorkerSpec) -> dict[str, Any]:
    [each] = app(spec).at("properties.template.containers")
    assert isinstance(each, dict)
    return each


@every_worker
def test_a_registered_worker_has_a_template_that_runs_its_module(spec: WorkerSpec) -> None:
    for suffix in ("bicep", "bicepparam", "prod.bicepparam"):
        file = f"infra/azure/{spec.name}.{suffix}"
        assert (ROOT / file).is_file(), f"write {file} after infra/azure/incident-worker.{suffix}"
    assert container(spec)["command"] == ["python", "-m", spec.module]
    assert app(spec).at("tags.azd-service-name") == spec.name


@pytest.mark.parametrize("file", ["modules/worker", *(spec.name for spec in WORKERS)])
def test_a_worker_is_never_scaled_to_zero(file: str) -> None:
    replicas = parameters(f"{file}.bicep")["minReplicas"]
    assert replicas.default == (None if file == "modules/worker" else "1")
    assert replicas.decorators["minValue"] == "1"


@every_worker
def test_a_worker_is_scaled_by_cpu(spec: WorkerSpec) -> None:
    scale = app(spec).at("properties.template.scale")
    assert 1 <= scale["minReplicas"] < scale["maxReplicas"]
    assert [rule["custom"]["type"] for rule in scale["rules"]] == ["cpu"]


@every_worker
def test_a_worker_may_take_longer_to_stop_than_to_drain(spec: WorkerSpec) -> None:
    grace = app(spec).at("properties.template.terminationGracePeriodSeconds")
    spare = grace - int(variables(container(spec)["env"])["TIDEGATE_DRAIN_TIMEOUT"])
    assert spare >= 10
    longest = parameters("modules/worker.bicep")["drainSeconds"].decorators["maxValue"]
    assert int(longest) + spare <= 600  # Container Apps' own limit


@every_worker
def test_the_probes_use_the_workers_address(spec: WorkerSpec) -> None:
    health = (ROOT / "workers/runtime/health.py").read_text(encoding="utf-8")
    address = variables(container(spec)["env"])["TIDEGATE_HEALTH_ADDRESS"]
    assert address == Settings().health_address
    asked = {probe["type"]: probe["httpGet"] for probe in container(spec)["probes"]}
    assert set(asked) == {"Startup", "Liveness", "Readiness"}
    for probe in asked.values():
        assert f'case "{probe["path"]}"' in health
        assert str(probe["port"]) == address.rpartition(":")[2]
    assert asked["Liveness"]["path"] == "/healthz"
    assert asked["Readiness"]["path"] == "/readyz"


@every_worker
def test_a_worker_reads_secrets_from_the_vault_by_its_identity(spec: WorkerSpec) -> None:
    platform = token("main.prod")
    [identity] = app(spec).at("identity.userAssignedIdentities")
    assert identity.endswith(f"/id-{spec.name}-{platform}")
    configuration = app(spec).at("properties.configuration")
    assert [each["identity"] for each in configuration["registries"]] == [identity]
    vault = re.escape(f"/vaults/{outputs('main.prod')['PLATFORM_VAULT']}'")
    for secret in configuration["secrets"]:
        assert secret["identity"] == identity
        assert re.search(rf"{vault}.*'{secret['name']}'\)\]$", secret["keyVaultUrl"])


@every_worker
def test_a_variable_names_a_secret_that_the_app_has(spec: WorkerSpec) -> None:
    stored = [each["name"] for each in app(spec).at("properties.configuration.secrets")]
    used = {each["secretRef"] for each in container(spec)["env"] if "secretRef" in each}
    assert used == set(stored)
    assert len(stored) == len(set(stored))


def test_variables_of_policies_come_from_the_vault() -> None:
    [incident] = [spec for spec in WORKERS if spec.name == "incident-worker"]
    env = variables(container(incident)["env"])
    assert env["PAGER_KEY"] == "pager-key"
    assert env["CHAT_URL"] == "chat-url"
