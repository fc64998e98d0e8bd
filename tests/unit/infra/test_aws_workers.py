"""The workers' templates: every registered worker can start, drain and scale."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

import pytest

from core import bootstrap
from core.config.files import SHIPPED_POLICIES, load_policies
from core.config.settings import Settings
from core.contracts import WORKER_SETTINGS, WorkerSpec
from core.contracts import WORKERS as REGISTERED
from core.domain.oncall.file import NOBODY
from tests.gates.cloudformation_faults import faults
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
from tests.support.deployed_stack import Stack
from tests.support.template_parameters import refusals
from tests.support.variables import ADDRESSES, SETTINGS

TASKS = resources(WORKERS, "ECS::TaskDefinition")
SERVICES = resources(WORKERS, "ECS::Service")
STACKS = {parameters["Worker"]: id for id, parameters in workers().items()}
"""The nested stack of each worker, by the worker's name."""
NESTED = {id: template(WORKER) for id in STACKS.values()}
FILES_AND_FOLDERS = {
    "TIDEGATE_ROUTES",
    "TIDEGATE_POLICIES",
    "TIDEGATE_ONCALL",
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
SECRET = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:tidegate/temporal-AbCdEf"
SUBNETS = ("SubnetIds", "VpcId")
PARAMETERS = {
    "DocumentsBucketName": "tidegate-documents",
    "RecordsBucketName": "tidegate-records",
    "AlarmTopicArn": "arn:aws:sns:eu-west-1:111122223333:tidegate-alarms",
    "TemporalAddress": "example.a1b2c.tmprl.cloud:7233",
    "TemporalSecretArn": SECRET,
    "ImageUri": "registry.example/tidegate-worker:0.1.0-3f2a9c1-arm64",
    "ImageRepositoryArn": "none",
    "VpcId": "vpc-1",
    "SubnetIds": "subnet-1,subnet-2",
}
"""What has no default, and is accepted."""
FARGATE = {
    "256": {"512", "1024", "2048"},
    "512": {str(1024 * gb) for gb in range(1, 5)},
    "1024": {str(1024 * gb) for gb in range(2, 9)},
    "2048": {str(1024 * gb) for gb in range(4, 17)},
    "4096": {str(1024 * gb) for gb in range(8, 31)},
}
"""Megabytes by CPU units: "Task size" in the Amazon ECS Developer Guide."""


def refused(changed: dict[str, str], *, subnets_are_in: tuple[str, ...] = ("vpc-1",)) -> list[str]:
    return refusals(template(WORKERS), PARAMETERS | changed, {SUBNETS: list(subnets_are_in)})


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
    assert secrets(task) - TEMPORALS_OWN == ({"TIDEGATE_TARGET_VARIABLES"} if spec.pages else set())


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


def test_one_secret_holds_every_variable_that_a_policy_names() -> None:
    [entry] = [
        found
        for each in worker("IncidentTask")["Secrets"]
        for found in alternatives(each)
        if found["Name"] not in TEMPORALS_OWN
    ]
    assert text(entry["ValueFrom"]) == "PagingSecretArn"  # the whole secret, and no field of it
    policies = load_policies(SHIPPED_POLICIES, NOBODY)
    content = json.dumps(dict.fromkeys(ADDRESSES, "json://example.com/"))
    settings = Settings.from_env({entry["Name"]: content})
    assert all(bootstrap.addresses(settings, policies.targets).values())


def test_the_example_of_a_paging_secret_is_one() -> None:
    described = template(WORKERS)["Parameters"]["PagingSecretArn"]["Description"]
    [example] = re.findall(r"\{.*\}", described)
    assert Settings.from_env({"TIDEGATE_TARGET_VARIABLES": example}).target_variables


@pytest.mark.parametrize("task", TASKS)
def test_a_task_goes_on_while_its_log_cannot_be_written(task: str) -> None:
    for each in TASKS[task]["ContainerDefinitions"]:
        for container in alternatives(each):
            options = container["LogConfiguration"]["Options"]
            assert options["mode"] == "non-blocking"
            assert options["max-buffer-size"] == "25m"


def test_temporals_port_and_https_are_one_rule_where_they_are_the_same() -> None:
    [https] = resources(WORKERS, "EC2::SecurityGroup")["SecurityGroup"]["SecurityGroupEgress"]
    [(id, temporal)] = resources(WORKERS, "EC2::SecurityGroupEgress").items()
    assert https["FromPort"] == https["ToPort"] == 443
    port = {"Fn::Select": [1, {"Fn::Split": [":", {"Ref": "TemporalAddress"}]}]}
    assert temporal["FromPort"] == temporal["ToPort"] == port
    condition = template(WORKERS)["Resources"][id]["Condition"]
    assert template(WORKERS)["Conditions"][condition] == {
        "Fn::Not": [{"Fn::Equals": [port, "443"]}]
    }


def test_without_the_condition_the_two_rules_would_be_found() -> None:
    seeded = copy.deepcopy(template(WORKERS))
    del seeded["Resources"]["TemporalEgress"]["Condition"]
    [fault] = faults(seeded, NESTED)
    assert "AWS and the targets of pages and Temporal are one rule where" in fault
    assert faults(template(WORKERS), NESTED) == []


# -- bad parameters


def test_what_has_a_default_need_not_be_given() -> None:
    assert refused({}) == []


@pytest.mark.parametrize("cpu", FARGATE)
def test_fargates_sizes_are_accepted_and_no_others(cpu: str) -> None:
    offered = set(template(WORKERS)["Parameters"]["Memory"]["AllowedValues"])
    assert FARGATE[cpu] <= offered
    for memory in offered:
        found = refused({"Cpu": cpu, "Memory": memory})
        if memory in FARGATE[cpu]:
            assert found == []
        else:
            [sentence] = found
            assert sentence.startswith(f"With Cpu={cpu} Fargate takes as Memory ")


def test_every_size_is_one_of_fargates() -> None:
    offered = template(WORKERS)["Parameters"]
    assert set(offered["Cpu"]["AllowedValues"]) == set(FARGATE)
    assert set(offered["Memory"]["AllowedValues"]) == set().union(*FARGATE.values())


@pytest.mark.parametrize("most", range(1, 13))
def test_there_cannot_be_more_tasks_at_least_than_at_most(most: int) -> None:
    for least in range(1, 11):
        found = refused({"MinTasks": str(least), "MaxTasks": str(most)})
        assert found == (["MaxTasks is less than MinTasks."] if least > most else [])
    assert refused({"MinTasks": "11", "MaxTasks": "20"}) == ["MinTasks: illegal"]


def test_subnets_of_another_network_are_refused() -> None:
    assert refused({}, subnets_are_in=("vpc-1", "vpc-2")) == [
        "All of SubnetIds must be in the network VpcId."
    ]


def test_a_secret_is_needed_unless_temporal_asks_for_none() -> None:
    [sentence] = refused({"TemporalSecretArn": ""})
    assert sentence == "TemporalSecretArn is needed, unless TemporalAuth is none."
    assert refused({"TemporalSecretArn": "", "TemporalAuth": "none"}) == []


def test_credentials_that_would_not_be_used_are_refused() -> None:
    [sentence] = refused({"TemporalAuth": "none"})
    assert "are not used" in sentence


def test_an_image_has_a_repository_in_ecr_or_none_is_named() -> None:
    """A forgotten one would deny ECR's images to the tasks."""
    without = {name: value for name, value in PARAMETERS.items() if name != "ImageRepositoryArn"}
    assert refusals(template(WORKERS), without) == ["ImageRepositoryArn is missing"]
    assert refused({"ImageRepositoryArn": ""}) != []
    repository = "arn:aws:ecr:eu-west-1:111122223333:repository/tidegate-worker"
    assert refused({"ImageRepositoryArn": repository}) == []
    for named, pulls in (("none", False), (repository, True)):
        stack = Stack(WORKERS, PARAMETERS | {"ImageRepositoryArn": named})
        role = stack.resources("IAM::Role")["ExecutionRole"]
        assert ("ecr:BatchGetImage" in str(role)) is pulls


LINKS = {"AppUrl": "https://tidegate.example", "LinkKeys": "aws:tidegate/links"}


def test_the_worker_that_pages_has_the_links_address_and_keys() -> None:
    named = {"TIDEGATE_APP_URL": "AppUrl", "TIDEGATE_LINK_KEYS": "LinkKeys"}
    given = {task: environment(task) for task in TASKS}
    assert named.items() <= given["IncidentTask"].items()
    assert not named.keys() & given["RootTask"].keys()
    passed = workers()
    for parameter in LINKS:
        assert passed["Incident"][parameter] == {"Ref": parameter}
        assert parameter not in passed["Root"]


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"LinkKeys": ""}, "LinkKeys is needed with AppUrl"),
        ({"AppUrl": ""}, "LinkKeys is for the links to AppUrl, which is empty"),
        ({"AppUrl": "http://tidegate.example"}, "an https address"),
        ({"LinkKeys": "file:/run/secrets/key"}, "one or two references to secrets"),
    ],
)
def test_links_that_cannot_work_are_refused(changed: dict[str, str], sentence: str) -> None:
    assert refused(LINKS) == []
    [found] = refused(LINKS | changed)
    assert sentence in found


