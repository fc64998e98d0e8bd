"""The front door's template, beyond what linters check: its parts fit together."""

from __future__ import annotations

import importlib
import json
import re
from typing import Any

import pytest

from core.config.files import load_webhooks
from core.config.settings import Settings
from functions_aws.runtime import settings as runtime_settings
from tests.support.cloudformation import (
    FRONT_DOOR,
    ROOT,
    TEMPLATES,
    alternatives,
    resources,
    statements,
    template,
    text,
    walk,
)
from tests.support.deployed_stack import Stack

FUNCTIONS = resources(FRONT_DOOR, "Serverless::Function")
QUEUES = Stack(FRONT_DOOR).resources("SQS::Queue")
FED = "RedrivePolicy"
"""What a queue has that feeds a function, and a queue of dead letters does not."""
BUCKETS = resources(FRONT_DOOR, "S3::Bucket")
BEHIND = {"WebhookApi": "WebhookListener", "AppApi": "App"}
FED_BY = {"DocumentsQueue": "S3Listener", "MessagesQueue": "MessageListener"}
GLOBALS = template(FRONT_DOOR)["Globals"]["Function"]


def test_every_function_is_deployed_with_a_handler_that_exists() -> None:
    handlers = {properties["Handler"] for properties in FUNCTIONS.values()}
    assert handlers == {
        "functions_aws.s3_listener.handler",
        "functions_aws.message_listener.handler",
        "functions_aws.webhook_listener.handler",
        "functions_aws.app.handler",
    }
    for handler in handlers:
        module, _, name = handler.rpartition(".")
        assert callable(getattr(importlib.import_module(module), name))


@pytest.mark.parametrize("id", FUNCTIONS)
def test_a_function_logs_in_json_and_has_a_log_retention(id: str) -> None:
    logging = FUNCTIONS[id]["LoggingConfig"]
    assert logging["LogFormat"] == "JSON"
    group = resources(FRONT_DOOR, "Logs::LogGroup")[text(logging["LogGroup"])]
    assert text(group["LogGroupName"]) == f"/aws/lambda/{text(FUNCTIONS[id]['FunctionName'])}"
    assert GLOBALS["Runtime"] == "python3.13"


@pytest.mark.parametrize(("tracing", "may_trace"), [("PassThrough", False), ("Active", True)])
def test_functions_are_traced_and_may_send_traces_only_where_that_is_asked_for(
    tracing: str, may_trace: bool
) -> None:
    assert GLOBALS["Tracing"] == {"Ref": "Tracing"}
    assert template(FRONT_DOOR)["Parameters"]["Tracing"]["Default"] == "PassThrough"
    stack = Stack(FRONT_DOOR, {"Tracing": tracing})
    policy = stack.resources("IAM::ManagedPolicy")["ListenerPolicy"]["PolicyDocument"]
    assert ("Trace" in [each["Sid"] for each in policy["Statement"]]) is may_trace


@pytest.mark.parametrize("id", FUNCTIONS)
def test_a_new_version_takes_over_gradually_and_is_rolled_back_by_its_own_failures(
    id: str,
) -> None:
    """Not by those of the version before: that one may be why there is a new one."""
    assert GLOBALS["AutoPublishAlias"] == "live"
    # Otherwise a change of settings alone would take effect immediately, without a canary.
    assert FUNCTIONS[id]["AutoPublishAliasAllProperties"] is True
    [alarm] = FUNCTIONS[id]["DeploymentPreference"]["Alarms"]
    canary = resources(FRONT_DOOR, "CloudWatch::Alarm")[text(alarm)]
    dimensions = {each["Name"]: text(each["Value"]) for each in canary["Dimensions"]}
    name = text(FUNCTIONS[id]["FunctionName"])
    assert dimensions == {
        "FunctionName": name,
        "Resource": f"{name}:live",
        "ExecutedVersion": f"{id}.Version.Version",
    }
    assert canary["TreatMissingData"] == "notBreaching"


@pytest.mark.parametrize("id", FUNCTIONS)
def test_changed_settings_are_a_new_version(id: str) -> None:
    told = text(FUNCTIONS[id]["VersionDescription"])
    # Lambda publishes no version of an unchanged function.
    assert text(FUNCTIONS[id]["Description"]) == told
    names = set(re.findall(r"\$\{(\w+)\}", told))
    assert names == {
        "TemporalAddress",
        "TemporalNamespace",
        "TemporalAuth",
        "TemporalSecretVersion",
        "MemorySize",
        "SnapStart",
        "Release",
    }
    longest = len(re.sub(r"\$\{\w+\}", "", told)) + sum(map(longest_value, names))
    assert longest <= 256, "a description takes no more"


