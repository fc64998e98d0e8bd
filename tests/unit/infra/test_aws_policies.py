"""Least privilege, stated twice: here as a table, in the templates as policies."""

from __future__ import annotations

from typing import Any

import pytest

from core import contracts
from tests.support.cloudformation import (
    DEPLOYER,
    FRONT_DOOR,
    SERVERLESS,
    TEMPLATES,
    WORKERS,
    alternatives,
    many,
    resources,
    statements,
    template,
    text,
)
from tests.support.deployed_stack import Stack

QUARANTINE = "arn:${AWS::Partition}:s3:::%s/quarantine/*"
REPORTS = "arn:${AWS::Partition}:s3:::${RecordsBucketName}/reports/*"
LOGS = "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:"
FUNCTIONS = "arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:"
SECRETS = "arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:"
TAKE = {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}
LOG = {"logs:CreateLogStream", "logs:PutLogEvents"}
KEEP = {"s3:PutObject", "s3:AbortMultipartUpload"}
TRACE = {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}
CRYPT = {"kms:Decrypt", "kms:GenerateDataKey"}
PULL = {"ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"}
COLLECT = {"logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"}

Allowed = dict[str, set[str]]
LISTENER: Allowed = {
    QUARANTINE % "${RecordsBucket}": KEEP,
    "*": TRACE,
    "Key.Arn": CRYPT,
    "RetainedKeyArn": {"kms:Decrypt"},
}
WORKER: Allowed = {
    QUARANTINE % "${RecordsBucketName}": KEEP,
    "KeyArn": CRYPT,
    "CollectorLogs.Arn": COLLECT,
}
INCIDENTS: Allowed = {
    "arn:${AWS::Partition}:s3:::${DocumentsBucketName}/*": {"s3:GetObject", "s3:GetObjectVersion"},
    REPORTS: {"s3:GetObject", *KEEP},
    "arn:${AWS::Partition}:s3:::${DocumentsBucketName}": {"s3:ListBucket"},
    "arn:${AWS::Partition}:s3:::${RecordsBucketName}": {"s3:ListBucket"},
    f"{SECRETS}${{Name}}/links-??????": {"secretsmanager:GetSecretValue"},
    "SecretsKeyArns": {"kms:Decrypt"},
}
"""What the worker of incidents may do beside what each may."""
EXPECTED: dict[tuple[str, str], Allowed] = {
    (FRONT_DOOR, "S3ListenerRole"): LISTENER
    | {"DocumentsQueue.Arn": TAKE, "S3ListenerLogs.Arn": LOG},
    (FRONT_DOOR, "MessageListenerRole"): LISTENER
    | {"MessagesQueue.Arn": TAKE, "MessageListenerLogs.Arn": LOG},
    (FRONT_DOOR, "WebhookListenerRole"): LISTENER
    | {
        f"{SECRETS}${{Name}}/webhooks/*": {"secretsmanager:GetSecretValue"},
        "SecretsKeyArns": {"kms:Decrypt"},
        "WebhookListenerLogs.Arn": LOG,
    },
    (FRONT_DOOR, "AppRole"): {
        f"{SECRETS}${{Name}}/links-??????": {"secretsmanager:GetSecretValue"},
        f"{SECRETS}${{Name}}/api-??????": {"secretsmanager:GetSecretValue"},
        f"{SECRETS}${{Name}}/console-??????": {"secretsmanager:GetSecretValue"},
        f"{SECRETS}${{Name}}/slack-??????": {"secretsmanager:GetSecretValue"},
        "arn:${AWS::Partition}:s3:::${RecordsBucket}/reports/*": {"s3:GetObject"},
        QUARANTINE % "${RecordsBucket}": {"s3:GetObject", "s3:DeleteObject", *KEEP},
        "arn:${AWS::Partition}:s3:::${RecordsBucket}": {"s3:ListBucket"},
        "SecretsKeyArns": {"kms:Decrypt"},
        "Key.Arn": CRYPT,
        "*": TRACE,
        "AppLogs.Arn": LOG,
    },
    (FRONT_DOOR, "DeploymentRole"): {
        f"{FUNCTIONS}${{Name}}-*": {
            "lambda:GetAlias",
            "lambda:GetProvisionedConcurrencyConfig",
            "lambda:UpdateAlias",
        },
        "*": {"cloudwatch:DescribeAlarms"},
    },
    (WORKERS, "RootRole"): WORKER,
    (WORKERS, "IncidentRole"): WORKER | INCIDENTS,
    (SERVERLESS, "WorkersRole"): INCIDENTS
    | {
        QUARANTINE % "${RecordsBucketName}": KEEP,
        "KeyArn": CRYPT,
        "WorkersLogs.Arn": LOG,
    },
    (SERVERLESS, "WatchRole"): {"KeyArn": {"kms:Decrypt"}, "WatchLogs.Arn": LOG},
    # Temporal's.
    (SERVERLESS, "InvocationRole"): {
        f"{FUNCTIONS}${{Name}}-workers:*": {"lambda:GetFunction", "lambda:InvokeFunction"},
    },
    (WORKERS, "ExecutionRole"): {
        **{f"{LOGS}/tidegate/${{Name}}/{spec.name}:*": LOG for spec in contracts.WORKERS},
        "ImageRepositoryArn": PULL,
        "*": {"ecr:GetAuthorizationToken"},
        "TemporalSecretArn": {"secretsmanager:GetSecretValue"},
        "PagingSecretArn": {"secretsmanager:GetSecretValue"},
        "KeyArn": {"kms:Decrypt"},
        "SecretsKeyArns": {"kms:Decrypt"},
    },
}


