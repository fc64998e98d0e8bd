"""The workers on Lambda: one published version for each build ID, a role that Temporal alone may
assume, and eyes outside of what they watch."""

from __future__ import annotations

import ast
import importlib
import json
import os
import re
import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest

from core import emf
from core.config.settings import Settings, variables
from core.contracts import SERVERLESS_RESERVE, SERVERLESS_SETTINGS, WORKERS
from tests.support.cloudformation import (
    FRONT_DOOR,
    ROOT,
    SERVERLESS,
    alternatives,
    resources,
    template,
    text,
)
from tests.support.cloudformation import WORKERS as CONTAINERS
from tests.support.deployed_stack import Stack
from tests.support.serverless_metrics import EMITTERS, Metric, emitted_by
from tests.support.template_parameters import refusals
from workers.incident.workflow.activity_options import PAGE, REPORT
from workers.serverless.slots import Sizes

SECRET = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:tidegate/temporal-AbCdEf"
KEY = "arn:aws:kms:eu-west-1:111122223333:key/0a1b2c3d"
TEMPORAL = "arn:aws:iam::444455556666:role/wci-lambda-invoke"
PARAMETERS = {
    "DocumentsBucketName": "tidegate-documents",
    "RecordsBucketName": "tidegate-records",
    "AlarmTopicArn": "arn:aws:sns:eu-west-1:111122223333:tidegate-alarms",
    "TemporalAddress": "example.a1b2c.tmprl.cloud:7233",
    "TemporalSecretArn": SECRET,
    "TemporalPrincipalArns": TEMPORAL,
    "ExternalId": "0a1b2c3d-0000-4000-8000-000000000000",
    "BuildId": "1.4.0-3f2a9c1",
}
"""What has no default, and is accepted."""
FUNCTIONS = resources(SERVERLESS, "Serverless::Function")
ALARMS = resources(SERVERLESS, "CloudWatch::Alarm")


def refused(**changed: str) -> list[str]:
    return refusals(template(SERVERLESS), PARAMETERS | changed)


def deployed(**changed: str) -> Stack:
    return Stack(SERVERLESS, PARAMETERS | changed)


def environment(function: str, **changed: str) -> dict[str, Any]:
    """A function's variables: those of all functions, and its own."""
    stack = deployed(**changed)
    shared = stack.function_globals()["Environment"]["Variables"]
    own = stack.resources("Serverless::Function")[function].get("Environment", {})
    return {**shared, **own.get("Variables", {})}


# -- the functions


def test_there_are_the_workers_and_their_watch_with_handlers_that_exist() -> None:
    assert {id: each["Handler"] for id, each in FUNCTIONS.items()} == {
        "Workers": "workers.serverless.handler.handler",
        "Watch": "workers.serverless.watch.handler",
    }
    for each in FUNCTIONS.values():
        module, _, name = each["Handler"].rpartition(".")
        assert callable(getattr(importlib.import_module(module), name))


@pytest.mark.parametrize("id", FUNCTIONS)
def test_a_function_is_built_by_its_own_target(id: str) -> None:
    metadata = template(SERVERLESS)["Resources"][id]["Metadata"]
    assert (metadata["BuildMethod"], metadata["ContextPath"]) == ("makefile", "../../functions_aws")
    makefile = (ROOT / "functions_aws" / "Makefile").read_text()
    assert re.search(rf"^WORKERS := .*\bbuild-{id}\b", makefile, re.M)


def test_the_functions_are_those_of_the_front_doors_runtime() -> None:
    ours, theirs = (template(name)["Globals"]["Function"] for name in (SERVERLESS, FRONT_DOOR))
    assert ours["Runtime"] == theirs["Runtime"]
    assert ours["Architectures"] == theirs["Architectures"]