def longest_value(name: str) -> int:
    parameter = template(FRONT_DOOR)["Parameters"][name]
    values = parameter.get("AllowedValues", [parameter.get("MaxValue", "")])
    return int(parameter.get("MaxLength") or max(len(str(value)) for value in values))


@pytest.mark.parametrize("id", FUNCTIONS)
def test_a_function_is_built_by_its_own_target_from_the_root(id: str) -> None:
    metadata = template(FRONT_DOOR)["Resources"][id]["Metadata"]
    assert (metadata["BuildMethod"], metadata["ContextPath"]) == ("makefile", "functions_aws")
    assert GLOBALS["CodeUri"] == "."
    makefile = (ROOT / "functions_aws" / "Makefile").read_text()
    assert re.search(
        rf"^{'APP' if id == 'App' else 'LISTENERS'} := .*\bbuild-{id}\b", makefile, re.M
    )


def test_the_makefiles_defaults_are_the_templates() -> None:
    makefile = (ROOT / "functions_aws" / "Makefile").read_text()
    default = dict(re.findall(r"^(\w+) \?= (\S+)$", makefile, re.M))
    assert default["ARCHITECTURE"] == template(FRONT_DOOR)["Parameters"]["Architecture"]["Default"]
    assert f"python{default['PYTHON_VERSION']}" == GLOBALS["Runtime"]
    assert load_webhooks(ROOT / default["WEBHOOKS"]).hooks == {}


@pytest.mark.parametrize(("queue", "function"), FED_BY.items())
def test_the_visibility_timeout_is_six_times_the_functions_timeout(
    queue: str, function: str
) -> None:
    assert QUEUES[queue]["VisibilityTimeout"] >= 6 * FUNCTIONS[function]["Timeout"]


