"""The workers' template: that what runs there can start, drain, and grow."""

from __future__ import annotations

import importlib
import re
from typing import Any

import pytest

from core.adapters.notifiers.addresses import addresses
from core.config.files import SHIPPED_POLICIES, load_policies
from tests.support.cloudformation import (
    ROOT,
    TEMPLATES,
    WORKERS,
    alternatives,
    resources,
    template,
    text,
    walk,
)
from tests.support.variables import ADDRESSES, SETTINGS

TASKS = resources(WORKERS, "ECS::TaskDefinition")
SERVICES = resources(WORKERS, "ECS::Service")
MODULES = {
    "RootTask": "workers.root_orchestrator.run_worker",
    "IncidentTask": "workers.incident.run_worker",
}
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


@pytest.mark.parametrize(("task", "module"), MODULES.items())
def test_a_task_runs_a_worker_that_exists(task: str, module: str) -> None:
    assert worker(task)["EntryPoint"] + worker(task)["Command"] == ["python", "-m", module]
    assert callable(importlib.import_module(module).plan)


@pytest.mark.parametrize("task", MODULES)
def test_a_task_outlives_its_drain(task: str) -> None:
    assert worker(task)["StopTimeout"] == 120
    assert int(environment(task)["TIDEGATE_DRAIN_TIMEOUT"]) + 10 <= worker(task)["StopTimeout"]


@pytest.mark.parametrize("task", MODULES)
def test_health_is_asked_where_the_worker_serves_it(task: str) -> None:
    [program, interpreter, flag, script] = worker(task)["HealthCheck"]["Command"]
    assert (program, interpreter, flag) == ("CMD", "python", "-c")
    compile(script, "health", "exec")
    assert f"http://{environment(task)['TIDEGATE_HEALTH_ADDRESS']}/healthz" in script


@pytest.mark.parametrize("task", MODULES)
def test_a_task_can_change_nothing_on_its_disk_and_has_no_capabilities(task: str) -> None:
    containers = [f for each in TASKS[task]["ContainerDefinitions"] for f in alternatives(each)]
    assert {container["ReadonlyRootFilesystem"] for container in containers} == {True}
    assert worker(task)["LinuxParameters"]["Capabilities"] == {"Drop": ["ALL"]}


def test_each_worker_has_a_role_of_its_own_that_is_not_the_one_that_starts_it() -> None:
    roles = {text(task["TaskRoleArn"]) for task in TASKS.values()}
    assert roles == {"RootRole.Arn", "IncidentRole.Arn"}
    assert {text(task["ExecutionRoleArn"]) for task in TASKS.values()} == {"ExecutionRole.Arn"}


@pytest.mark.parametrize("id", SERVICES)
def test_a_service_is_private_and_goes_back_when_a_version_does_not_start(id: str) -> None:
    network = SERVICES[id]["NetworkConfiguration"]["AwsvpcConfiguration"]
    assert network["AssignPublicIp"] == "DISABLED"
    deployment = SERVICES[id]["DeploymentConfiguration"]
    assert deployment["DeploymentCircuitBreaker"] == {"Enable": True, "Rollback": True}
    assert deployment["MinimumHealthyPercent"] == 100
    assert "DesiredCount" not in SERVICES[id]
    assert "SecurityGroupIngress" not in resources(WORKERS, "EC2::SecurityGroup")["SecurityGroup"]


@pytest.mark.parametrize("worker_name", ["Root", "Incident"])
def test_a_service_grows_by_processor_and_by_what_waits(worker_name: str) -> None:
    policies = resources(WORKERS, "ApplicationAutoScaling::ScalingPolicy")
    by_cpu = policies[f"{worker_name}ScalingByCpu"]["TargetTrackingScalingPolicyConfiguration"]
    assert by_cpu["PredefinedMetricSpecification"] == {
        "PredefinedMetricType": "ECSServiceAverageCPUUtilization"
    }
    by_backlog = policies[f"{worker_name}ScalingByBacklog"][
        "TargetTrackingScalingPolicyConfiguration"
    ]["CustomizedMetricSpecification"]["Metrics"]
    metrics = {each["Id"]: each for each in by_backlog}
    assert [id for id, each in metrics.items() if each["ReturnData"]] == ["each"]
    backlog = metrics["backlog"]["MetricStat"]["Metric"]
    made = resources(WORKERS, "Logs::MetricFilter")[f"{worker_name}Backlog"]
    [transformation] = made["MetricTransformations"]
    assert text(made["LogGroupName"]) == f"{worker_name}Logs"
    assert backlog["MetricName"] == transformation["MetricName"]
    assert text(backlog["Namespace"]) == text(transformation["MetricNamespace"])


def test_the_shipped_policies_find_their_addresses() -> None:
    given = dict.fromkeys(secrets("IncidentTask"), "json://example.com/")
    assert all(addresses(load_policies(SHIPPED_POLICIES).targets, given).values())
    assert not secrets("RootTask") - TEMPORALS_OWN


@pytest.mark.parametrize("name", [*TEMPLATES, "infra/aws/env.local.json"])
def test_every_variable_of_a_template_is_a_real_setting(name: str) -> None:
    named = set(re.findall(r"\bTIDEGATE_[A-Z_]+\b", (ROOT / name).read_text()))
    assert named <= SETTINGS | ADDRESSES
    temporals = set(re.findall(r"\bTEMPORAL_[A-Z_]+\b", (ROOT / name).read_text()))
    assert temporals <= TEMPORALS_OWN


def test_what_a_worker_needs_is_set() -> None:
    common = {"TIDEGATE_DOCUMENTS", "TIDEGATE_QUARANTINE", "TEMPORAL_ADDRESS", "AWS_DEFAULT_REGION"}
    assert common | {"TIDEGATE_ROUTES"} <= set(environment("RootTask"))
    assert common | {"TIDEGATE_REPORTS", "TIDEGATE_POLICIES"} <= set(environment("IncidentTask"))


def test_both_stacks_call_the_same_parameters_the_same() -> None:
    front, workers = (template(name)["Parameters"] for name in ("template.yaml", WORKERS))
    shared = set(front) & set(workers)
    assert {"Name", "TemporalAddress", "TemporalNamespace", "TemporalAuth"} <= shared
    for name in shared - {"SubnetIds"}:  # a choice of the functions, a must of the workers
        for field in ("Type", "Default", "AllowedPattern", "AllowedValues"):
            assert front[name].get(field) == workers[name].get(field), (name, field)


@pytest.mark.parametrize("name", TEMPLATES)
def test_no_template_names_a_registry_or_a_person(name: str) -> None:
    for value in walk(template(name)):
        if isinstance(value, str):
            assert not re.search(r"docker\.io|\.ecr\.|@[a-z]+\.[a-z]+", value), value
