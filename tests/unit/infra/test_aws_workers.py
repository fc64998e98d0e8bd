"""The workers' templates: every registered worker can start, drain and scale."""

from __future__ import annotations

import re
from typing import Any

import pytest

from core.adapters.notifiers.addresses import read_addresses
from core.config.files import SHIPPED_POLICIES, load_policies
from core.contracts import WORKER_SETTINGS, WorkerSpec
from core.contracts import WORKERS as REGISTERED
from tests.support.cloudformation import (
    ROOT,
    TEMPLATES,
    WORKER,
    WORKERS,
    alternatives,
    resources,
    template,
    text,
    walk,
    workers,
)
from tests.support.variables import ADDRESSES, SETTINGS

TASKS = resources(WORKERS, "ECS::TaskDefinition")
SERVICES = resources(WORKERS, "ECS::Service")
STACKS = {parameters["Worker"]: id for id, parameters in workers().items()}
"""The nested stack of each worker, by the worker's name."""
FILES_AND_FOLDERS = {
    "TIDEGATE_ROUTES",
    "TIDEGATE_POLICIES",
    "TIDEGATE_DOCUMENTS",
    "TIDEGATE_REPORTS",
    "TIDEGATE_QUARANTINE",
}
"""Settings without which a worker would use the wrong files and folders."""
TEMPORALS_OWN = {
    "TEMPORAL_ADDRESS",
    "TEMPORAL_NAMESPACE",
    "TEMPORAL_API_KEY",
    "TEMPORAL_TLS_CLIENT_CERT_DATA",
    "TEMPORAL_TLS_CLIENT_KEY_DATA",
    "TEMPORAL_TLS_SERVER_NAME",
}


def worker(task: str) -> dict[str, Any]:
    container: dict[str, Any] = TASKS[task]["ContainerDefinitions"][0]
    return container


def environment(task: str) -> dict[str, str]:
    given = [found for each in worker(task)["Environment"] for found in alternatives(each)]
    return {each["Name"]: text(each["Value"]) for each in given}


def secrets(task: str) -> set[str]:
    return {found["Name"] for each in worker(task)["Secrets"] for found in alternatives(each)}


def test_each_registered_worker_has_a_stack_and_nothing_else_has_one() -> None:
    assert set(STACKS) == {spec.name for spec in REGISTERED}, (
        "infra/aws/workers.yaml needs one nested stack of worker.yaml for each of "
        "core.contracts.WORKERS"
    )
    assert set(TASKS) == {f"{id}Task" for id in STACKS.values()}


@pytest.mark.parametrize("spec", REGISTERED, ids=lambda spec: spec.name)
def test_a_worker_runs_its_module_with_the_settings_it_reads(spec: WorkerSpec) -> None:
    task = f"{STACKS[spec.name]}Task"
    assert worker(task)["EntryPoint"] + worker(task)["Command"] == ["python", "-m", spec.module]
    given = {name for name in environment(task) if name.startswith("TIDEGATE_")}
    assert FILES_AND_FOLDERS & given == FILES_AND_FOLDERS & set(spec.settings)
    assert given <= {*spec.settings, *WORKER_SETTINGS}
    assert {"TEMPORAL_ADDRESS", "AWS_DEFAULT_REGION"} <= set(environment(task))
    assert bool(secrets(task) - TEMPORALS_OWN) == spec.pages


@pytest.mark.parametrize("spec", REGISTERED, ids=lambda spec: spec.name)
def test_a_worker_is_found_under_its_name(spec: WorkerSpec) -> None:
    id = STACKS[spec.name]
    service, logs = SERVICES[f"{id}Service"], resources(WORKERS, "Logs::LogGroup")[f"{id}Logs"]
    assert text(service["ServiceName"]) == f"${{Name}}-{spec.name}"
    assert text(logs["LogGroupName"]) == f"/tidegate/${{Name}}/{spec.name}"


@pytest.mark.parametrize("task", TASKS)
def test_a_task_may_run_longer_than_its_drain(task: str) -> None:
    assert worker(task)["StopTimeout"] == 120
    assert int(environment(task)["TIDEGATE_DRAIN_TIMEOUT"]) + 10 <= worker(task)["StopTimeout"]


@pytest.mark.parametrize("task", TASKS)
def test_the_health_check_uses_the_workers_address(task: str) -> None:
    [program, interpreter, flag, script] = worker(task)["HealthCheck"]["Command"]
    assert (program, interpreter, flag) == ("CMD", "python", "-c")
    compile(script, "health", "exec")
    assert f"http://{environment(task)['TIDEGATE_HEALTH_ADDRESS']}/healthz" in script


