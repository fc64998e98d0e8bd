"""`tidegate workers` and `tidegate doctor` against a real Temporal server that calls a Lambda on
this machine."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import boto3
import pytest
from temporalio import workflow
from temporalio.client import Client

from core.adapters.temporal.worker_deployments import TemporalWorkerDeployment
from core.contracts import INCIDENT_TASK_QUEUE, ROOT_TASK_QUEUE, SERVERLESS_DEPLOYMENT
from core.errors import RolloutConflict
from infra.local.aws.serverless import EXTERNAL_ID, ROLE, LambdaServer, start_lambda
from infra.local.processes import Processes, wait_until
from infra.local.temporal import TemporalServer, start_temporal
from tests.support.cli import Result, Tidegate
from tests.support.eventually import PATIENCE, eventually
from tests.support.faulty_lambda import FaultyLambda, faulty_lambda
from tests.support.open_role import OPEN_ROLE, sts
from workers.runtime.process import Plan, worker

Stack = Callable[..., str]
QUEUES = [INCIDENT_TASK_QUEUE, ROOT_TASK_QUEUE]
HANDLER = "tests.support.polling_function:handler"
FORGETS_POLLERS = ("--dynamic-config-value", 'matching.PollerHistoryTTL="1s"')


@workflow.defn(name="Order", sandboxed=False)
class Order:
    """A workflow of a worker that is not woken."""

    @workflow.run
    async def run(self) -> None:
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Cloud:
    """Temporal's server, and the Lambda that it calls through `endpoint`."""

    temporal: TemporalServer
    lambda_: LambdaServer
    endpoint: FaultyLambda
    folder: Path
    published: dict[str, str] = field(default_factory=dict)

    def arn(self, build: str) -> str:
        """The ARN of a published version that is this build, the same one for each test."""
        if build not in self.published:
            self.published[build] = self.publish(build)
        return self.published[build]

    def publish(self, build: str, **changed: str) -> str:
        """Publish a version of a function that is this build; returns its ARN."""
        variables = {
            "TEMPORAL_ADDRESS": self.temporal.address,
            "TIDEGATE_BUILD_ID": build,
        }
        return self.lambda_.publish({**variables, **changed}, handler=HANDLER)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    folder = tmp_path_factory.mktemp("cloud")
    processes = Processes(folder / "logs")
    try:
        with faulty_lambda() as endpoint, sts() as tokens:
            lambda_ = start_lambda(processes, os.environ)
            endpoint.target = lambda_.url
            endpoints = {"AWS_ENDPOINT_URL": endpoint.url, "AWS_ENDPOINT_URL_STS": tokens}
            env = {**os.environ, **lambda_.caller_env, **endpoints}
            temporal = start_temporal(
                processes, env, options=(*lambda_.temporal_options, *FORGETS_POLLERS)
            )
            lambda_.wait()
            temporal.wait()
            yield Cloud(temporal, lambda_, endpoint, folder)
    finally:
        processes.stop()


@pytest.fixture
def workers(cloud: Cloud, tidegate: Tidegate, monkeypatch: pytest.MonkeyPatch) -> Tidegate:
    """Runs `tidegate workers`, in an environment in which only the workers' routes are checked."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", cloud.temporal.address)
    monkeypatch.setenv("TIDEGATE_QUARANTINE", f"file://{cloud.folder}/quarantine/")
    return lambda *arguments: tidegate("workers", *arguments)


def deploy(workers: Tidegate, build: str, arn: str, *options: str) -> Result:
    role = ("--role-arn", ROLE, "--external-id", EXTERNAL_ID)
    return workers("deploy", "--build-id", build, "--function-arn", arn, *role, *options)


# --------------------------------------------------------------------------------- a stack


@pytest.fixture
def stack(cloud: Cloud, aws_settings: None, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """Makes a stack with these outputs; returns its name. The function is that of `cloud`."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", cloud.lambda_.url)

    def make(**outputs: str) -> str:
        name = f"stack-{uuid4().hex}"
        template = {
            "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
            "Outputs": {name: {"Value": value} for name, value in outputs.items()},
        }
        boto3.client("cloudformation").create_stack(
            StackName=name, TemplateBody=json.dumps(template)
        )
        return name

    return make


def outputs(build: str, arn: str) -> dict[str, str]:
    return {
        "WorkersVersionArn": arn,
        "BuildId": build,
        "InvocationRoleArn": ROLE,
        "ExternalId": EXTERNAL_ID,
    }


def test_a_stack_names_what_is_to_be_deployed(
    cloud: Cloud, workers: Tidegate, stack: Stack
) -> None:
    arn = cloud.arn("one")
    deployed = workers("deploy", "--stack", stack(**outputs("one", arn)), "--json")
    assert deployed.code == 0, deployed.err
    assert (deployed.json["build_id"], deployed.json["function_arn"]) == ("one", arn)
    assert deployed.json["task_queues"] == QUEUES


