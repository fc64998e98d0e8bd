"""What `tidegate workers` prints: steps, what a change means, the builds, and the next step."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from core import bootstrap
from core.config.settings import Settings
from core.contracts import INCIDENT_TASK_QUEUE, ROOT_TASK_QUEUE
from core.errors import RolloutConflict, TemporalUnavailable
from core.ports.worker_deployment import (
    Backlog,
    Poller,
    Stack,
    State,
    TaskQueue,
    WorkerDeployment,
)
from tests.support.cli import Result, Tidegate
from tests.support.worker_deployment import START, InMemory, arn, function

ROOT = Path(__file__).parents[3]
BACKLOG = {INCIDENT_TASK_QUEUE: Backlog(), ROOT_TASK_QUEUE: Backlog(1200, timedelta(seconds=90))}
DEPLOY = ("deploy", "--build-id", "two", "--function-arn", arn(2))
ROLE = ("--role-arn", str(function(2).role), "--external-id", str(function(2).external_id))


@pytest.fixture
def deployment(monkeypatch: pytest.MonkeyPatch) -> InMemory:
    """What the command works on: two builds, of which the older is current."""
    workers = InMemory()

    async def connected(settings: Settings) -> WorkerDeployment:
        return workers

    monkeypatch.setattr(bootstrap, "worker_deployment", connected)
    workers.add("one", function(1), state=State.CURRENT, last_current=1)
    return workers


@pytest.fixture
def run(deployment: InMemory, tidegate: Tidegate) -> Tidegate:
    def run(*arguments: str) -> Result:
        return tidegate("workers", *arguments)

    return run


def test_a_deployment_prints_its_steps_and_what_comes_next(run: Tidegate) -> None:
    deployed = run(*DEPLOY, *ROLE)
    assert (deployed.code, deployed.err) == (0, "")
    steps = [line.split("  ")[0].strip() for line in deployed.out.splitlines()]
    assert steps[:4] == ["server", "deployment", "version", "task queues"]
    assert deployed.out.endswith(
        "build two: created; it gets no new work\n  next: tidegate workers promote two\n"
    )


def test_a_build_that_has_work_already_needs_no_next_step(
    run: Tidegate, deployment: InMemory
) -> None:
    deployment.add("two", function(2), state=State.CURRENT)
    assert run(*DEPLOY, *ROLE).out.endswith("build two: unchanged; it is current\n")


@pytest.mark.parametrize(
    ("arguments", "why", "next_step"),
    [
        (("deploy",), "name --build-id, or --stack", "tidegate workers deploy -h"),
        (("deploy", "--build-id", "two"), "name --function-arn, or --stack", "-h"),
        (DEPLOY, "--role-arn is not named", "--without-role"),
        ((*DEPLOY[:4], arn(2)[:-2], *ROLE), "it names no version", "publish a version"),
        (("ramp", "two"), "missing option '--percent'", "-h"),
        (("ramp", "two", "--percent", "101"), "--percent", "-h"),
    ],
)
def test_a_wrong_option_is_named_before_temporal_is_asked(
    run: Tidegate,
    deployment: InMemory,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    why: str,
    next_step: str,
) -> None:
    async def unavailable(settings: Settings) -> WorkerDeployment:
        raise TemporalUnavailable("127.0.0.1:7233: cannot connect")

    monkeypatch.setattr(bootstrap, "worker_deployment", unavailable)
    refused = run(*arguments)
    assert (refused.code, refused.out, deployment.calls) == (2, "", [])
    assert why in refused.err
    assert next_step in refused.err.partition("next: ")[2]


def test_a_test_server_needs_no_role(run: Tidegate, deployment: InMemory) -> None:
    assert run(*DEPLOY, "--without-role").code == 0
    assert deployment.versions["two"].function == replace(function(2), role=None, external_id=None)


def test_a_configuration_that_may_not_be_read_is_not_checked_and_that_is_said(
    run: Tidegate, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stack(name: str) -> Stack:
        its = function(2)
        return Stack(
            function_arn=its.arn,
            build_id="two",
            role=str(its.role),
            external_id=str(its.external_id),
            place="123456789012 in eu-west-1",
        )

    async def denied(arn: str) -> None:
        return None

    monkeypatch.setattr(bootstrap, "workers_stack", stack)
    monkeypatch.setattr(bootstrap, "function_configuration", denied)
    deployed = run("deploy", "--stack", "tidegate-workers", "--json")
    assert (deployed.code, deployed.json["build_id"]) == (0, "two")
    assert "lambda:GetFunctionConfiguration" in deployed.err


def test_a_promotion_says_what_becomes_of_open_workflows(
    run: Tidegate, deployment: InMemory
) -> None:
    deployment.add("two", function(2))
    assert run("promote").out == (
        "build two is current; new work went to build one until now\n"
        "open incidents move to build two with their next task; root runs end on the build that "
        "they began on\n"
        "  next: keep the function of one until `tidegate workers status` shows it as drained; "
        "`tidegate workers rollback` goes back to it\n"
    )
    assert run("promote", "two").out == "unchanged: build two is current\n"


def test_a_promotion_names_containers_that_had_the_work(
    run: Tidegate, deployment: InMemory
) -> None:
    deployment.current = None
    deployment.queues[ROOT_TASK_QUEUE] = TaskQueue("tidegate-root", "1.0.0", ())
    promoted = run("promote", "one").out
    assert "new work went to tidegate-root: tidegate-root 1.0.0 until now" in promoted
    assert "next: keep those workers until their runs have ended" in promoted
    deployment.current, deployment.queues = None, {}
    assert "went to workers without a build ID until now" in run("promote", "one").out


def test_another_build_that_ramps_up_is_the_next_step(run: Tidegate, deployment: InMemory) -> None:
    deployment.add("two", function(2)).add("three", function(3), state=State.RAMPING)
    promoted = run("promote", "two").out
    assert "10 % of new work still goes to build three\n" in promoted
    assert "next: tidegate workers rollback" in promoted


def test_a_ramp_says_who_gets_the_rest(run: Tidegate, deployment: InMemory) -> None:
    deployment.add("two", function(2)).add("three", function(3))
    assert run("ramp", "two", "--percent", "2.5").out == (
        "2.5 % of new work goes to build two; the rest: build one\n"
        "  next: tidegate workers promote two\n"
    )
    moved = run("ramp", "three", "--percent", "5").out
    assert "none goes to build two any more, where 2.5 % went\n" in moved
    assert (
        run("rollback").out == "no new work goes to build three any more: all goes to build one\n"
    )
    deployment.current = None
    outside = run("ramp", "three", "--percent", "5").out
    assert "the rest: workers outside this deployment" in outside


def test_a_share_of_workers_outside_is_named_and_ended(run: Tidegate, deployment: InMemory) -> None:
    """Such as `temporal worker deployment set-ramping-version --unversioned` gives them."""
    deployment.add("two", function(2)).ramp = 30
    promoted = run("promote", "two").out
    assert "30 % of new work still goes to workers outside this deployment\n" in promoted
    assert run("rollback").out == (
        "no new work goes to workers outside this deployment any more: all goes to build two\n"
    )
    assert (deployment.current, deployment.ramp) == ("two", 0)


@pytest.mark.parametrize(
    "arguments",
    [("promote", "two"), ("ramp", "two", "--percent", "5"), ("rollback",), ("status",)],
)
def test_each_command_prints_one_json_value(
    run: Tidegate, deployment: InMemory, arguments: tuple[str, ...]
) -> None:
    deployment.add("two", function(2), last_current=0)
    answer = run(*arguments, "--json")
    assert (answer.code, type(json.loads(answer.out))) == (0, dict)
    assert {"current", "ramp_percent"} <= answer.json.keys()


@pytest.mark.parametrize(
    "arguments",
    [
        (*DEPLOY, *ROLE),
        ("promote", "two"),
        ("ramp", "two", "--percent", "5"),
        ("rollback",),
        ("status",),
    ],
    ids=lambda arguments: arguments[0],
)
def test_every_field_that_is_printed_as_json_is_documented(
    run: Tidegate, deployment: InMemory, arguments: tuple[str, ...]
) -> None:
    deployment.add("two", function(2), last_current=0)
    chapter = (ROOT / "docs/cli.md").read_text(encoding="utf-8").partition("## Serverless workers")
    documented = set(re.findall(r"`(\w+)`", chapter[2].partition("\n## ")[0]))
    printed = re.findall(r'"(\w+)":', run(*arguments, "--json").out)
    assert set(printed) <= documented


def test_a_lost_race_is_an_error_with_a_next_step(run: Tidegate, deployment: InMemory) -> None:
    deployment.add("two", function(2)).meanwhile = True
    lost = run("promote", "two")
    assert lost.code == 1
    assert lost.err.startswith(RolloutConflict.__name__)
    assert "next: see what they changed with `tidegate workers status`" in lost.err


def test_the_status_shows_builds_queues_and_problems(run: Tidegate, deployment: InMemory) -> None:
    deployment.add("two", function(2), state=State.RAMPING, queues=BACKLOG, problem="no function")
    deployment.queues[ROOT_TASK_QUEUE] = TaskQueue(
        "tidegate", "one", [Poller("tidegate", "two", START)]
    )
    lines = run("status").out.splitlines()
    [ramping] = [line for line in lines if "tidegate-workers:2" in line]
    assert "ramping 10 %" in ramping
    assert "failed, " in ramping
    [current] = [line for line in lines if "tidegate-workers:1" in line]
    assert "ok, " in current
    [root] = [line for line in lines if "two" in line and ROOT_TASK_QUEUE in line]
    assert "1,200" in root
    assert "1 min" in root
    assert " ago" in root
    assert lines[-2:] == ["build two: no function", "  next: tidegate doctor"]
