"""What the front door's templates refuse before anything is deployed, and with which sentence."""

from __future__ import annotations

import re

import pytest

from core.formats.registry import EXTERNAL, INTERNAL, MAPPED
from tests.support.cloudformation import (
    DEPLOYER,
    EDGE,
    FRONT_DOOR,
    ROOT,
    TEMPLATES,
    WORKER,
    WORKERS,
    template,
)
from tests.support.template_parameters import refusals

SECRET = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:tidegate/temporal-AbCdEf"
CERTIFICATE = "arn:aws:acm:eu-west-1:111122223333:certificate/1234"
FRONT = {"TemporalAddress": "example.a1b2c.tmprl.cloud:7233", "TemporalSecretArn": SECRET}
EDGES = {
    "DomainName": "hooks.example.com",
    "OriginDomainName": "origin.hooks.example.com",
    "CertificateArn": CERTIFICATE.replace("eu-west-1", "us-east-1"),
}
DOMAIN = {"DomainName": "hooks.example.com", "CertificateArn": CERTIFICATE}
NETWORK = {"SubnetIds": "subnet-1,subnet-2", "SecurityGroupIds": "sg-1"}
SIGNING = "arn:aws:lambda:eu-west-1:111122223333:code-signing-config:csc-0123456789abcdef0"
KEY = "arn:aws:kms:eu-west-1:111122223333:key/0a1b2c3d-0000-4000-8000-000000000000"
KEPT = "0a1b2c3d-0000-4000-8000-000000000001"
RULE = "arn:aws:events:eu-west-1:111122223333:rule/nightly"

LINKS = {"LinkKeys": "aws:tidegate/links"}
ISSUER = {"OidcIssuer": "https://login.example/tenant", "OidcAudience": "tidegate"}
CONSOLE = ISSUER | {"ConsoleClientId": "console", "AppUrl": "https://tidegate.example"}