def test_what_the_stack_gets_wrong_is_refused_before_temporal_is_asked(
    cloud: Cloud, workers: Tidegate, stack: Stack
) -> None:
    def refused(*options: str, **changed: str) -> str:
        named = {**outputs("stacked", arn), **changed}
        made = stack(**{name: value for name, value in named.items() if value})
        result = workers("deploy", "--stack", made, "--timeout", "5", *options)
        assert (result.code, result.out) == (2, "")
        return result.err

    arn = cloud.publish("stacked", TIDEGATE_DRAIN_TIMEOUT="54")
    assert "leaves no time for work" in refused()
    assert "TIDEGATE_BUILD_ID=stacked" in refused("--build-id", "other")
    assert "there is no function version" in refused(WorkersVersionArn=f"{arn[:-1]}999")
    assert "has no output InvocationRoleArn" in refused(InvocationRoleArn="")
    elsewhere = arn.replace("eu-west-1", "us-east-1")
    assert "in us-east-1, and the stack of" in refused("--function-arn", elsewhere)
    nowhere = workers("deploy", "--stack", "nowhere")
    assert (nowhere.code, "there is no stack nowhere" in nowhere.err) == (2, True)
    nothing = workers("deploy", "--build-id", "one")
    assert (nothing.code, "name --function-arn, or --stack" in nothing.err) == (2, True)


# ------------------------------------------------------------------------- builds and doctor


async def ramp_outside(cloud: Cloud, *, percent: float) -> None:
    """Send a share of new work to workers without a build ID."""
    client = await Client.connect(cloud.temporal.address)
    workers = TemporalWorkerDeployment(client, SERVERLESS_DEPLOYMENT)
    deployment = await workers.describe()
    assert deployment
    await workers.set_ramp(None, percent, deployment.token, force=True)


def test_a_build_is_deployed_promoted_ramped_up_and_rolled_back(
    cloud: Cloud, workers: Tidegate
) -> None:
    first = deploy(workers, "one", cloud.arn("one"), "--json")
    assert (first.code, first.err, first.json["task_queues"]) == (0, "", QUEUES)
    second = deploy(workers, "two", cloud.arn("two"))
    assert "two: created; Temporal can reach" in second.out
    assert "next: tidegate workers promote two" in second.out
    again = deploy(workers, "two", cloud.arn("two"))
    assert "build two: unchanged; it gets no new work" in again.out

    assert workers("promote", "one", "--json").json["current"] == "one"
    assert "unchanged: build one is current" in workers("promote", "one").out
    ramped = workers("ramp", "two", "--percent", "10")
    assert "10 % of new work goes to build two; the rest: build one" in ramped.out
    states = {
        each["build_id"]: each["state"]
        for each in workers("status", "--json").json["builds"]
        if each["build_id"] in ("one", "two")
    }
    assert states == {"one": "current", "two": "ramping"}
    assert "no new work goes to build two any more" in workers("rollback").out
    asyncio.run(ramp_outside(cloud, percent=30))
    assert workers("status", "--json").json["ramp_percent"] == 30
    assert "no new work goes to workers outside this deployment" in workers("rollback").out
    assert workers("status", "--json").json["ramp_percent"] == 0

    assert workers("promote", "two", "--json").json["current_before"] == "one"
    back = workers("rollback")
    assert "build one is current; new work went to build two until now" in back.out
    shown = workers("status", "--json").json
    assert shown["current"] == "one"
    [current] = [each for each in shown["builds"] if each["build_id"] == "one"]
    assert (current["function_arn"], current["role_arn"]) == (cloud.arn("one"), ROLE)
    assert [queue["name"] for queue in current["task_queues"]] == QUEUES


@pytest.mark.parametrize(
    ("version", "options", "why", "fix"),
    [
        ("77", (), "ResourceNotFoundException", "list-versions-by-function"),
        ("", ("--role-arn", OPEN_ROLE), "does not enforce ExternalID", "sts:ExternalId"),
        ("", ("--external-id", "another"), "failed to assume role", "trust policy"),
    ],
    ids=["no such version", "a role without the external ID", "another external ID"],
)
def test_what_temporal_refuses_is_named_with_the_next_step_and_is_no_build(
    cloud: Cloud, workers: Tidegate, version: str, options: tuple[str, ...], why: str, fix: str
) -> None:
    arn = cloud.arn("one")
    arn = f"{arn.rpartition(':')[0]}:{version}" if version else arn
    refused = deploy(workers, "refused", arn, *options)
    assert refused.code == 1
    assert "RolloutRefused" in refused.err
    assert why in refused.err
    assert fix in refused.err.partition("next:")[2]
    builds = workers("status", "--json")
    assert builds.code != 0 or "refused" not in builds.out