def documents(name: str, role: str) -> list[dict[str, Any]]:
    """A role's policy documents, with those of managed policies except for the VPC's."""
    properties = resources(name, "IAM::Role")[role]
    attached = [
        text(found)
        for each in properties.get("ManagedPolicyArns", [])
        for found in alternatives(each)
    ]
    managed = resources(name, "IAM::ManagedPolicy")
    assert set(attached) <= set(managed), "AWS's own policies allow more than anybody needs"
    inline = [policy["PolicyDocument"] for policy in properties.get("Policies", [])]
    return inline + [managed[id]["PolicyDocument"] for id in attached if id != "VpcPolicy"]


def allowed(name: str, role: str) -> Allowed:
    """A role's actions by resource."""
    found: Allowed = {}
    for document in documents(name, role):
        for statement in statements(document):
            assert statement["Effect"] == "Allow"
            for resource in many(statement["Resource"]):
                found.setdefault(text(resource), set()).update(many(statement["Action"]))
    return found


@pytest.mark.parametrize(("name", "role"), EXPECTED)
def test_a_role_allows_what_its_process_does_and_no_more(name: str, role: str) -> None:
    assert allowed(name, role) == EXPECTED[name, role]


def test_every_role_is_in_the_table() -> None:
    stacks = set(TEMPLATES) - {DEPLOYER}  # whose roles do not belong to a process
    roles = {(name, id) for name in stacks for id in resources(name, "IAM::Role")}
    assert roles == set(EXPECTED)


@pytest.mark.parametrize(("name", "role"), EXPECTED)
def test_no_role_allows_wildcard_actions(name: str, role: str) -> None:
    actions = {action for some in allowed(name, role).values() for action in some}
    assert not [action for action in actions if "*" in action]


@pytest.mark.parametrize("name", [FRONT_DOOR, SERVERLESS])
def test_each_function_has_its_own_role(name: str) -> None:
    functions = resources(name, "Serverless::Function")
    assert {text(properties["Role"]) for properties in functions.values()} == {
        f"{id}Role.Arn" for id in functions
    }


@pytest.mark.parametrize(
    ("name", "role"),
    [
        (FRONT_DOOR, "WebhookListenerRole"),
        (FRONT_DOOR, "AppRole"),
        (WORKERS, "ExecutionRole"),
        (SERVERLESS, "WorkersRole"),
    ],
)
def test_other_keys_are_used_for_secrets_only_and_granted_only_where_they_are_named(
    name: str, role: str
) -> None:
    def found(keys: str) -> list[dict[str, Any]]:
        given = {"SecretsKeyArns": keys, "LinkKeys": "aws:tidegate/links"}
        made = Stack(name, given).resources("IAM::Role")[role]
        listed = statements(made["Policies"][0]["PolicyDocument"])
        return [each for each in listed if "Decrypt" in each["Sid"] and "Condition" in each]

    key = "arn:aws:kms:eu-west-1:111122223333:key/0a1b2c3d"
    [statement] = found(f"{key},{key}4")
    assert statement["Resource"] == [key, f"{key}4"]
    assert statement["Condition"] == {
        "StringEquals": {"kms:ViaService": "secretsmanager.eu-west-1.amazonaws.com"}
    }
    assert found("") == []