@pytest.mark.parametrize("id", FUNCTIONS)
def test_a_function_logs_in_json_into_its_own_group(id: str) -> None:
    logging = FUNCTIONS[id]["LoggingConfig"]
    assert logging["LogFormat"] == "JSON"
    group = resources(SERVERLESS, "Logs::LogGroup")[text(logging["LogGroup"])]
    assert text(group["LogGroupName"]) == f"/aws/lambda/{text(FUNCTIONS[id]['FunctionName'])}"


def test_the_workers_have_every_setting_of_the_workers_that_is_the_stacks() -> None:
    """What is left out has a default that fits."""
    given = {name for name in environment("Workers", PagingSecretArn=SECRET) if "TIDEGATE" in name}
    known = {*SERVERLESS_SETTINGS, *(name for spec in WORKERS for name in spec.settings)}
    assert given <= known
    assert given >= {
        "TIDEGATE_BUILD_ID",
        "TIDEGATE_SERVED_WORKERS",
        "TIDEGATE_DOCUMENTS",
        "TIDEGATE_REPORTS",
        "TIDEGATE_QUARANTINE",
        "TIDEGATE_TARGET_VARIABLES",
    }


def test_the_settings_of_the_template_are_accepted_by_the_workers() -> None:
    settings = Settings.from_env(
        {name: str(value) for name, value in environment("Workers").items()}
    )
    assert settings.build_id == "1.4.0-3f2a9c1"
    assert settings.served_workers == WORKERS
    defaults = {name: default for name, default, _ in variables()}
    assert settings.idle_timeout == defaults["TIDEGATE_IDLE_TIMEOUT"]
    assert settings.first_task_timeout == defaults["TIDEGATE_FIRST_TASK_TIMEOUT"]


def test_each_worker_that_is_registered_may_be_served_alone() -> None:
    for spec in WORKERS:
        assert refused(ServedWorkers=spec.name) == []
    assert refused(ServedWorkers=",".join(spec.name for spec in WORKERS)) == []
    assert refused(ServedWorkers="nobody") != []


def test_no_timeout_that_is_accepted_is_too_short_for_a_drain() -> None:
    parameters = template(SERVERLESS)["Parameters"]
    drain = float(environment("Workers")["TIDEGATE_DRAIN_TIMEOUT"])
    longest_wait = parameters["FirstTaskTimeout"]["MaxValue"]
    assert drain + longest_wait + SERVERLESS_RESERVE <= parameters["Timeout"]["MinValue"]
    assert parameters["Timeout"]["MaxValue"] == 900, "Lambda's maximum"
    assert f"In the last {drain + SERVERLESS_RESERVE:g} " in parameters["Timeout"]["Description"]


def test_a_drain_is_longer_than_any_activity_may_take() -> None:
    """So no page and no report that was begun is ever cut off by the function's deadline."""
    timeouts = activity_timeouts()
    assert timeouts >= {PAGE["start_to_close_timeout"], REPORT["start_to_close_timeout"]}
    drain = timedelta(seconds=float(environment("Workers")["TIDEGATE_DRAIN_TIMEOUT"]))
    assert drain > max(timeouts)


def activity_timeouts() -> set[timedelta]:
    """Every `start_to_close_timeout` in the workers' code."""
    found = set()
    for path in (ROOT / "workers").rglob("*.py"):
        tree = ast.parse(path.read_text())
        values = [
            *keywords(tree, "start_to_close_timeout"),
            *entries(tree, "start_to_close_timeout"),
        ]
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for value in values:
            written = ast.unparse(value)
            found.add(eval(written, vars(importlib.import_module(name))))  # noqa: S307
    return found


def keywords(tree: ast.AST, name: str) -> list[ast.expr]:
    return [
        node.value for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg == name
    ]


def entries(tree: ast.AST, name: str) -> list[ast.expr]:
    return [
        value
        for node in ast.walk(tree)
        if isinstance(node, ast.Dict)
        for key, value in zip(node.keys, node.values, strict=True)
        if isinstance(key, ast.Constant) and key.value == name
    ]