@pytest.mark.parametrize("parameter", ["TemporalSecretArn", "PagingSecretArn"])
@pytest.mark.parametrize(
    "arn", ["tidegate/temporal", SECRET.removesuffix("-AbCdEf"), f"{SECRET}:k"]
)
def test_a_secret_is_named_by_its_whole_arn(parameter: str, arn: str) -> None:
    assert refused({parameter: SECRET}) == []
    [sentence] = refused({parameter: arn})
    assert sentence.startswith(f"{parameter}: the whole ARN of a secret")


@pytest.mark.parametrize(
    ("image", "accepted"),
    [
        ("111122223333.dkr.ecr.eu-west-1.amazonaws.com/tidegate-worker:0.1.0-3f2a9c1-arm64", True),
        (f"registry.example:5000/a/b@sha256:{'0a' * 32}", True),
        (f"registry.example/a:1@sha256:{'0a' * 32}", True),
        ("111122223333.dkr.ecr.eu-west-1.amazonaws.com/tidegate-worker", False),
        ("registry.example:5000/tidegate-worker", False),
        ("https://registry.example/tidegate-worker:1", False),
        ("tidegate-worker:1", False),
        ("registry.example/a@sha256:0a", False),
    ],
)
def test_an_image_has_a_registry_and_a_tag_or_a_digest(image: str, accepted: bool) -> None:
    assert (refused({"ImageUri": image}) == []) is accepted


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("ImageRepositoryArn", "tidegate-worker"),
        ("KeyArn", "1234abcd-12ab-34cd-56ef-1234567890ab"),
        ("AlarmTopicArn", "tidegate-alarms"),
        ("PermissionsBoundaryArn", "tidegate-boundary"),
        ("TemporalAddress", "https://temporal.example.com:7233"),
        ("TemporalAddress", "temporal.example.com"),
        ("TemporalAddress", "temporal.example.com:0443"),
        ("TemporalAddress", "temporal.example.com:65536"),
    ],
)
def test_what_is_no_arn_or_address_is_refused_with_a_sentence(parameter: str, value: str) -> None:
    [sentence] = refused({parameter: value})
    assert sentence.startswith(f"{parameter}: ")
    assert not sentence.endswith("illegal")


# -- both stacks


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