@pytest.mark.parametrize(("queue", "function"), FED_BY.items())
def test_a_queue_feeds_its_function_which_reports_only_failures(queue: str, function: str) -> None:
    [source] = FUNCTIONS[function]["Events"].values()
    assert source["Type"] == "SQS"
    assert text(source["Properties"]["Queue"]) == f"{queue}.Arn"
    assert source["Properties"]["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    most = source["Properties"]["ScalingConfig"]["MaximumConcurrency"]
    # With less reserved concurrency than the queue's maximum, the queue would be throttled.
    made = Stack(FRONT_DOOR, {"MaximumConcurrency": "7"}).resources("Serverless::Function")
    assert most == {"Ref": "MaximumConcurrency"}
    assert made[function]["ReservedConcurrentExecutions"] == "7"


def test_what_is_reserved_for_the_message_listener_may_be_enough_for_queues_of_ones_own() -> None:
    """And the other functions keep what is reserved for them."""
    reserved = {
        given: [
            each.get("ReservedConcurrentExecutions")
            for each in Stack(FRONT_DOOR, {"MessageConcurrency": given})
            .resources("Serverless::Function")
            .values()
        ]
        for given in ("0", "20")
    }
    assert reserved == {"0": ["10", "10", "100"], "20": ["10", "20", "100"]}


@pytest.mark.parametrize("queue", FED_BY)
def test_a_dead_letter_queue_accepts_messages_of_its_own_queue_only(queue: str) -> None:
    redrive = QUEUES[queue]["RedrivePolicy"]
    letters = QUEUES[text(redrive["deadLetterTargetArn"]).removesuffix(".Arn")]
    assert redrive["maxReceiveCount"] >= 5
    allowed = letters["RedriveAllowPolicy"]
    assert allowed["redrivePermission"] == "byQueue"
    [source] = allowed["sourceQueueArns"]
    assert source.endswith(f":{QUEUES[queue]['QueueName']}")
    assert letters["MessageRetentionPeriod"] >= QUEUES[queue]["MessageRetentionPeriod"]


@pytest.mark.parametrize("id", QUEUES)
def test_a_queue_is_encrypted_with_one_key_and_requires_tls(id: str) -> None:
    own = QUEUES[id]
    by_aws = Stack(FRONT_DOOR, {"Encryption": "AWS-managed"}).resources("SQS::Queue")[id]
    if id != "DocumentsDeadLetters":
        assert own["KmsMasterKeyId"] == {"Fn::GetAtt": ["Key", "Arn"]}
        assert "SqsManagedSseEnabled" not in own
    assert by_aws["SqsManagedSseEnabled"] is True
    assert "KmsMasterKeyId" not in by_aws
    policies = resources(FRONT_DOOR, "SQS::QueuePolicy").values()
    [policy] = [p for p in policies if {"Ref": id} in p["Queues"]]
    assert denies_plain_text(policy["PolicyDocument"], "sqs:*")


def test_what_eventbridge_cannot_deliver_is_kept_without_the_key_that_may_be_why() -> None:
    """And where SQS redrives it from: the dead letters of a queue, and of nothing else. Source:
    Amazon SQS, StartMessageMoveTask."""
    [target] = resources(FRONT_DOOR, "Events::Rule")["DocumentsRule"]["Targets"]
    id = text(target["DeadLetterConfig"]["Arn"]).removesuffix(".Arn")
    assert QUEUES[id]["SqsManagedSseEnabled"] is True
    assert "KmsMasterKeyId" not in QUEUES[id]
    fed_by = [q["RedrivePolicy"]["deadLetterTargetArn"] for q in QUEUES.values() if FED in q]
    assert target["DeadLetterConfig"]["Arn"] in fed_by


def test_a_fifo_queue_and_its_dead_letters_keep_the_order_of_each_group() -> None:
    queues = Stack(FRONT_DOOR, {"MessagesQueueType": "FIFO"}).resources("SQS::Queue")
    queue, letters = queues["MessagesQueue"], queues["MessagesDeadLetters"]
    for each in (queue, letters):
        assert each["FifoQueue"] is True
        assert each["QueueName"].endswith(".fifo")
        # A source may say the same thing twice and mean it.
        assert "ContentBasedDeduplication" not in each
    assert (queue["DeduplicationScope"], queue["FifoThroughputLimit"]) == (
        "messageGroup",
        "perMessageGroupId",
    )
    [source] = letters["RedriveAllowPolicy"]["sourceQueueArns"]
    assert source.endswith(f":{queue['QueueName']}")


def test_a_queue_keeps_no_order_unless_that_is_asked_for() -> None:
    for queue in QUEUES.values():
        assert not {"FifoQueue", "DeduplicationScope", "FifoThroughputLimit"} & set(queue)
        assert not queue["QueueName"].endswith(".fifo")


def test_what_an_earlier_key_encrypted_can_still_be_read_from_the_queues() -> None:
    key = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd"
    stack = Stack(FRONT_DOOR, {"Encryption": "AWS-managed", "RetainedKeyArn": key})
    policy = stack.resources("IAM::ManagedPolicy")["ListenerPolicy"]["PolicyDocument"]
    [statement] = [each for each in policy["Statement"] if "kms" in str(each["Action"])]
    assert (statement["Action"], statement["Resource"]) == ("kms:Decrypt", key)
    # The stack lets go of its key without deleting it.
    assert template(FRONT_DOOR)["Resources"]["Key"]["DeletionPolicy"] == "Retain"


@pytest.mark.parametrize("id", BUCKETS)
def test_a_bucket_is_private_versioned_encrypted_and_survives_its_stack(id: str) -> None:
    bucket = BUCKETS[id]
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(bucket["PublicAccessBlockConfiguration"]) == 4
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert bucket["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    [rule] = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    default = rule["ServerSideEncryptionByDefault"]
    assert default["SSEAlgorithm"] == {"Fn::If": ["OwnKey", "aws:kms", "AES256"]}
    assert alternatives(default["KMSMasterKeyID"]) == [{"Fn::GetAtt": ["Key", "Arn"]}]
    assert template(FRONT_DOOR)["Resources"][id]["DeletionPolicy"] == "Retain"
    policies = resources(FRONT_DOOR, "S3::BucketPolicy").values()
    [policy] = [p for p in policies if p["Bucket"] == {"Ref": id}]
    assert denies_plain_text(policy["PolicyDocument"], "s3:*")


def denies_plain_text(document: dict[str, Any], action: str) -> bool:
    return any(
        (each["Effect"], each["Principal"], each["Action"]) == ("Deny", "*", action)
        and each["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        for each in statements(document)
    )


WAYS = {"EventBridge": {"rule"}, "Direct": {"bucket"}, "Both": {"rule", "bucket"}}


@pytest.mark.parametrize(("delivery", "ways"), WAYS.items())
def test_uploads_are_announced_by_what_the_queue_accepts(delivery: str, ways: set[str]) -> None:
    stack = Stack(FRONT_DOOR, {"S3Delivery": delivery})
    announced = stack.resources("S3::Bucket")["DocumentsBucket"]["NotificationConfiguration"]
    by_rule = announced.get("EventBridgeConfiguration") == {"EventBridgeEnabled": True}
    assert by_rule is ("rule" in ways)
    assert ("QueueConfigurations" in announced) is ("bucket" in ways)
    assert ("DocumentsRule" in stack.resources("Events::Rule")) is ("rule" in ways)
    policy = stack.resources("SQS::QueuePolicy")["DocumentsQueuePolicy"]["PolicyDocument"]
    allowed = {each["Sid"] for each in policy["Statement"] if each["Effect"] == "Allow"}
    assert allowed == {f"FromThe{way.capitalize()}" for way in ways}


def test_changing_over_has_a_step_in_which_both_ways_work() -> None:
    """The queue's policy changes immediately, the bucket's notifications about five minutes later.
    Source: Amazon S3, "Enabling Amazon EventBridge"."""
    choices = template(FRONT_DOOR)["Parameters"]["S3Delivery"]["AllowedValues"]
    assert {choice: WAYS[choice] for choice in choices} == WAYS
    assert WAYS["EventBridge"] | WAYS["Direct"] == WAYS["Both"]


def test_s3_may_send_before_its_notification_is_configured() -> None:
    """It sends a test message then, and fails where it may not."""
    bucket = template(FRONT_DOOR)["Resources"]["DocumentsBucket"]
    assert bucket["DependsOn"] == "DocumentsQueuePolicy"
    [configuration] = Stack(FRONT_DOOR, {"S3Delivery": "Direct"}).resources("S3::Bucket")[
        "DocumentsBucket"
    ]["NotificationConfiguration"]["QueueConfigurations"]
    assert configuration["Queue"] == {"Fn::GetAtt": ["DocumentsQueue", "Arn"]}


def test_the_queue_accepts_messages_of_the_rule_and_the_bucket_by_their_names() -> None:
    policy = resources(FRONT_DOOR, "SQS::QueuePolicy")["DocumentsQueuePolicy"]
    sources = [
        text(statement["Condition"]["ArnEquals"]["aws:SourceArn"])
        for statement in statements(policy["PolicyDocument"])
        if statement["Effect"] == "Allow"
    ]
    rule = text(resources(FRONT_DOOR, "Events::Rule")["DocumentsRule"]["Name"])
    bucket = text(BUCKETS["DocumentsBucket"]["BucketName"])
    assert sources[0].endswith(f":rule/{rule}")
    assert sources[1].endswith(f":::{bucket}")


def test_every_statement_of_a_queues_policy_is_about_that_queue() -> None:
    for policy in resources(FRONT_DOOR, "SQS::QueuePolicy").values():
        [queue] = policy["Queues"]
        for statement in statements(policy["PolicyDocument"]):
            assert statement["Resource"] == {"Fn::GetAtt": [queue["Ref"], "Arn"]}, statement


def test_the_rule_may_dead_letter_what_it_cannot_deliver() -> None:
    [target] = resources(FRONT_DOOR, "Events::Rule")["DocumentsRule"]["Targets"]
    assert text(target["DeadLetterConfig"]["Arn"]) == "DocumentsDeadLetters.Arn"
    policies = resources(FRONT_DOOR, "SQS::QueuePolicy").values()
    for queue in ("DocumentsQueue", "DocumentsDeadLetters"):
        [policy] = [p for p in policies if {"Ref": queue} in p["Queues"]]
        senders = [s for s in statements(policy["PolicyDocument"]) if s["Effect"] == "Allow"]
        assert {"Service": "events.amazonaws.com"} in [s["Principal"] for s in senders]
        for sender in senders:
            assert sender["Action"] == "sqs:SendMessage"
            assert "aws:SourceArn" in json.dumps(sender["Condition"])


def test_the_code_of_every_function_is_checked_where_a_configuration_for_signed_code_is_given() -> (
    None
):
    configuration = "arn:aws:lambda:eu-west-1:111122223333:code-signing-config:csc-1"
    for given in ("", configuration):
        stack = Stack(FRONT_DOOR, {"CodeSigningConfigArn": given})
        functions = stack.resources("Serverless::Function").values()
        assert {each.get("CodeSigningConfigArn", "") for each in functions} == {given}


def test_lambda_does_not_throttle_a_burst_that_the_api_lets_through() -> None:
    apis = resources(FRONT_DOOR, "Serverless::HttpApi")
    assert set(apis) == set(BEHIND)
    for api, function in BEHIND.items():
        burst = apis[api]["DefaultRouteSettings"]["ThrottlingBurstLimit"]
        assert alternatives(FUNCTIONS[function]["ReservedConcurrentExecutions"]) == [burst]


def test_the_quota_that_the_defaults_need_is_the_one_that_is_named() -> None:
    parameters = template(FRONT_DOOR)["Parameters"]
    reserved = sum(
        int(function["ReservedConcurrentExecutions"])
        for function in Stack(FRONT_DOOR).resources("Serverless::Function").values()
    )
    # Source: AWS Lambda, "Configuring reserved concurrency for a function".
    assert f"must be {reserved + 100} for the defaults" in parameters["ReserveConcurrency"][
        "Description"
    ].replace("\n", " ")


def test_the_webhooks_api_is_throttled_and_serves_hooks_only() -> None:
    api = resources(FRONT_DOOR, "Serverless::HttpApi")["WebhookApi"]
    assert api["DefaultRouteSettings"]["ThrottlingRateLimit"] == {"Ref": "ApiRateLimit"}
    events = [event["Properties"] for event in FUNCTIONS["WebhookListener"]["Events"].values()]
    assert {(e["Method"], e["Path"]) for e in events} == {
        ("POST", "/hooks/{hook+}"),
        ("PUT", "/hooks/{hook+}"),
        ("OPTIONS", "/hooks/{hook+}"),
    }
    for event in events:
        assert event["PayloadFormatVersion"] == "2.0"
        assert event["TimeoutInMillis"] > 1000 * FUNCTIONS["WebhookListener"]["Timeout"]
    # Senders' credentials are in headers and queries.
    assert not re.search(r"header|query", str(api["AccessLogSettings"]["Format"]), re.I)


APP = {"App", "AppRole", "AppApi", "AppLogs", "AppApiLogs", "AppCanary"}
"""What there is of the HTTP application."""


@pytest.mark.parametrize(("keys", "made"), [("", set()), ("aws:tidegate/links", APP)])
def test_there_is_an_application_where_links_have_keys_and_nothing_of_it_elsewhere(
    keys: str, made: set[str]
) -> None:
    stack = Stack(FRONT_DOOR, {"LinkKeys": keys})
    kinds = {
        resource["Type"].removeprefix("AWS::")
        for resource in template(FRONT_DOOR)["Resources"].values()
    }
    assert {id for kind in kinds for id in stack.resources(kind) if id.startswith("App")} == made
    assert ("AppUrl" in stack.outputs()) is bool(made)
    [alarms] = stack.resources("Serverless::Application").values()
    assert alarms["Parameters"]["AppApiId"] == ({"Ref": "AppApi"} if made else "")
    assert alarms["Parameters"]["AppLogGroup"] == ({"Ref": "AppLogs"} if made else "")


def test_the_application_has_an_api_of_its_own_that_is_throttled_and_logs_no_token() -> None:
    """Whoever reads the path of a link may act by it."""
    stack = Stack(FRONT_DOOR, {"LinkKeys": "aws:tidegate/links", "AppConcurrency": "7"})
    api = stack.resources("Serverless::HttpApi")["AppApi"]
    limits = api["DefaultRouteSettings"]
    assert (limits["ThrottlingRateLimit"], limits["ThrottlingBurstLimit"]) == ("7", "7")
    assert not re.search(r"path|header|query|uri", str(api["AccessLogSettings"]["Format"]), re.I)
    function = stack.resources("Serverless::Function")["App"]
    assert function["ReservedConcurrentExecutions"] == "7"
    [event] = [each["Properties"] for each in function["Events"].values()]
    assert (event["ApiId"], event["Method"], event["Path"]) == (
        {"Ref": "AppApi"},
        "ANY",
        "/{path+}",
    )
    assert event["PayloadFormatVersion"] == "2.0"
    assert event["TimeoutInMillis"] > 1000 * function["Timeout"]
    url = stack.outputs()["AppUrl"]["Fn::Sub"]
    assert url == "https://${AppApi}.execute-api.eu-west-1.amazonaws.com"


def test_the_application_has_the_settings_that_its_parameters_name() -> None:
    given = {
        "LinkKeys": "aws:tidegate/links",
        "AppUrl": "https://tidegate.example",
        "ApiTokens": "aws:tidegate/api",
        "OidcIssuer": "https://login.example/tenant",
        "OidcAudience": "tidegate",
        "OidcRole": "realm_access.roles",
        "OidcName": "sub",
    }
    for values in (given, {"LinkKeys": given["LinkKeys"]}):
        function = Stack(FRONT_DOOR, values).resources("Serverless::Function")["App"]
        env = {name: str(value) for name, value in function["Environment"]["Variables"].items()}
        env["TIDEGATE_REPORTS"] = "s3://records/reports/"
        read = Settings.from_env(env)
        assert read.link_keys == ("aws:tidegate/links",)
        assert read.app_url == values.get("AppUrl")
        assert read.api_tokens == values.get("ApiTokens")
        assert (read.oidc_issuer, read.oidc_audience) == (
            values.get("OidcIssuer"),
            values.get("OidcAudience"),
        )
        defaults = Settings()
        assert read.oidc_role == values.get("OidcRole", defaults.oidc_role)
        assert read.oidc_name == values.get("OidcName", defaults.oidc_name)
    reports = FUNCTIONS["App"]["Environment"]["Variables"]["TIDEGATE_REPORTS"]
    assert text(reports) == "s3://${RecordsBucket}/reports/"


@pytest.mark.parametrize(
    ("parameter", "setting"),
    [
        ("ConsoleClientId", "TIDEGATE_CONSOLE_CLIENT_ID"),
        ("ConsoleClientSecret", "TIDEGATE_CONSOLE_CLIENT_SECRET"),
        ("SlackSigningSecret", "TIDEGATE_SLACK_SIGNING_SECRET"),
        ("SlackTeam", "TIDEGATE_SLACK_TEAM"),
    ],
)
def test_the_console_and_slack_have_what_their_parameters_name(
    parameter: str, setting: str
) -> None:
    assert FUNCTIONS["App"]["Environment"]["Variables"][setting] == {"Ref": parameter}


def test_temporals_credentials_come_from_secrets_manager_only() -> None:
    variables = GLOBALS["Environment"]["Variables"]
    for name in (
        "TEMPORAL_API_KEY",
        "TEMPORAL_TLS_CLIENT_CERT_DATA",
        "TEMPORAL_TLS_CLIENT_KEY_DATA",
    ):
        [value] = alternatives(variables[name])
        assert text(value).startswith("{{resolve:secretsmanager:${TemporalSecretArn}:SecretString:")
    assert alternatives(GLOBALS["KmsKeyArn"]) == [{"Fn::GetAtt": ["Key", "Arn"]}]


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_log_group_has_a_retention_and_a_key(name: str) -> None:
    for group in resources(name, "Logs::LogGroup").values():
        assert group["RetentionInDays"] == {"Ref": "LogRetentionDays"}
        assert len(alternatives(group["KmsKeyId"])) == 1


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_skipped_check_says_why(name: str) -> None:
    for value in walk(template(name)):
        if isinstance(value, dict) and "skip" in value:
            for skip in value["skip"]:
                assert len(skip["comment"].split()) > 3, skip


def test_a_listener_starts_with_the_templates_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    listener = GLOBALS["Environment"]["Variables"]
    for name in ("TIDEGATE_DOCUMENTS", "TIDEGATE_QUARANTINE"):
        uri = re.sub(r"\$\{\w+\}", "bucket", text(listener[name]))
        monkeypatch.setenv(name, uri)
    messages = FUNCTIONS["MessageListener"]["Environment"]["Variables"]
    parameters = template(FRONT_DOOR)["Parameters"]
    for name, value in messages.items():
        monkeypatch.setenv(name, parameters[value["Ref"]]["Default"])
    monkeypatch.setenv("TIDEGATE_WEBHOOKS", str(ROOT / "infra/aws/webhooks.yaml"))
    runtime_settings.cache_clear()
    try:
        assert runtime_settings().documents == ("s3://bucket/",)
        assert runtime_settings().require("quarantine") == "s3://bucket/quarantine/"
        assert set(messages) == {
            "TIDEGATE_TRUSTED_TYPES",
            "TIDEGATE_QUEUE_SCOPE",
            "TIDEGATE_QUEUE_FORMATS",
        }
        read = runtime_settings()
        assert (read.trusted_types, read.queue_scope, read.queue_formats) == ((), None, ())
    finally:
        runtime_settings.cache_clear()