def test_secrets_come_from_secrets_manager_only_and_the_watch_has_none_but_temporals() -> None:
    for auth, names in (
        ("api-key", {"TEMPORAL_API_KEY"}),
        ("mtls", {"TEMPORAL_TLS_CLIENT_CERT_DATA", "TEMPORAL_TLS_CLIENT_KEY_DATA"}),
    ):
        given = environment("Watch", TemporalAuth=auth, PagingSecretArn=SECRET, KeyArn=KEY)
        resolved = {name: v for name, v in given.items() if "{{resolve:" in json.dumps(v)}
        assert set(resolved) == names
        for value in resolved.values():
            assert text(value).startswith(f"{{{{resolve:secretsmanager:{SECRET}:SecretString:")
    given = environment("Workers", PagingSecretArn=SECRET, KeyArn=KEY)
    # The whole secret, so that policies may name any variable.
    assert given["TIDEGATE_TARGET_VARIABLES"] == (
        f"{{{{resolve:secretsmanager:{SECRET}:SecretString}}}}"
    )


# -- versions


def test_a_build_id_is_one_version_and_those_before_it_stay() -> None:
    """Workflows that are pinned to an earlier build end on it."""
    [(id, version)] = resources(SERVERLESS, "Lambda::Version").items()
    # A changed description replaces the version: cfn-lint's copy of CloudFormation's schema.
    assert version == {"FunctionName": {"Ref": "Workers"}, "Description": {"Ref": "BuildId"}}
    resource = template(SERVERLESS)["Resources"][id]
    assert resource["UpdateReplacePolicy"] == "Retain"
    # After a deployment that was rolled back Lambda would refuse a second version of the same code.
    assert resource["DeletionPolicy"] == "RetainExceptOnCreate"
    assert not any("AutoPublishAlias" in each for each in FUNCTIONS.values())


def test_a_new_build_id_changes_the_function_or_lambda_would_publish_nothing() -> None:
    one, other = (environment("Workers", BuildId=id) for id in ("a", "b"))
    assert {name for name in one if one[name] != other[name]} == {"TIDEGATE_BUILD_ID"}


def test_the_outputs_are_what_tidegate_workers_deploy_needs() -> None:
    outputs = template(SERVERLESS)["Outputs"]
    assert {name: each["Value"] for name, each in outputs.items()} == {
        "BuildId": {"Ref": "BuildId"},
        "WorkersVersionArn": {"Ref": "WorkersVersion"},
        "InvocationRoleArn": {"Fn::GetAtt": ["InvocationRole", "Arn"]},
        "ExternalId": {"Ref": "ExternalId"},
    }
    # Or the output would be asterisks. An external ID is not secret: AWS's "Access to AWS accounts
    # owned by third parties".
    assert "NoEcho" not in template(SERVERLESS)["Parameters"]["ExternalId"]


def test_an_invocation_is_repeated_once_and_not_held_for_hours() -> None:
    [config] = resources(SERVERLESS, "Lambda::EventInvokeConfig").values()
    assert config["Qualifier"] == {"Fn::GetAtt": ["WorkersVersion", "Version"]}
    # Lambda repeats after a minute, so an event of a minute's age would be dropped instead.
    assert (config["MaximumRetryAttempts"], config["MaximumEventAgeInSeconds"]) == (1, 180)
    assert "DestinationConfig" not in config


def test_a_look_is_not_repeated() -> None:
    look = FUNCTIONS["Watch"]["EventInvokeConfig"]
    assert look == {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60}


@pytest.mark.parametrize(("reserve", "expected"), [("true", ["7", 1]), ("false", [None, None])])
def test_the_workers_are_bounded_where_concurrency_is_reserved(
    reserve: str, expected: list[Any]
) -> None:
    made = deployed(ReserveConcurrency=reserve, MaximumConcurrency="7")
    functions = made.resources("Serverless::Function")
    found = [functions[id].get("ReservedConcurrentExecutions") for id in ("Workers", "Watch")]
    assert found == expected


