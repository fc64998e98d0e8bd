"""Builds of the serverless workers: what can be deployed, which get new work, and which may not."""

from __future__ import annotations

import json

import pytest

from core.config.settings import Settings
from core.contracts import INCIDENT_TASK_QUEUE, ROOT_TASK_QUEUE
from core.errors import RolloutConflict, RolloutRefused, SettingsError
from core.operations import worker_deployments as operation
from core.operations.worker_deployments import Plan, Promoted, Ramped, Step
from core.ports.worker_deployment import (
    Backlog,
    Configuration,
    Function,
    Poller,
    Stack,
    State,
    TaskQueue,
    WorkerDeployment,
)
from tests.support.worker_deployment import POLLED, QUEUES, START, InMemory, arn, function

ROLE = "arn:aws:iam::123456789012:role/invoke"
ROOT_ONLY = {ROOT_TASK_QUEUE: Backlog()}


def plan(build: str = "two", version: int = 2, *, timeout: float = 0) -> Plan:
    return Plan(build_id=build, function=function(version), queues=QUEUES, timeout=timeout)


# ------------------------------------------------------------------------- what can be deployed


@pytest.mark.parametrize(
    ("options", "why", "fix"),
    [
        ({"arn": "tidegate-workers:7"}, "is not the ARN of a Lambda function", "REGION"),
        ({"arn": arn(7)[:-2]}, "it names no version", "publish a version"),
        ({"arn": arn(7)[:-1] + "$LATEST"}, r"\$LATEST moves", "publish a version"),
        ({"arn": arn(7)[:-1] + "live"}, "live moves", "publish a version"),
        ({"role": None}, "--role-arn is not named", "--without-role"),
        ({"external_id": None}, "--external-id is not named", "--external-id"),
        ({"role": "invoke"}, "is not the ARN of a role", "role/NAME"),
        (
            {"role": ROLE.replace("1234", "9999")},
            "of the account 999956789012, and the function of 123456789012",
            "of one stack",
        ),
        ({"external_id": "a b"}, "is not one that AWS takes", "trust policy"),
        ({"without_role": True}, "--without-role excludes", "leave out"),
    ],
)
def test_a_function_that_temporal_could_not_call_is_refused_with_the_next_step(
    options: dict[str, object], why: str, fix: str
) -> None:
    valid = {"arn": arn(7), "role": ROLE, "external_id": "secret-enough", "without_role": False}
    with pytest.raises(SettingsError, match=why) as refused:
        made_of(**{**valid, **options})
    assert fix in refused.value.fix


def made_of(**options: object) -> Function:
    named = {name: options[name] for name in ("arn", "role", "external_id")}
    without = bool(options["without_role"])
    return operation.function(*named.values(), without_role=without)  # type: ignore[arg-type]


def test_a_published_version_with_its_role_is_a_function() -> None:
    assert operation.function(arn(7), ROLE, "secret-enough") == function(7)
    assert operation.function(arn(7), None, None, without_role=True) == Function(arn(7))


def test_a_function_elsewhere_than_the_stack_is_refused() -> None:
    stack = Stack(
        function_arn=arn(7),
        build_id="one",
        role=ROLE,
        external_id="secret-enough",
        place="123456789012 in eu-west-1",
    )
    operation.check_place(arn(7), stack)
    with pytest.raises(SettingsError, match="123456789012 in us-east-1, and the stack of 12345"):
        operation.check_place(arn(7).replace("eu-west-1", "us-east-1"), stack)
    with pytest.raises(SettingsError, match="account 999956789012 in eu-west-1"):
        operation.check_place(arn(7).replace("1234", "9999"), stack)