@pytest.mark.parametrize("task", TASKS)
def test_a_task_has_a_read_only_disk_and_no_capabilities(task: str) -> None:
    containers = [f for each in TASKS[task]["ContainerDefinitions"] for f in alternatives(each)]
    assert {container["ReadonlyRootFilesystem"] for container in containers} == {True}
    assert worker(task)["LinuxParameters"]["Capabilities"] == {"Drop": ["ALL"]}


def test_each_worker_has_its_own_role_apart_from_the_execution_role() -> None:
    roles = {text(task["TaskRoleArn"]) for task in TASKS.values()}
    assert roles == {f"{id}Role.Arn" for id in STACKS.values()}
    assert {text(task["ExecutionRoleArn"]) for task in TASKS.values()} == {"ExecutionRole.Arn"}


@pytest.mark.parametrize("id", SERVICES)
def test_a_service_is_private_and_rolls_back_a_version_that_does_not_start(id: str) -> None:
    network = SERVICES[id]["NetworkConfiguration"]["AwsvpcConfiguration"]
    assert network["AssignPublicIp"] == "DISABLED"
    deployment = SERVICES[id]["DeploymentConfiguration"]
    assert deployment["DeploymentCircuitBreaker"] == {"Enable": True, "Rollback": True}
    assert deployment["MinimumHealthyPercent"] == 100
    assert "DesiredCount" not in SERVICES[id]
    assert "SecurityGroupIngress" not in resources(WORKERS, "EC2::SecurityGroup")["SecurityGroup"]


@pytest.mark.parametrize("stack", STACKS.values())
def test_a_service_scales_by_cpu_and_backlog(stack: str) -> None:
    policies = resources(WORKERS, "ApplicationAutoScaling::ScalingPolicy")
    by_cpu = policies[f"{stack}ScalingByCpu"]["TargetTrackingScalingPolicyConfiguration"]
    assert by_cpu["PredefinedMetricSpecification"] == {
        "PredefinedMetricType": "ECSServiceAverageCPUUtilization"
    }
    by_backlog = policies[f"{stack}ScalingByBacklog"]["TargetTrackingScalingPolicyConfiguration"][
        "CustomizedMetricSpecification"
    ]["Metrics"]
    metrics = {each["Id"]: each for each in by_backlog}
    assert [id for id, each in metrics.items() if each["ReturnData"]] == ["each"]
    backlog = metrics["backlog"]["MetricStat"]["Metric"]
    made = resources(WORKERS, "Logs::MetricFilter")[f"{stack}Backlog"]
    [transformation] = made["MetricTransformations"]
    assert text(made["LogGroupName"]) == f"{stack}Logs"
    assert backlog["MetricName"] == transformation["MetricName"]
    assert text(backlog["Namespace"]) == text(transformation["MetricNamespace"])


def test_the_shipped_policies_find_their_addresses() -> None:
    given = dict.fromkeys(secrets("IncidentTask"), "json://example.com/")
    assert all(read_addresses(load_policies(SHIPPED_POLICIES).targets, given).values())


@pytest.mark.parametrize("name", [*TEMPLATES, WORKER, "infra/aws/env.local.json"])
def test_every_variable_of_a_template_is_a_real_setting(name: str) -> None:
    named = set(re.findall(r"\bTIDEGATE_[A-Z_]+\b", (ROOT / name).read_text()))
    assert named <= SETTINGS | ADDRESSES
    temporals = set(re.findall(r"\bTEMPORAL_[A-Z_]+\b", (ROOT / name).read_text()))
    assert temporals <= TEMPORALS_OWN


def test_shared_parameters_are_the_same_in_both_stacks() -> None:
    front, back = (template(name)["Parameters"] for name in ("template.yaml", WORKERS))
    shared = set(front) & set(back)
    assert {"Name", "TemporalAddress", "TemporalNamespace", "TemporalAuth"} <= shared
    for name in shared - {"SubnetIds"}:  # optional for the functions, required for the workers
        for field in ("Type", "Default", "AllowedPattern", "AllowedValues"):
            assert front[name].get(field) == back[name].get(field), (name, field)


@pytest.mark.parametrize("name", [*TEMPLATES, WORKER])
def test_no_template_names_a_registry_or_a_person(name: str) -> None:
    for value in walk(template(name)):
        if isinstance(value, str):
            assert not re.search(r"docker\.io|\.ecr\.|@[a-z]+\.[a-z]+", value), value