def test_the_quota_that_the_defaults_need_is_the_one_that_is_named() -> None:
    reserved = sum(
        int(function["ReservedConcurrentExecutions"])
        for stack in (Stack(FRONT_DOOR), deployed())
        for function in stack.resources("Serverless::Function").values()
    )
    described = template(SERVERLESS)["Parameters"]["ReserveConcurrency"]["Description"]
    # Source: AWS Lambda, "Configuring reserved concurrency for a function".
    assert f"must be {reserved + 100}." in described.replace("\n", " ")


def test_the_guide_says_how_much_a_worker_of_the_default_memory_does_concurrently() -> None:
    sizes = Sizes.of(int(deployed().resources("Serverless::Function")["Workers"]["MemorySize"]))
    assert (sizes.workflow, sizes.activity) == (10, 20)
    guide = " ".join((ROOT / "docs" / "deploy-aws.md").read_text(encoding="utf-8").split())
    assert "ten workflow tasks and twenty activities of each task queue" in guide


# -- the role of Temporal


def test_temporal_may_assume_its_role_with_the_external_id_only() -> None:
    other = "arn:aws:iam::777788889999:role/temporal"
    role = deployed(TemporalPrincipalArns=f"{TEMPORAL},{other}").resources("IAM::Role")
    [statement] = role["InvocationRole"]["AssumeRolePolicyDocument"]["Statement"]
    assert statement == {
        "Effect": "Allow",
        "Principal": {"AWS": [TEMPORAL, other]},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"sts:ExternalId": PARAMETERS["ExternalId"]}},
    }


def test_its_rights_reach_versions_and_not_the_function_itself_or_the_watch() -> None:
    role = deployed().resources("IAM::Role")["InvocationRole"]
    [statement] = role["Policies"][0]["PolicyDocument"]["Statement"]
    [function] = [
        text(each["FunctionName"]).replace("${Name}", "tidegate")
        for id, each in FUNCTIONS.items()
        if id == "Workers"
    ]
    arn = f"arn:aws:lambda:eu-west-1:111122223333:function:{function}"
    assert statement["Resource"] == f"{arn}:*"
    assert "ManagedPolicyArns" not in role


def test_whom_to_page_is_encrypted_with_a_key_that_temporal_has_no_right_to() -> None:
    """`lambda:GetFunction` answers with the environment, decrypted where the caller may do that."""
    [sentence] = refused(PagingSecretArn=SECRET)
    assert sentence.startswith("KeyArn is needed with PagingSecretArn.")
    assert refused(PagingSecretArn=SECRET, KeyArn=KEY) == []
    [key] = alternatives(template(SERVERLESS)["Globals"]["Function"]["KmsKeyArn"])
    assert key == {"Ref": "KeyArn"}
    role = deployed(KeyArn=KEY).resources("IAM::Role")["InvocationRole"]
    assert "kms:" not in json.dumps(role)


# -- the look from outside


@pytest.mark.parametrize(
    ("minutes", "rate"),
    [("1", "rate(1 minute)"), ("2", "rate(2 minutes)"), ("5", "rate(5 minutes)")],
)
def test_the_watch_looks_on_a_schedule(minutes: str, rate: str) -> None:
    stack = deployed(WatchMinutes=minutes)
    [rule] = stack.resources("Events::Rule").values()
    assert rule["ScheduleExpression"] == rate
    [target] = rule["Targets"]
    assert target["Arn"] == {"Fn::GetAtt": ["Watch", "Arn"]}
    [permission] = stack.resources("Lambda::Permission").values()
    assert permission["Principal"] == "events.amazonaws.com"
    assert permission["SourceArn"] == {"Fn::GetAtt": ["WatchRule", "Arn"]}