@pytest.mark.parametrize(
    ("timeout", "variables", "why", "fix"),
    [
        (60, {"TIDEGATE_BUILD_ID": "one"}, "has TIDEGATE_BUILD_ID=one", "--build-id one"),
        (60, {}, "has no build ID", "set its TIDEGATE_BUILD_ID to two"),
        (
            31,
            {"TIDEGATE_BUILD_ID": "two"},
            "31 s until its timeout",
            "longer timeout",
        ),
        (
            60,
            {"TIDEGATE_BUILD_ID": "two", "TIDEGATE_DRAIN_TIMEOUT": "55"},
            "TIDEGATE_DRAIN_TIMEOUT=55",
            "shorter TIDEGATE_DRAIN_TIMEOUT",
        ),
        (
            60,
            {"TIDEGATE_BUILD_ID": "two", "TIDEGATE_IDLE_TIMEOUT": "soon"},
            "of the function: TIDEGATE_IDLE_TIMEOUT",
            "correct TIDEGATE_IDLE_TIMEOUT",
        ),
    ],
)
def test_a_configuration_with_which_the_function_could_not_work_is_refused(
    timeout: int, variables: dict[str, str], why: str, fix: str
) -> None:
    with pytest.raises(SettingsError, match=why) as refused:
        operation.check_configuration(Configuration(timeout, variables), "two")
    assert fix in refused.value.fix


def test_the_function_says_which_task_queues_it_serves() -> None:
    variables = {"TIDEGATE_BUILD_ID": "two", "TIDEGATE_SERVED_WORKERS": "root-worker"}
    served = operation.check_configuration(Configuration(32, variables), "two")
    assert served.served_queues == (ROOT_TASK_QUEUE,)
    assert Settings().served_queues == (ROOT_TASK_QUEUE, INCIDENT_TASK_QUEUE)


# ------------------------------------------------------------------------------------- deploy


@pytest.mark.parametrize(
    ("workers", "change", "calls"),
    [
        (InMemory(exists=False), "created", ["create two"]),
        (InMemory().add("two", function(2)), "unchanged", ["check two"]),
        (InMemory().add("two", function(1)), "updated", ["set two"]),
        (InMemory().add("two", None), "updated", ["set two"]),
        (InMemory().add("two", function(2), queues=ROOT_ONLY), "unchanged", ["set two"]),
    ],
    ids=[
        "a new build",
        "the same",
        "another function",
        "a build without a function",
        "one that has not polled all task queues is invoked again",
    ],
)
async def test_a_deployment_changes_what_differs_and_nothing_else(
    workers: InMemory, change: str, calls: list[str]
) -> None:
    steps: list[Step] = []
    deployed = await operation.deploy(
        workers, plan(), report=lambda step, about: steps.append(step)
    )
    assert (deployed.change, workers.calls) == (change, calls)
    assert deployed.to_json()["task_queues"] == list(QUEUES)
    assert steps == list(Step)
    assert workers.current is None


async def test_somebody_who_creates_the_same_build_meanwhile_is_a_conflict() -> None:
    with pytest.raises(RolloutConflict, match="has just created the build two"):
        await operation.deploy(InMemory(meanwhile=True), plan(), report=lambda *_: None)


async def test_a_server_that_cannot_call_functions_is_not_changed() -> None:
    workers = InMemory(exists=False, refusal=SettingsError("the Temporal server 1.30.0 cannot"))
    with pytest.raises(SettingsError, match="the Temporal server"):
        await operation.deploy(workers, plan(), report=lambda *_: None)
    assert (workers.exists, workers.calls) == (False, [])


async def test_a_function_that_does_not_poll_is_named_with_its_log() -> None:
    workers = InMemory(polls=ROOT_ONLY)
    with pytest.raises(
        RolloutRefused, match=r"has not polled tidegate-incident within 0 s \("
    ) as why:
        await operation.deploy(workers, plan(), report=lambda *_: None)
    assert "aws logs tail /aws/lambda/tidegate-workers" in why.value.fix


@pytest.mark.parametrize("registered", [function(2), None], ids=["deployed", "only polls"])
async def test_a_function_that_polls_as_another_build_is_recognised(
    registered: Function | None,
) -> None:
    workers = InMemory(polls={}).add("one", registered)
    polls = [Poller("tidegate", "one", START), Poller("elsewhere", "other", START)]
    workers.queues[ROOT_TASK_QUEUE] = TaskQueue("", "", polls)
    with pytest.raises(RolloutRefused, match="0 s: it polls as build one ") as why:
        await operation.deploy(workers, plan(), report=lambda *_: None)
    assert "TIDEGATE_BUILD_ID=two" in why.value.fix


