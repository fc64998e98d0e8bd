"""The webhooks' address: AWS's own, or a name of the operator's, with or without a firewall."""

from __future__ import annotations

import re
from typing import Any

from tests.support.cloudformation import EDGE, FRONT_DOOR, ROOT, walk
from tests.support.deployed_stack import Stack

DOMAIN = {
    "DomainName": "hooks.example.com",
    "CertificateArn": "arn:aws:acm:eu-west-1:111122223333:certificate/1234",
}
ZONE = {"HostedZoneId": "Z0123456789ABC"}


def api(stack: Stack) -> dict[str, Any]:
    return stack.resources("Serverless::HttpApi")["WebhookApi"]


def test_without_a_name_the_api_is_reached_by_awss() -> None:
    stack = Stack(FRONT_DOOR)
    assert api(stack)["DisableExecuteApiEndpoint"] is False
    assert stack.resources("ApiGatewayV2::DomainName") == {}
    assert "DomainTarget" not in stack.outputs()
    assert "execute-api" in stack.outputs()["WebhooksUrl"]["Fn::Sub"]


def test_with_a_name_the_api_is_reached_by_it_alone() -> None:
    stack = Stack(FRONT_DOOR, DOMAIN)
    assert api(stack)["DisableExecuteApiEndpoint"] is True
    [domain] = stack.resources("ApiGatewayV2::DomainName").values()
    [configuration] = domain["DomainNameConfigurations"]
    assert domain["DomainName"] == "hooks.example.com"
    assert configuration["SecurityPolicy"] == "TLS_1_2"
    [mapping] = stack.resources("ApiGatewayV2::ApiMapping").values()
    # By reference, or it would be made before the name is there.
    assert mapping["DomainName"] == {"Ref": "ApiDomain"}
    assert mapping["ApiId"] == {"Ref": "WebhookApi"}
    assert mapping["Stage"] == {"Ref": "WebhookApi.Stage"}
    assert stack.outputs()["WebhooksUrl"] == "https://hooks.example.com/hooks/"


def test_the_names_record_is_made_where_its_zone_is_named_and_left_to_the_operator_elsewhere() -> (
    None
):
    assert Stack(FRONT_DOOR, DOMAIN).resources("Route53::RecordSet") == {}
    [record] = Stack(FRONT_DOOR, DOMAIN | ZONE).resources("Route53::RecordSet").values()
    target = {"Fn::GetAtt": ["ApiDomain", "RegionalDomainName"]}
    assert record["Name"] == "hooks.example.com"
    assert record["AliasTarget"]["DNSName"] == target
    assert Stack(FRONT_DOOR, DOMAIN).outputs()["DomainTarget"] == target


def acl() -> dict[str, Any]:
    return Stack(EDGE).resources("WAFv2::WebACL")["WebAcl"]


def behaviour() -> dict[str, Any]:
    [distribution] = Stack(EDGE).resources("CloudFront::Distribution").values()
    found: dict[str, Any] = distribution["DistributionConfig"]["DefaultCacheBehavior"]
    return found


def test_the_firewall_is_the_distribution_s() -> None:
    [distribution] = Stack(EDGE).resources("CloudFront::Distribution").values()
    assert distribution["DistributionConfig"]["WebACLId"] == {"Fn::GetAtt": ["WebAcl", "Arn"]}
    assert acl()["Scope"] == "CLOUDFRONT"


def test_senders_use_the_name_of_the_distribution_and_the_api_has_another() -> None:
    names = {"DomainName": "hooks.example.com", "OriginDomainName": "origin.hooks.example.com"}
    stack = Stack(EDGE, names | ZONE)
    [distribution] = stack.resources("CloudFront::Distribution").values()
    assert distribution["DistributionConfig"]["Aliases"] == ["hooks.example.com"]
    [origin] = distribution["DistributionConfig"]["Origins"]
    assert origin["DomainName"] == "origin.hooks.example.com"
    records = stack.resources("Route53::RecordSet").values()
    assert {(each["Name"], each["Type"]) for each in records} == {
        ("hooks.example.com", "A"),
        ("hooks.example.com", "AAAA"),
    }
    assert stack.outputs()["WebhooksUrl"] == "https://hooks.example.com/hooks/"


def test_the_firewall_reads_no_body() -> None:
    """AWS's common rule set refuses bodies over 8 KB, and alerts exceed that. Source: AWS WAF,
    "Baseline rule groups", SizeRestrictions_BODY."""
    groups = [
        each["ManagedRuleGroupStatement"]["Name"]
        for each in walk(acl())
        if isinstance(each, dict) and "ManagedRuleGroupStatement" in each
    ]
    assert groups == ["AWSManagedRulesAmazonIpReputationList"]
    assert not [each for each in walk(acl()) if isinstance(each, dict) and "FieldToMatch" in each]