@pytest.mark.parametrize(
    "given",
    [
        {},
        DOMAIN,
        DOMAIN | {"HostedZoneId": "Z0123456789ABC"},
        NETWORK,
        {"MessagesQueueType": "FIFO"},
        {"SenderRuleArns": RULE},
        {"SenderAccountIds": "111122223333,444455556666"},
        {"TemporalAuth": "none", "TemporalSecretArn": ""},
        # The name turns TLS on.
        {
            "TemporalAuth": "none",
            "TemporalSecretArn": "",
            "TemporalServerName": "temporal.lan",
        },
        {"TemporalSecretVersion": KEPT},
        {"TemporalAddress": "10.0.0.1:1"},
        {"TemporalAddress": "10.0.0.1:65535"},
        {"AlarmEmail": "on-call+tidegate@alarms.example.co.uk"},
        {"Encryption": "AWS-managed", "RetainedKeyArn": KEY},
        # There and back: messages of before are still in the queues.
        {"Encryption": "KMS", "RetainedKeyArn": KEY},
        {"SnapStart": "PublishedVersions"},
        {"MessageConcurrency": "20"},
        {"ReserveConcurrency": "false"},
        {"CodeSigningConfigArn": SIGNING},
        {"SecretsKeyArns": f"{KEY},{KEY}"},
        {"LinkKeys": "aws:tidegate/links"},
        {"LinkKeys": "aws:tidegate/links#new,aws:tidegate/links#old", "AppConcurrency": "1"},
        LINKS | {"ApiTokens": "aws:tidegate/api", "AppUrl": "https://tidegate.example/app"},
        LINKS | ISSUER,
        LINKS | CONSOLE | {"OidcAudience": ""},
        LINKS | CONSOLE | {"ConsoleClientSecret": "aws:tidegate/console"},
        LINKS | {"SlackSigningSecret": "aws:tidegate/slack", "SlackTeam": "T0123456789"},
        LINKS | ISSUER | {"OidcRole": "contains(groups, 'sre') && 'responder'", "OidcName": "sub"},
    ],
)
def test_what_can_be_deployed_is_accepted(given: dict[str, str]) -> None:
    assert refusals(template(FRONT_DOOR), FRONT | given) == []


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"TemporalSecretArn": ""}, "TemporalSecretArn is needed"),
        ({"TemporalAuth": "none"}, "are not used"),
        (
            {"TemporalAuth": "none", "TemporalSecretArn": "", "TemporalSecretVersion": KEPT},
            "TemporalSecretVersion is not used",
        ),
        ({"TemporalAddress": "10.0.0.1:0"}, "a port up to 65535"),
        ({"TemporalAddress": "10.0.0.1:65536"}, "a port up to 65535"),
        ({"TemporalAddress": "10.0.0.1:70000"}, "a port up to 65535"),
        ({"AlarmEmail": "nobody"}, "a mail address"),
        ({"AlarmEmail": "on call@example.com"}, "a mail address"),
        ({"AlarmEmail": "oncall@example"}, "a mail address"),
        ({"SubnetIds": "subnet-1"}, "SecurityGroupIds is needed"),
        ({"SecurityGroupIds": "sg-1"}, "SubnetIds is needed"),
        ({"DomainName": "hooks.example.com"}, "CertificateArn is needed"),
        ({"CertificateArn": CERTIFICATE}, "for a DomainName, which is empty"),
        ({"HostedZoneId": "Z0123456789ABC"}, "for a DomainName, which is empty"),
        ({"MessagesQueueType": "FIFO", "SenderRuleArns": RULE}, "cannot send to this FIFO queue"),
        ({"TemporalSecretArn": SECRET.removesuffix("-AbCdEf")}, "the whole ARN of a secret"),
        ({"SenderTopicArns": "alarms"}, "ARNs of SNS topics"),
        ({"SenderRuleArns": "nightly"}, "ARNs of EventBridge rules"),
        ({"SenderAccountIds": "1234"}, "12 digits"),
        ({"UploaderAccountIds": f"111122223333,{SECRET}"}, "12 digits"),
        (DOMAIN | {"DomainName": "https://hooks.example.com"}, "a domain name"),
        ({"RetainedKeyArn": "alias/tidegate"}, "the ARN of a key"),
        ({"QuarantineRetentionDays": "-1"}, "QuarantineRetentionDays"),
        (
            {"MessageConcurrency": "20", "ReserveConcurrency": "false"},
            "MessageConcurrency is for ReserveConcurrency=true",
        ),
        ({"CodeSigningConfigArn": "csc-0123456789abcdef0"}, "a code signing configuration"),
        ({"SecretsKeyArns": f"{KEY},alias/secrets"}, "ARNs of KMS keys"),
        ({"LinkKeys": "tidegate/links"}, "one or two references to secrets"),
        ({"LinkKeys": "env:LINK_KEY"}, "one or two references to secrets"),
        ({"LinkKeys": "aws:a,aws:b,aws:c"}, "one or two references to secrets"),
        ({"AppConcurrency": "0"}, "AppConcurrency"),
        ({"ApiTokens": "aws:tidegate/api"}, "are for the HTTP application"),
        ({"AppUrl": "https://tidegate.example"}, "are for the HTTP application"),
        (ISSUER, "are for the HTTP application"),
        (LINKS | {"OidcIssuer": ISSUER["OidcIssuer"]}, "OidcAudience is needed with OidcIssuer"),
        ({"SlackSigningSecret": "aws:tidegate/slack"}, "are for the HTTP application"),
        (LINKS | {"SlackTeam": "T0123456789"}, "SlackTeam is about requests"),
        (LINKS | {"SlackSigningSecret": "env:S"}, "a reference to a secret"),
        (
            LINKS | {"SlackSigningSecret": "aws:tidegate/slack", "SlackTeam": "us"},
            "the ID of a workspace",
        ),
        (LINKS | CONSOLE | {"AppUrl": ""}, "AppUrl is needed with ConsoleClientId"),
        (LINKS | CONSOLE | {"ConsoleClientSecret": "env:S"}, "a reference to a secret"),
        (LINKS | {"ConsoleClientSecret": "aws:tidegate/console"}, "is of a ConsoleClientId"),
        (
            LINKS | {"ConsoleClientId": "console", "AppUrl": "https://tidegate.example"},
            "is a client of an OidcIssuer",
        ),
        (LINKS | {"OidcAudience": "tidegate"}, "are about tokens of an OidcIssuer"),
        (LINKS | {"OidcRole": "roles"}, "are about tokens of an OidcIssuer"),
        (LINKS | {"OidcName": "sub"}, "are about tokens of an OidcIssuer"),
        (LINKS | {"ApiTokens": "env:TOKENS"}, "a reference to a secret"),
        (LINKS | {"AppUrl": "http://tidegate.example"}, "an https address"),
        (LINKS | ISSUER | {"OidcIssuer": "http://login.example"}, "an https address"),
    ],
)
def test_what_cannot_work_is_refused_with_a_sentence(given: dict[str, str], sentence: str) -> None:
    [found] = refusals(template(FRONT_DOOR), FRONT | given)
    assert sentence in found


@pytest.mark.parametrize("region", ["ap-southeast-6", "ap-east-2"])
def test_a_region_without_snapstart_is_refused_where_it_is_asked_for(region: str) -> None:
    [found] = refusals(
        template(FRONT_DOOR), FRONT | {"SnapStart": "PublishedVersions"}, region=region
    )
    assert "no SnapStart in this region" in found
    assert refusals(template(FRONT_DOOR), FRONT, region=region) == []


