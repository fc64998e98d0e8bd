"""What the pages for a change board claim is so: evidence, recovery, retention, load brake."""

from __future__ import annotations

import json
import re
from fnmatch import fnmatch
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.cloudformation import FRONT_DOOR, TEMPLATES, template
from tests.support.console import invocations_of, run

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def text(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def rows(page: str, head: str) -> list[list[str]]:
    """The cells of the one table whose head begins so, without the head."""
    [found] = re.findall(rf"^\| {re.escape(head)}.*\n\|[-| ]+\|\n((?:\|.*\n)+)", text(page), re.M)
    return [[cell.strip() for cell in row.strip("|").split(" |")] for row in found.splitlines()]


# ----------------------------------------------------------------------------------- evidence

EVIDENCE = rows("docs/change-review.md", "Statement | Proved by | Command")


def gates() -> list[str]:
    return re.findall(r"^\tgate ([\w-]+) ", text("Makefile"), re.M)


def test_every_gate_is_evidence_and_every_named_gate_exists() -> None:
    cited = [cell for _, cell, _ in EVIDENCE if cell.startswith("gate")]
    named = [gate for cell in cited for gate in re.findall(r"`(\w+)`", cell)]
    assert sorted(named) == sorted(gates())


@pytest.mark.parametrize("row", EVIDENCE, ids=lambda row: row[0])
def test_whatever_proves_a_statement_exists_and_can_be_run(row: list[str]) -> None:
    _, proof, command = row
    assert re.match(r"gates? `|`tests/", proof)
    for path, function in re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", proof):
        assert (ROOT / path).is_file(), path
        assert re.search(rf"^(async )?def {function}", text(path), re.M), function
    assert re.findall(r"`make ([a-z-]+)`", command)


def test_it_says_that_nothing_was_deployed() -> None:
    assert "## No real deployment was made" in text("docs/change-review.md")
    assert "change-review.md#no-real-deployment-was-made" in text("docs/recovery.md")


# -------------------------------------------------------------------------------------- rights

SERVICES = {"deploy": "codedeploy", "s3api": "s3"}
"""What IAM calls the services that the AWS CLI calls otherwise."""

ACTIONS = {
    "logs:Tail": "logs:FilterLogEvents",
    "s3:ListObjectVersions": "s3:ListBucketVersions",
    "lambda:Invoke": "lambda:InvokeFunction",
    "cloudformation:Wait": "cloudformation:DescribeStacks",
    "sts:GetCallerIdentity": None,  # needs no right
}
"""The IAM actions of commands that are not called like theirs."""


def action(service: str, command: str) -> str | None:
    """The IAM action of a command such as `sqs get-queue-url`."""
    name = "".join(word.capitalize() for word in command.split("-"))
    own = f"{SERVICES.get(service, service)}:{name}"
    return ACTIONS.get(own, own)


def test_whoever_is_on_call_has_a_right_for_each_command_of_the_runbook() -> None:
    granted = " ".join(aws for _, aws, _ in rows("docs/change-review.md", "For | AWS | Azure"))
    patterns = re.findall(r"`([a-z0-9]+:\w+\*?)`", granted)
    calls = invocations_of(DOCS / "operate.md")
    needed = {action(*call.arguments[:2]) for call in calls if call.program == "aws"} - {None}
    assert len(needed) > 30
    assert not [each for each in needed if not any(fnmatch(str(each), p) for p in patterns)]


# ----------------------------------------------------------------------------------- recovery


def retained() -> dict[str, dict[str, Any]]:
    """The resources that outlive the front door's stack."""
    return {
        id: each
        for id, each in template(FRONT_DOOR)["Resources"].items()
        if str(each.get("DeletionPolicy", "")).startswith("Retain")
    }


def test_what_outlives_the_stack_is_imported_before_it_is_made_again() -> None:
    [imported] = re.findall(r"^```yaml\n(# retained.*?)```", text("docs/recovery.md"), re.M | re.S)
    resources = yaml.safe_load(imported)["Resources"]
    assert {id: each["Type"] for id, each in resources.items()} == {
        id: each["Type"] for id, each in retained().items()
    }
    values = {"Name": "tidegate", "AWS::AccountId": "111122223333", "AWS::Region": "eu-west-1"}
    for id, each in resources.items():
        assert each["DeletionPolicy"] == each["UpdateReplacePolicy"] == "Retain"
        if name := each["Properties"].get("BucketName"):
            pattern = retained()[id]["Properties"]["BucketName"]["Fn::Sub"]
            assert name == re.sub(r"\$\{([\w:]+)\}", lambda at: values[at[1]], pattern)
            assert f'"LogicalResourceId": "{id}"' in text("docs/recovery.md")


STORES = {
    "AWS::S3::Bucket": "bucket",
    "AWS::SQS::Queue": "SQS queues",
    "AWS::KMS::Key": "KMS key",
    "AWS::Events::Rule": "EventBridge",
}
"""What holds data or events, and how the table of RPO and RTO calls it."""


def test_every_store_on_aws_has_its_rpo_and_rto() -> None:
    listed = " ".join(row[0] for row in rows("docs/recovery.md", "Store | A zone fails | Somebody"))
    kinds = {each["Type"] for each in template(FRONT_DOOR)["Resources"].values()}
    assert STORES.keys() <= kinds
    for name in STORES.values():
        assert name in listed


# ---------------------------------------------------------------------------------- retention


def retention_on_aws() -> dict[str, int]:
    return {
        name: each["Default"]
        for path in TEMPLATES
        for name, each in template(path).get("Parameters", {}).items()
        if name.endswith("RetentionDays")
    }


def retention_on_azure() -> dict[str, int]:
    found = re.findall(
        r"^param (\w*[rR]etentionDays) int = (\d+)", text("infra/azure/main.bicep"), re.M
    )
    return {name: int(days) for name, days in found}


def test_every_parameter_of_retention_is_listed_with_its_default() -> None:
    listed = "\n".join(" ".join(row) for row in rows("docs/data-protection.md", "Store | Class"))
    parameters = [*retention_on_aws().items(), *retention_on_azure().items()]
    assert parameters
    for name, days in parameters:
        assert f"`{name}` ({days})" in listed, name


# --------------------------------------------------------------------------------- load brake


def test_doors_are_opened_again_with_the_defaults_of_the_templates() -> None:
    runbook = text("docs/operate.md")
    parameters = template(FRONT_DOOR)["Parameters"]
    concurrency = parameters["MaximumConcurrency"]
    assert (
        f"--enabled \\\n  --scaling-config MaximumConcurrency={concurrency['Default']}" in runbook
    )
    assert f"MaximumConcurrency={concurrency['MinValue']}   # slow" in runbook
    webhooks = parameters["WebhookConcurrency"]["Default"]
    assert f"--reserved-concurrent-executions {webhooks}\n" in runbook
    calls = json.loads(text("host.json"))["extensions"]["serviceBus"]["maxConcurrentCalls"]
    assert f"which take {calls} messages" in runbook
    [instances] = re.findall(
        r"^param maximumInstances int = (\d+)", text("infra/azure/main.bicep"), re.M
    )
    assert f"--maximum-instance-count {instances}\n" in runbook


@pytest.mark.parametrize(
    ("page", "sentence"),
    [
        ("docs/operate.md", "`ApiRateLimit` more each second"),
        ("docs/decisions/0025-a-burst-is-the-concurrency.md", "more than 100 requests in flight"),
        ("template.yaml", "more than this may be in flight"),
    ],
)
def test_a_burst_may_exceed_the_concurrency_while_processes_start(page: str, sentence: str) -> None:
    """API Gateway's throttle counts requests, not those in flight: a bucket of the burst's size,
    which the rate fills. Source: "Throttling requests to your HTTP API"."""
    assert sentence in " ".join(text(page).split())
    for overstated in ("A burst alone does not", "is not throttled by Lambda", "rarely reach"):
        assert overstated not in " ".join(text(page).split())


# -------------------------------------------------------------------------------------- drift

DENIED = re.compile(r"\b(not|never|nothing)\b", re.IGNORECASE)
DEPLOYS = re.compile(r"\bdeploy", re.IGNORECASE)
RESTORES = re.compile(
    r"\b(puts? \S+( \S+)? back|restor\w+|repair\w*|revert\w*|undo\w*|drift\w*)\b", re.IGNORECASE
)


def sentences(page: Path) -> list[str]:
    """What the prose of a page says, without its console blocks."""
    prose = re.sub(r"^ *```.*?^ *```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    parts = re.split(r"(?<=[.:;])\s+|\n *\||\n\n|\n- ", prose)
    return [" ".join(part.split()) for part in parts]


def test_drift_is_reverted_by_a_change_set_that_looks_at_the_resources() -> None:
    """Without the mode a change set compares templates, and finds nothing to do."""
    _, _, section = text("docs/operate.md").partition("\n## Put back what somebody changed\n")
    [block] = re.findall(
        r"^```console\n(aws cloudformation create-change-set.*?)^```$", section, re.M | re.S
    )
    calls = [call.arguments for call in run(f"STACK=tidegate\n{block}")]
    [made] = [call for call in calls if call[1] == "create-change-set"]
    options = dict(pairwise(made))
    assert options["--deployment-mode"] == "REVERT_DRIFT"
    assert "--use-previous-template" in made
    reviewed = [dict(pairwise(call)) for call in calls if "--change-set-name" in call]
    assert {call["--change-set-name"] for call in reviewed} == {options["--change-set-name"]}
    commands = re.findall(r"^aws cloudformation (\S+-change-set|wait change-\S+) ", block, re.M)
    assert commands == [
        "create-change-set",
        "wait change-set-create-complete",
        "describe-change-set",
        "execute-change-set",
    ]


def test_no_page_says_that_a_deployment_reverts_drift_on_aws() -> None:
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS.rglob("*.md")]
    claims = [
        f"{page.name}: {sentence}"
        for page in pages
        for sentence in sentences(page)
        if DEPLOYS.search(sentence) and RESTORES.search(sentence) and "main.bicep" not in sentence
    ]
    assert len(claims) >= 3  # which deny it
    assert [claim for claim in claims if not DENIED.search(claim)] == []


def test_the_functions_that_can_be_disabled_exist() -> None:
    code = "\n".join(text(str(path)) for path in (ROOT / "functions_azure").glob("*.py"))
    [named] = re.findall(r"^One function: (.*?)\. Each change", text("docs/operate.md"), re.M)
    functions = re.findall(r"`(\w+)`", named)
    assert len(functions) == 4
    for function in functions:
        assert re.search(rf"^(async )?def {function}\(", code, re.M), function


@pytest.mark.parametrize("page", ["docs/deploy-aws.md", "docs/deploy-azure.md"])
def test_who_may_do_what_is_one_table_for_each_cloud_and_security_links_to_it(page: str) -> None:
    """A second table of the same would miss what is added to the first."""
    [section] = re.findall(r"^## Permissions\n(.*?)(?=^## )", text("docs/security.md"), re.M | re.S)
    assert "\n|" not in section
    assert f"({Path(page).name}#who-may-do-what)" in section
    assert "\n## Who may do what\n" in text(page)


def test_whoever_the_keys_of_secrets_are_granted_to_is_in_the_table() -> None:
    rows_of_aws = rows("docs/deploy-aws.md", "Who | May | Of")
    granted = [who for who, _, of in rows_of_aws if "`SecretsKeyArns`" in of]
    assert len(granted) == 4