def test_a_watch_that_sees_nothing_is_noticed_at_every_rate() -> None:
    slowest = max(template(SERVERLESS)["Parameters"]["WatchMinutes"]["AllowedValues"])
    for name in ("WatchSilent", "WorkersWait", "WorkersUnreachable"):
        assert ALARMS[name]["Period"] >= 60 * slowest, name
    assert ALARMS["WatchSilent"]["TreatMissingData"] == "breaching"
    assert ALARMS["WatchSilent"]["Statistic"] == "SampleCount"


@pytest.mark.parametrize(
    ("alarm", "metric", "of", "when"),
    [
        ("WorkersWait", "BacklogAge", {"service": "Name"}, (120, 300, 1)),
        ("WatchSilent", "BacklogAge", {"service": "Name"}, (1, 300, 2)),
        ("WorkersUnreachable", "UnreachableBuilds", {"service": "Name"}, (0, 300, 1)),
        ("WorkersFail", "Errors", {"FunctionName": "${Name}-workers"}, (0, 60, 5)),
        ("WorkersCutOff", "CutOffTasks", {"service": "Name"}, (0, 300, 1)),
        ("WorkersThrottled", "Throttles", {"FunctionName": "${Name}-workers"}, (0, 300, 3)),
        (
            "WorkersAtLimit",
            "ConcurrentExecutions",
            {"FunctionName": "${Name}-workers"},
            ({"Ref": "MaximumConcurrency"}, 60, 10),
        ),
        ("WorkersGiveUp", "WorkersGivenUp", {}, (0, 300, 1)),
        ("PagesFail", "PageFailures", {}, (0, 60, 1)),
    ],
)
def test_there_is_an_alarm(
    alarm: str, metric: str, of: dict[str, str], when: tuple[Any, int, int]
) -> None:
    """`when` is what has to be passed, in periods of how many seconds, and how many of them."""
    found = ALARMS[alarm]
    assert found["MetricName"] == metric
    named = {each["Name"]: text(each["Value"]) for each in found.get("Dimensions", [])}
    assert named == of
    assert (found["Threshold"], found["Period"], found["EvaluationPeriods"]) == when


def test_every_alarm_is_in_the_table_above_and_only_silence_is_bad() -> None:
    [mark] = test_there_is_an_alarm.pytestmark
    assert sorted(case[0] for case in mark.args[1]) == sorted(ALARMS)
    good = {each["TreatMissingData"] for name, each in ALARMS.items() if name != "WatchSilent"}
    assert good == {"notBreaching"}