LINKS_ALONE = {"ReadTheKeysOfLinks", "DecryptWithTheKey", "Log"}
RECORDS = {
    "ReadReports",
    "ReadReplayAndDeleteWhatIsQuarantined",
    "ListTheRecords",
    "EncryptWithTheKey",
}


@pytest.mark.parametrize(
    ("given", "may"),
    [
        ({}, LINKS_ALONE),
        ({"ApiTokens": "aws:tidegate/api"}, LINKS_ALONE | RECORDS | {"ReadTheTokensOfTheApi"}),
        ({"OidcIssuer": "https://login.example"}, LINKS_ALONE | RECORDS),
        ({"ConsoleClientSecret": "aws:t/console"}, LINKS_ALONE | {"ReadTheSecretOfTheConsole"}),
        ({"SlackSigningSecret": "aws:t/slack"}, LINKS_ALONE | {"ReadTheSecretOfSlack"}),
    ],
    ids=["links alone", "service tokens", "an issuer", "a client", "Slack"],
)
def test_the_application_reads_no_record_and_no_token_unless_it_serves_the_api(
    given: dict[str, str], may: set[str]
) -> None:
    stack = Stack(FRONT_DOOR, {"LinkKeys": "aws:tidegate/links"} | given)
    [policy] = stack.resources("IAM::Role")["AppRole"]["Policies"]
    assert {each["Sid"] for each in statements(policy["PolicyDocument"])} == may


@pytest.mark.parametrize("name", [FRONT_DOOR, SERVERLESS])
def test_in_a_vpc_lambda_may_attach_a_function_but_the_functions_code_may_not(name: str) -> None:
    policy = resources(name, "IAM::ManagedPolicy")["VpcPolicy"]
    assert template(name)["Resources"]["VpcPolicy"]["Condition"] == "InVpc"
    allow, deny = statements(policy["PolicyDocument"])
    assert {action.partition(":")[0] for action in allow["Action"]} == {"ec2"}
    assert (deny["Effect"], deny["Action"], deny["Resource"]) == ("Deny", "ec2:*", "*")
    assert "lambda:SourceFunctionArn" in deny["Condition"]["ArnLike"]


@pytest.mark.parametrize(("name", "role"), EXPECTED)
def test_a_role_is_assumed_by_its_service_only(name: str, role: str) -> None:
    [statement] = resources(name, "IAM::Role")[role]["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Action"] == "sts:AssumeRole"
    if role == "InvocationRole":
        assert statement["Principal"] == {"AWS": {"Ref": "TemporalPrincipalArns"}}
        assert statement["Condition"] == {"StringEquals": {"sts:ExternalId": {"Ref": "ExternalId"}}}
        return
    service = "ecs-tasks" if name == WORKERS else "lambda"
    if role == "DeploymentRole":
        service = "codedeploy"
    assert statement["Principal"] == {"Service": f"{service}.amazonaws.com"}


@pytest.mark.parametrize(("name", "role"), EXPECTED)
def test_a_role_has_the_permissions_boundary_that_the_stack_is_given(name: str, role: str) -> None:
    boundary = resources(name, "IAM::Role")[role]["PermissionsBoundary"]
    assert list(map(text, alternatives(boundary))) == ["PermissionsBoundaryArn"]


@pytest.mark.parametrize("kind", ["IAM::Role", "IAM::ManagedPolicy"])
@pytest.mark.parametrize("name", [each for each in TEMPLATES if each != DEPLOYER])
def test_roles_and_policies_have_the_installations_path(name: str, kind: str) -> None:
    """Who deploys may change roles by this path, which nobody else's roles have."""
    for id, properties in resources(name, kind).items():
        assert properties["Path"] == {"Fn::Sub": "/tidegate/${Name}/"}, id


def test_codedeploy_uses_the_stacks_own_role() -> None:
    function = template(FRONT_DOOR)["Globals"]["Function"]
    assert text(function["DeploymentPreference"]["Role"]) == "DeploymentRole.Arn"
    for properties in resources(FRONT_DOOR, "Serverless::Function").values():
        assert "Role" not in properties["DeploymentPreference"]


def test_the_key_serves_other_services_for_this_account_only() -> None:
    policy = resources(FRONT_DOOR, "KMS::Key")["Key"]["KeyPolicy"]
    for statement in statements(policy):
        if "Service" in statement["Principal"]:
            assert statement["Condition"], statement["Sid"]
            assert "kms:*" not in many(statement["Action"])