def test_the_firewall_is_deployed_in_north_virginia_only() -> None:
    assert refusals(template(EDGE), EDGES, region="us-east-1") == []
    [found] = refusals(template(EDGE), EDGES, region="eu-west-1")
    assert "us-east-1" in found


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"CertificateArn": CERTIFICATE}, "of us-east-1"),
        ({"OriginDomainName": "hooks.example.com"}, "would ask itself"),
        ({"RequestsPerFiveMinutes": "5"}, "RequestsPerFiveMinutes"),
        ({"KeyArn": KEY}, "of us-east-1"),
        ({"AlarmEmail": "nobody"}, "a mail address"),
    ],
)
def test_what_the_firewall_cannot_be_is_refused(given: dict[str, str], sentence: str) -> None:
    [found] = refusals(template(EDGE), EDGES | given, region="us-east-1")
    assert sentence in found


def test_every_arn_that_is_a_parameter_has_a_pattern() -> None:
    """Or a name in its place would be refused in the middle of a deployment. What a nested stack is
    given is the outer one's."""
    for name in (FRONT_DOOR, WORKERS, EDGE, DEPLOYER):
        for parameter, spec in template(name)["Parameters"].items():
            if parameter.endswith(("Arn", "Arns")):
                assert "AllowedPattern" in spec, f"{name}: {parameter}"


def test_that_a_fifo_queue_takes_fifo_topics_only_is_said() -> None:
    """No function of a rule can look at the end of a text."""
    described = template(FRONT_DOOR)["Parameters"]["SenderTopicArns"]["Description"]
    assert "To a FIFO queue only FIFO topics can" in described


@pytest.mark.parametrize(
    ("name", "parameter", "said"),
    [
        (FRONT_DOOR, "TemporalSecretArn", "of the stack's region"),
        (FRONT_DOOR, "CertificateArn", "of the stack's region"),
        (FRONT_DOOR, "SenderRuleArns", "does not admit another one's"),
        (FRONT_DOOR, "MessageConcurrency", "Never less than MaximumConcurrency"),
        (FRONT_DOOR, "LinkKeys", "The function may read no other"),
        (FRONT_DOOR, "ApiTokens", "The function may read no other"),
        (FRONT_DOOR, "ConsoleClientSecret", "The function may read no other"),
        (FRONT_DOOR, "SlackSigningSecret", "may read no other"),
        (WORKERS, "TemporalSecretArn", "of the stack's region"),
        (WORKERS, "KeyArn", "of the stack's region"),
    ],
)
def test_what_no_rule_can_compare_is_said(name: str, parameter: str, said: str) -> None:
    """Neither a part of a text with the stack's region or account, nor two numbers."""
    description = template(name)["Parameters"][parameter]["Description"]
    assert said in description
    assert re.search(r"\bno rule\b", description, re.IGNORECASE)


def test_every_constraint_on_text_has_a_sentence() -> None:
    """In every template, or a refusal would show a regular expression."""
    constrained = {
        f"{name}: {parameter}": spec.get("ConstraintDescription", "")
        for name in (*TEMPLATES, WORKER)
        for parameter, spec in template(name)["Parameters"].items()
        if "AllowedPattern" in spec
    }
    assert {each.partition(":")[0] for each in constrained} >= {FRONT_DOOR, WORKERS, EDGE, DEPLOYER}
    assert [each for each, sentence in constrained.items() if not sentence] == []
    files = {str(path.relative_to(ROOT)) for path in (ROOT / "infra" / "aws").glob("*.yaml")}
    assert files - {"infra/aws/webhooks.yaml"} == {*TEMPLATES, WORKER} - {FRONT_DOOR}


@pytest.mark.parametrize("format", EXTERNAL)
def test_a_queue_may_have_each_external_format(format: str) -> None:
    name = f"{MAPPED}:zabbix" if format == MAPPED else format
    for given in (f"alarms={name}", f"orders=message,alarms={name}"):
        assert refusals(template(FRONT_DOOR), FRONT | {"QueueFormats": given}) == []


@pytest.mark.parametrize("format", ["nosuch", MAPPED, *INTERNAL, "s3,", "s3:zabbix", "s3x"])
def test_a_queue_has_no_other_format(format: str) -> None:
    for given in (f"alarms={format}", f"orders=message,alarms={format}"):
        [found] = refusals(template(FRONT_DOOR), FRONT | {"QueueFormats": given})
        assert "with formats of docs/events.md" in found