def test_a_sender_that_floods_is_asked_to_retry() -> None:
    """Alertmanager and Datadog retry a 5xx, and neither the firewall's 403 nor a 429."""
    [rule] = [rule for rule in acl()["Rules"] if "RateBasedStatement" in rule["Statement"]]
    assert rule["Action"] == {"Block": {"CustomResponse": {"ResponseCode": 503}}}
    limit = rule["Statement"]["RateBasedStatement"]
    assert limit["AggregateKeyType"] == "IP"
    # RequestsPerFiveMinutes
    assert limit["EvaluationWindowSec"] == 5 * 60


def test_the_firewall_records_who_is_blocked() -> None:
    """WAF writes to log groups of this prefix, and for CloudFront in us-east-1, where the stack is.
    Source: AWS WAF, "Sending web ACL traffic logs to a CloudWatch Logs log group"."""
    stack = Stack(EDGE, {"Name": "tidegate"})
    [logging] = stack.resources("WAFv2::LoggingConfiguration").values()
    [(id, group)] = stack.resources("Logs::LogGroup").items()
    assert group["LogGroupName"] == "aws-waf-logs-tidegate-webhooks"
    assert group["RetentionInDays"] == "30"
    assert logging["ResourceArn"] == {"Fn::GetAtt": ["WebAcl", "Arn"]}
    assert f"log-group:${{{id}}}" in str(logging["LogDestinationConfigs"])
    assert "*" not in str(logging["LogDestinationConfigs"])
    [kept] = logging["LoggingFilter"]["Filters"]
    assert logging["LoggingFilter"]["DefaultBehavior"] == "DROP"
    assert kept["Behavior"] == "KEEP"
    assert kept["Conditions"] == [{"ActionCondition": {"Action": "BLOCK"}}]


def test_an_alarm_goes_off_when_an_address_is_slowed_down() -> None:
    stack = Stack(EDGE, {"Name": "tidegate"})
    [alarm] = stack.resources("CloudWatch::Alarm").values()
    assert (alarm["MetricName"], alarm["Threshold"]) == ("BlockedRequests", 0)
    assert (alarm["Statistic"], alarm["EvaluationPeriods"]) == ("Sum", 1)
    [firewall] = stack.resources("WAFv2::WebACL").values()
    [floods] = [r for r in firewall["Rules"] if "RateBasedStatement" in r["Statement"]]
    assert {each["Name"]: each["Value"] for each in alarm["Dimensions"]} == {
        "WebACL": firewall["VisibilityConfig"]["MetricName"],
        "Rule": floods["VisibilityConfig"]["MetricName"],
    }
    assert alarm["Period"] == floods["Statement"]["RateBasedStatement"]["EvaluationWindowSec"]


def test_the_runbook_looks_for_who_is_blocked_by_the_names_of_the_log_and_of_the_rule() -> None:
    runbook = (ROOT / "docs" / "operate.md").read_text(encoding="utf-8")
    [(group, rule)] = re.findall(
        r"logs (aws-waf-logs-\S+) \w+ '\{ \$\.terminatingRuleId = \"([\w-]+)\" \}'", runbook
    )
    [made] = Stack(EDGE, {"Name": "$NAME"}).resources("Logs::LogGroup").values()
    assert group == made["LogGroupName"]
    assert rule in [each["Name"] for each in acl()["Rules"]]


def test_the_firewall_keeps_no_header_and_no_query() -> None:
    """They hold senders' credentials."""
    protections = acl()["DataProtectionConfig"]["DataProtections"]
    assert {each["Action"] for each in protections} == {"SUBSTITUTION"}
    # Without keys it is every header. Source: AWS WAF, API reference of FieldToProtect.
    assert [each["Field"] for each in protections] == [
        {"FieldType": "SINGLE_HEADER"},
        {"FieldType": "SINGLE_COOKIE"},
        {"FieldType": "QUERY_STRING"},
    ]
    visible = [each for each in walk(acl()) if isinstance(each, dict) and "MetricName" in each]
    assert len(visible) == 1 + len(acl()["Rules"])
    assert not any(each["SampledRequestsEnabled"] for each in visible)


def test_the_distribution_passes_requests_on_as_they_are_and_caches_none() -> None:
    assert {"POST", "PUT", "OPTIONS"} <= set(behaviour()["AllowedMethods"])
    assert behaviour()["ViewerProtocolPolicy"] == "https-only"
    # CachingDisabled and AllViewerExceptHostHeader. Source: Amazon CloudFront, "Use managed cache
    # policies" and "Use managed origin request policies".
    assert behaviour()["CachePolicyId"] == "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
    assert behaviour()["OriginRequestPolicyId"] == "b689b0a8-53d0-40ab-baf2-68738e2966ac"


def test_the_distribution_waits_as_long_as_the_api() -> None:
    [distribution] = Stack(EDGE).resources("CloudFront::Distribution").values()
    [origin] = distribution["DistributionConfig"]["Origins"]
    events = Stack(FRONT_DOOR).resources("Serverless::Function")["WebhookListener"]["Events"]
    longest = max(each["Properties"]["TimeoutInMillis"] for each in events.values())
    assert origin["CustomOriginConfig"]["OriginReadTimeout"] * 1000 >= longest
    assert origin["CustomOriginConfig"]["OriginProtocolPolicy"] == "https-only"