async def test_another_build_that_is_awake_is_not_taken_for_it() -> None:
    workers = InMemory(polls={}).add("one", function(1))
    polls = [Poller("tidegate", "one", START)]
    workers.queues[ROOT_TASK_QUEUE] = TaskQueue("", "", polls)
    with pytest.raises(RolloutRefused, match=r"within 0 s \("):
        await operation.deploy(workers, plan(), report=lambda *_: None)


# --------------------------------------------------------------------- promote, ramp, roll back


def two_builds() -> InMemory:
    old = InMemory().add("one", function(1), state=State.CURRENT, last_current=1)
    return old.add("two", function(2))


async def test_the_newest_build_with_a_function_is_promoted_unless_one_is_named() -> None:
    workers = two_builds().add("containers", None)
    done = await operation.promote(workers, None, QUEUES)
    assert (done.build_id, done.before, done.changed) == ("two", "one", True)
    again = await operation.promote(workers, "two", QUEUES)
    assert again.changed is False
    assert workers.calls == ["current two"]


@pytest.mark.parametrize(
    ("build", "why", "fix"),
    [
        ("nope", "there is no build 'nope'; the newest are bare, half, two, one", "deploy"),
        ("bare", "build bare has no function", "tidegate workers deploy --build-id bare"),
        ("half", "build half has not polled tidegate-incident", "TIDEGATE_SERVED_WORKERS"),
    ],
)
async def test_a_build_that_could_not_take_work_is_refused_unless_forced(
    build: str, why: str, fix: str
) -> None:
    workers = two_builds().add("half", function(3), queues=ROOT_ONLY).add("bare", None)
    for attempt in (
        operation.promote(workers, build, QUEUES),
        operation.ramp(workers, build, 5, QUEUES),
    ):
        with pytest.raises(RolloutRefused, match=why) as refused:
            await attempt
        assert fix in refused.value.fix
    assert workers.calls == []
    if build != "nope":
        await operation.promote(workers, build, QUEUES, force=True)
        assert workers.calls == [f"current {build} forced"]


@pytest.mark.parametrize("workers", [InMemory(exists=False), InMemory()], ids=["none", "empty"])
async def test_without_a_build_each_command_says_to_deploy_one(workers: InMemory) -> None:
    for attempt in (
        operation.promote(workers, None, QUEUES),
        operation.ramp(workers, "one", 5, QUEUES),
        operation.rollback(workers, QUEUES),
        operation.status(workers),
    ):
        with pytest.raises(RolloutRefused, match="has no build") as refused:
            await attempt
        assert "tidegate workers deploy" in refused.value.fix
    with pytest.raises(RolloutRefused, match="no build has a function"):
        await operation.promote(InMemory().add("bare", None), None, QUEUES)


async def test_the_first_promotion_names_who_had_the_work_until_then() -> None:
    workers = InMemory().add("one", function(1))
    workers.queues[ROOT_TASK_QUEUE] = TaskQueue("tidegate-root", "1.0.0", ())
    done = await operation.promote(workers, "one", QUEUES)
    assert (done.before, done.others) == (None, {ROOT_TASK_QUEUE: "tidegate-root 1.0.0"})


async def test_a_lost_race_changes_nothing_and_says_so() -> None:
    workers = two_builds().add("old", function(3), last_current=0)
    workers.meanwhile = True
    for attempt in (
        operation.promote(workers, "two", QUEUES),
        operation.ramp(workers, "two", 5, QUEUES),
        operation.rollback(workers, QUEUES),
    ):
        with pytest.raises(RolloutConflict) as lost:
            await attempt
        assert "tidegate workers status" in lost.value.fix
    assert workers.calls == []


async def test_a_ramp_is_set_moved_and_ended() -> None:
    workers = two_builds().add("three", function(3))
    await operation.ramp(workers, "two", 5, QUEUES)
    moved = await operation.ramp(workers, "three", 20, QUEUES)
    assert (moved.before, moved.before_percent, moved.current) == ("two", 5, "one")
    ended = await operation.ramp(workers, "three", 0, QUEUES)
    assert ended.to_json()["ramping"] is None
    assert workers.calls == ["ramp two 5", "ramp three 20", "ramp None 0"]


