"""Every command in the documentation is one that its program takes: its name, its options, and
those that it requires. Commands in the prose may leave arguments out; those in console blocks may
not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.command_lines import CHECKS, faults
from tests.support.console import PROGRAMS, ROOT, blocks, documents, invocations_of, run

DOCUMENTS = {str(path.relative_to(ROOT)): path for path in documents()}
WRONG = (
    "aws sqs start-message-move-task",
    "aws sqs start-message-move-task --source-arn ARN --destination-queue ARN",
    "aws lambda create-event-source-mapping --function-name f --batch-size many",
    "aws logs tail group --from 3h",
    "aws sqs list-queues --query QueueUrls[",
    "aws sqs lists-queues",
    "aws sqs get-queue-attributes --queue-url u --attribute-names Policies",
    "aws cloudformation describe-stacks --stack-nam tidegate",
    "aws ecs list-tasks --desired-status STOPED",
    "sam deploy --guide",
    "sam deploys",
    "sam deploy --config-file installation.toml --config-env worker",
    "sam deploy --config-file instalation.toml",
    "sam deploy --parameter-overrides Names=tidegate",
    "sam deploy -t infra/aws/workers.yaml --parameter-overrides QueueFormats=a=cloudwatch",
    "az acr build --image tidegate-worker .",
    "az acr build --registry r --immage tidegate-worker .",
    "az acr builds --registry r .",
    "azd upp",
    "docker push --quietly image",
    "docker compose --file f exec temporal temporal workflow begin",
    "func azure functionapp publish app --pyton",
    "git status --shorter",
    "make imag",
    "make image IMAGES=1",
    "temporal workflow list --queries q",
    "temporal workflow lists",
    "tidegate incidents list",
    "tidegate incident show",
    "tidegate incident list --statuses open",
    "uvicorn --factory core.app.application:make",
    "uvicorn core.app.application:create",
    "uvicorn --factory core.app.application:create --no-access-logs",
)


@pytest.fixture(scope="module")
def wrong() -> Mapping[str, list[str]]:
    """The faults of every document. The parsers take seconds to load, so all are asked together."""
    calls = {name: invocations_of(path) for name, path in DOCUMENTS.items()}
    found = faults(list(dict.fromkeys(call for each in calls.values() for call in each)))
    return {
        name: [f"{call}: {found[call]}" for call in dict.fromkeys(each) if call in found]
        for name, each in calls.items()
    }


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_command_of_a_document_is_one_that_its_program_takes(
    document: str, wrong: Mapping[str, list[str]]
) -> None:
    assert not wrong[document], "\n".join(wrong[document])


@pytest.mark.parametrize("name", ["docs/deploy-aws.md", "docs/deploy-azure.md", "docs/operate.md"])
def test_smoke_is_shown_with_a_webhook_and_without(name: str) -> None:
    """Without one it shows nothing of a hook's secret, format or routes."""
    calls = [call for call in invocations_of(DOCUMENTS[name]) if not call.in_prose]
    smokes = [call.arguments for call in calls if call.arguments[:1] == ("smoke",)]
    for cloud in {option for each in smokes for option in each} & {"--aws", "--azure"}:
        hooked = {"--hook" in each for each in smokes if cloud in each}
        assert hooked == {True, False}, cloud
    assert "Without `--hook` it only knocks" in DOCUMENTS[name].read_text(encoding="utf-8")


def test_no_console_block_is_overlooked() -> None:
    for name, path in DOCUMENTS.items():
        fences = path.read_text(encoding="utf-8").count("```console\n")
        assert len(blocks(path)) == fences, name


def test_every_program_that_a_document_may_call_has_a_check() -> None:
    assert {*PROGRAMS} == {*CHECKS}


def test_a_wrong_command_is_found() -> None:
    found = {str(call) for call in faults(run("\n".join(WRONG)))}
    assert {*WRONG} - found == set()


@pytest.mark.parametrize("line", ["aws sqs 'list", "aws sqs list-queues |", "terraform apply"])
def test_what_the_shell_cannot_run_is_found(line: str) -> None:
    with pytest.raises(AssertionError):
        run(line)


def test_an_argument_that_the_prose_leaves_out_is_no_fault(tmp_path: Path) -> None:
    document = tmp_path / "page.md"
    document.write_text("Then `az acr build` and `aws sqs\nreceive-message --queue-url ...`.\n")
    found = invocations_of(document)
    assert sorted(call.program for call in found) == ["aws", "az"]
    assert faults(found) == {}