@pytest.mark.parametrize("name", ["tidegate", "ours"])
def test_every_alarm_finds_the_metric_that_is_written_by_all_its_dimensions(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A metric with other dimensions is another metric, which has no values."""
    stack = deployed(Name=name)
    assert set(EMITTERS) == set(FUNCTIONS)
    known: set[Metric] = set()
    for id, function in stack.resources("Serverless::Function").items():
        service = environment(id, Name=name)["POWERTOOLS_SERVICE_NAME"]
        monkeypatch.setattr(emf, "SERVICE", service)
        known |= emitted_by(id)
        # Source: AWS Lambda, "Types of metrics for Lambda functions".
        by_name = frozenset({("FunctionName", function["FunctionName"])})
        for metric in ("Errors", "Throttles", "ConcurrentExecutions"):
            known.add(Metric("AWS/Lambda", metric, by_name))
    for filtered in stack.resources("Logs::MetricFilter").values():
        for each in filtered["MetricTransformations"]:
            assert "Dimensions" not in each
            known.add(Metric(each["MetricNamespace"], each["MetricName"], frozenset()))
    for id, alarm in stack.resources("CloudWatch::Alarm").items():
        dimensions = frozenset((d["Name"], d["Value"]) for d in alarm.get("Dimensions", []))
        assert Metric(alarm["Namespace"], alarm["MetricName"], dimensions) in known, id


def test_the_service_of_a_functions_metrics_is_that_of_its_environment() -> None:
    ours = {**os.environ, "POWERTOOLS_SERVICE_NAME": "ours"}
    command = [sys.executable, "-c", "from core import emf; print(emf.line({}))"]
    ran = subprocess.run(command, env=ours, capture_output=True, check=True)
    assert json.loads(ran.stdout)["service"] == "ours"


def test_failures_that_miss_a_minute_alarm_too() -> None:
    """Temporal invokes about once a minute while tasks wait."""
    alarm = ALARMS["WorkersFail"]
    assert (alarm["DatapointsToAlarm"], alarm["EvaluationPeriods"]) == (3, 5)
    others = [each for name, each in ALARMS.items() if name != "WorkersFail"]
    assert not any("DatapointsToAlarm" in each for each in others)


def test_the_lines_that_count_are_those_of_workers_in_containers() -> None:
    def patterns(name: str) -> set[str]:
        found = resources(name, "Logs::MetricFilter").values()
        return {each["FilterPattern"] for each in found if "backlog" not in each["FilterPattern"]}

    assert patterns(SERVERLESS) == patterns(CONTAINERS)


# -- bad parameters


def test_what_has_a_default_need_not_be_given() -> None:
    assert refused() == []


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"TemporalSecretArn": ""}, "TemporalSecretArn is needed"),
        ({"TemporalAuth": "none"}, "are not used"),
        ({"TemporalSecretArn": "tidegate/temporal"}, "TemporalSecretArn: the whole ARN"),
        ({"PagingSecretArn": "tidegate/paging"}, "PagingSecretArn: the whole ARN"),
        ({"TemporalAddress": "temporal.example.com"}, "TemporalAddress: a host and a port"),
        ({"SubnetIds": "subnet-1"}, "SecurityGroupIds is needed"),
        ({"SecurityGroupIds": "sg-1"}, "SubnetIds is needed"),
        ({"TemporalPrincipalArns": ""}, "TemporalPrincipalArns: ARNs of IAM roles"),
        ({"TemporalPrincipalArns": "*"}, "TemporalPrincipalArns: ARNs of IAM roles"),
        ({"TemporalPrincipalArns": "444455556666"}, "TemporalPrincipalArns: ARNs of IAM roles"),
        (
            {"TemporalPrincipalArns": "arn:aws:iam::444455556666:root"},
            "TemporalPrincipalArns: ARNs of IAM roles",
        ),
        ({"TemporalPrincipalArns": f"{TEMPORAL},*"}, "TemporalPrincipalArns: ARNs of IAM roles"),
        ({"ExternalId": ""}, "ExternalId: 16 to 45"),
        ({"ExternalId": "tidegate"}, "ExternalId: 16 to 45"),
        ({"ExternalId": "0a1b2c3d-0000-4000*8000"}, "ExternalId: 16 to 45"),
        ({"ExternalId": "x" * 46}, "ExternalId: 16 to 45"),
        ({"BuildId": ""}, "BuildId: letters"),
        ({"BuildId": "-1"}, "BuildId: letters"),
        ({"BuildId": "1.4.0 3f2a9c1"}, "BuildId: letters"),
        ({"BuildId": "1" * 129}, "BuildId: letters"),
        ({"ServedWorkers": "incidents"}, "ServedWorkers: names of workers"),
        ({"Timeout": "60"}, "Timeout"),
        ({"Timeout": "901"}, "Timeout"),
        ({"IdleTimeout": "0"}, "IdleTimeout"),
        ({"FirstTaskTimeout": "61"}, "FirstTaskTimeout"),
        ({"MemorySize": "256"}, "MemorySize"),
        ({"MaximumConcurrency": "1"}, "MaximumConcurrency"),
        ({"WatchMinutes": "10"}, "WatchMinutes"),
        ({"CodeSigningConfigArn": "csc-1"}, "a code signing configuration"),
        ({"KeyArn": "alias/tidegate"}, "KeyArn: the ARN of a KMS key"),
        ({"AlarmTopicArn": "tidegate-alarms"}, "AlarmTopicArn: the ARN of an SNS topic"),
        ({"PermissionsBoundaryArn": "tidegate-boundary"}, "PermissionsBoundaryArn: the ARN"),
    ],
)
def test_what_cannot_work_is_refused_with_a_sentence(given: dict[str, str], sentence: str) -> None:
    [found] = refused(**given)
    assert sentence in found


def test_a_build_id_is_one_that_the_setting_takes() -> None:
    pattern = template(SERVERLESS)["Parameters"]["BuildId"]["AllowedPattern"]
    for id in ("1", "1.4.0-3f2a9c1", "a_b+c", "x" * 128):
        assert re.fullmatch(pattern, id)
        assert Settings.from_env({"TIDEGATE_BUILD_ID": id}).build_id == id


LINKS = {"AppUrl": "https://a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com", "LinkKeys": "aws:t/l"}


def test_pages_have_links_where_the_application_and_the_keys_are_named() -> None:
    given = environment("Workers", **LINKS)
    read = Settings.from_env({k: given[k] for k in ("TIDEGATE_APP_URL", "TIDEGATE_LINK_KEYS")})
    assert (read.app_url, read.link_keys) == (LINKS["AppUrl"], (LINKS["LinkKeys"],))
    without = environment("Workers")
    assert (without["TIDEGATE_APP_URL"], without["TIDEGATE_LINK_KEYS"]) == ("", "")
    for links in (False, True):
        role = deployed(**(LINKS if links else {})).resources("IAM::Role")["WorkersRole"]
        assert ("secret:tidegate/links-??????" in str(role)) is links


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"LinkKeys": ""}, "LinkKeys is needed with AppUrl"),
        ({"AppUrl": ""}, "LinkKeys is for the links to AppUrl, which is empty"),
        ({"AppUrl": "http://tidegate.example"}, "an https address"),
        ({"AppUrl": "https://ana@tidegate.example"}, "an https address"),
        ({"LinkKeys": "file:/run/secrets/key"}, "one or two references to secrets"),
    ],
)
def test_links_that_cannot_work_are_refused(changed: dict[str, str], sentence: str) -> None:
    assert refused(**LINKS) == []
    [found] = refused(**LINKS | changed)
    assert sentence in found


@pytest.mark.parametrize("region", ["ap-southeast-6", "ap-east-2"])
def test_a_region_without_snapstart_is_refused_where_it_is_asked_for(region: str) -> None:
    given = PARAMETERS | {"SnapStart": "PublishedVersions"}
    [found] = refusals(template(SERVERLESS), given, region=region)
    assert "no SnapStart in this region" in found
    assert refusals(template(SERVERLESS), PARAMETERS, region=region) == []


@pytest.mark.parametrize("other", [FRONT_DOOR, CONTAINERS])
def test_shared_parameters_are_the_same_as_in_the_other_stacks(other: str) -> None:
    ours, theirs = (template(name)["Parameters"] for name in (SERVERLESS, other))
    shared = set(ours) & set(theirs)
    assert {
        "Name",
        "TemporalAddress",
        "TemporalNamespace",
        "TemporalAuth",
        "Architecture",
    } <= shared
    # Optional here, required for tasks; other numbers fit other processes.
    for name in shared - {"SubnetIds", "MemorySize"}:
        for field in ("Type", "Default", "AllowedPattern", "AllowedValues"):
            assert ours[name].get(field) == theirs[name].get(field), (name, field)
    rules, others = (template(name)["Rules"] for name in (SERVERLESS, other))
    for name in (set(rules) & set(others)) - {"CredentialsAreUsed"}:
        assert rules[name] == others[name]