def test_a_lambda_that_does_not_answer_is_unavailable(cloud: Cloud, workers: Tidegate) -> None:
    arn = cloud.arn("one")
    with cloud.endpoint.failing("away"):
        late = deploy(workers, "late", arn)
    assert (late.code, late.err.partition(":")[0]) == (3, "TemporalUnavailable")
    assert "next: repeat the command" in late.err


def test_a_function_that_was_never_run_is_invoked_again_by_the_next_deployment(
    cloud: Cloud, workers: Tidegate
) -> None:
    arn = cloud.publish("silent")
    with cloud.endpoint.failing("silent"):
        silent = deploy(workers, "silent", arn, "--timeout", "1")
    assert silent.code == 1
    assert f"has not polled {ROOT_TASK_QUEUE}" in silent.err
    assert "aws logs tail /aws/lambda/tidegate-workers" in silent.err
    refused = workers("promote", "silent")
    assert (refused.code, "has not polled" in refused.err) == (1, True)
    again = deploy(workers, "silent", arn, "--json")
    assert (again.code, again.json["change"]) == (0, "unchanged")


def test_a_server_whose_controller_is_off_is_named(
    tidegate: Tidegate, cloud: Cloud, temporal_settings: None
) -> None:
    def run(*arguments: str) -> Result:
        return tidegate("workers", *arguments)

    refused = deploy(run, "one", cloud.arn("one"))
    assert refused.code == 2
    assert "worker controller does not call Lambda functions" in refused.err
    assert "workercontroller.enabled" in refused.err.partition("next:")[2]


async def test_a_change_by_an_outdated_view_is_a_conflict(cloud: Cloud, workers: Tidegate) -> None:
    """Of two operators who looked at the same time, one wins."""
    name = f"race-{uuid4()}"
    await poll_once(cloud, name, "one", queue=name)
    deployment = await poll_once(cloud, name, "two", queue=name)
    seen = await deployment.describe()
    assert seen is not None
    await deployment.set_current("one", seen.token)
    with pytest.raises(RolloutConflict):
        await deployment.set_current("two", seen.token)
    with pytest.raises(RolloutConflict):
        await deployment.set_ramp("two", 5, seen.token)
    now = await deployment.describe()
    assert now is not None
    assert (now.current, now.ramping) == ("one", None)


def test_doctor_knows_sleeping_workers_from_missing_ones(
    cloud: Cloud, workers: Tidegate, tidegate: Tidegate
) -> None:
    def doctor() -> dict[str, dict[str, str]]:
        return {check["name"]: check for check in tidegate("doctor", "--json").json["checks"]}

    def asleep() -> dict[str, dict[str, str]] | None:
        found = doctor()
        return found if "asleep" in found[f"task queue {ROOT_TASK_QUEUE}"]["detail"] else None

    assert deploy(workers, "one", cloud.arn("one")).code == 0
    assert workers("promote", "one").code == 0
    found = wait_until(asleep, PATIENCE, "the workers to sleep")
    assert found["function of build one"]["detail"] == "Temporal can reach it"
    assert found[f"build on {ROOT_TASK_QUEUE}"]["outcome"] == "ok"
    assert found["routing tables"]["outcome"] == "skipped"
    assert "only one that is awake" in found["routing tables"]["detail"]

    with cloud.endpoint.failing("away"):
        assert doctor()["function of build one"]["outcome"] == "failed"

    asyncio.run(poll_once(cloud, SERVERLESS_DEPLOYMENT, "bare", queue=ROOT_TASK_QUEUE))
    assert "build bare has no function" in workers("promote", "bare").err
    assert workers("promote", "bare", "--force").code == 0
    bare = doctor()["function of build bare"]
    assert (bare["outcome"], "it has no function" in bare["detail"]) == ("failed", True)
    assert "tidegate workers deploy --build-id bare" in bare["fix"]


async def poll_once(
    cloud: Cloud, deployment: str, build: str, *, queue: str
) -> TemporalWorkerDeployment:
    """The deployment, after a worker of this build without a function has polled."""
    client = await Client.connect(cloud.temporal.address)
    workers = TemporalWorkerDeployment(client, deployment)
    plan = Plan(task_queue=queue, workflows=[Order], activities=[])

    async def polled() -> bool:
        version = await workers.version(build)
        return bool(version and version.queues)

    async with worker(client, plan, build_id=build, deployment=deployment):
        await eventually(polled, f"build {build} to poll")
    return workers