@pytest.mark.parametrize(
    ("build", "percent", "why"),
    [("one", 5, "build one is current"), ("two", 0, "build two has no share")],
)
async def test_a_ramp_that_means_nothing_is_refused(build: str, percent: float, why: str) -> None:
    workers = two_builds()
    with pytest.raises(RolloutRefused, match=why):
        await operation.ramp(workers, build, percent, QUEUES)
    assert workers.calls == []


async def test_a_promotion_names_another_build_that_still_ramps_up() -> None:
    workers = two_builds().add("three", function(3), state=State.RAMPING)
    done = await operation.promote(workers, "two", QUEUES)
    assert (done.ramping, done.ramp) == ("three", 10)
    promoted = await operation.promote(workers, "three", QUEUES)
    assert promoted.ramping is None


async def test_a_rollback_goes_to_the_build_that_was_current_last() -> None:
    workers = InMemory()
    workers.add("one", function(1), state=State.DRAINING, last_current=1)
    workers.add("two", function(2), state=State.DRAINING, last_current=5)
    workers.add("never", function(3))
    workers.add("four", function(4), state=State.CURRENT, last_current=9)
    done = await operation.rollback(workers, QUEUES)
    assert isinstance(done, Promoted)
    assert (done.build_id, done.before) == ("two", "four")


async def test_a_rollback_ends_a_ramp_first() -> None:
    workers = two_builds().add("three", function(3), state=State.RAMPING)
    done = await operation.rollback(workers, QUEUES)
    assert isinstance(done, Ramped)
    assert (workers.current, workers.ramping) == ("one", None)


async def test_a_build_that_ramps_up_without_a_share_does_not_hold_up_a_rollback() -> None:
    workers = two_builds().add("old", function(3), last_current=0)
    workers.ramping = "two"
    done = await operation.rollback(workers, QUEUES)
    assert isinstance(done, Promoted)
    assert (done.build_id, done.ramp) == ("old", 0)


@pytest.mark.parametrize(
    ("workers", "why"),
    [
        (two_builds(), "no other build was current before"),
        (InMemory().add("one", function(1), last_current=1), "no build is current"),
    ],
)
async def test_a_rollback_to_nothing_says_how_to_go_on(workers: InMemory, why: str) -> None:
    with pytest.raises(RolloutRefused, match=why) as refused:
        await operation.rollback(workers, QUEUES)
    assert "--deployment-name tidegate --unversioned" in refused.value.fix


async def test_a_rollback_to_a_build_that_lost_its_function_is_refused() -> None:
    workers = InMemory().add("one", None, state=State.DRAINED, last_current=1)
    workers.add("two", function(2), state=State.CURRENT, last_current=2)
    with pytest.raises(RolloutRefused, match="build one has no function"):
        await operation.rollback(workers, QUEUES)


# ------------------------------------------------------------------------------------- status


async def test_the_status_has_each_build_with_its_queues_and_none_of_what_is_drained() -> None:
    waiting = {**POLLED, ROOT_TASK_QUEUE: Backlog(3)}
    workers = InMemory().add("old", function(1), state=State.DRAINED)
    workers.add("one", function(2), state=State.CURRENT, queues=waiting, problem="no such function")
    polls = [
        Poller("tidegate", "one", START),
        Poller("tidegate", "two", START.replace(hour=9)),
        Poller("elsewhere", "one", START.replace(hour=10)),
    ]
    workers.queues[ROOT_TASK_QUEUE] = TaskQueue("tidegate", "one", polls)
    shown = (await operation.status(workers)).to_json()
    current, drained = shown["builds"]
    assert json.loads(json.dumps(shown)) == shown
    assert (shown["current"], current["state"], current["problem"]) == (
        "one",
        "current",
        "no such function",
    )
    assert current["function_arn"] == arn(2)
    assert current["task_queues"][0] == {
        "name": ROOT_TASK_QUEUE,
        "backlog_tasks": 3,
        "backlog_age_seconds": 0.0,
        "last_polled": START.isoformat(),
    }
    assert (drained["function_arn"], drained["task_queues"]) == (None, [])
    assert "secret-enough" not in json.dumps(shown)


def test_the_fake_is_a_worker_deployment() -> None:
    port: WorkerDeployment = InMemory()
    assert port.name == "tidegate"
