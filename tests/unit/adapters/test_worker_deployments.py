"""What Temporal's answers mean to whoever rolls out a build: servers of today cannot give them
all."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from temporalio.api.enums.v1 import WorkerDeploymentVersionStatus
from temporalio.api.workflowservice.v1 import (
    DescribeWorkerDeploymentResponse,
    DescribeWorkerDeploymentVersionRequest,
    DescribeWorkerDeploymentVersionResponse,
    GetSystemInfoResponse,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from core.adapters.temporal import worker_deployments
from core.adapters.temporal.worker_deployments import TemporalWorkerDeployment
from core.errors import RolloutRefused, SettingsError, TemporalUnavailable, TidegateError
from core.ports.worker_deployment import Backlog, Version
from tests.support.worker_deployment import function


def answering(answer: Any) -> TemporalWorkerDeployment:
    """A deployment on a server that gives every call this answer, or what it makes of the
    request."""

    class Service:
        def __getattr__(self, name: str) -> Any:
            async def call(request: object, **options: object) -> Any:
                given = answer(request) if callable(answer) else answer
                if isinstance(given, Exception):
                    raise given
                return given

            return call

    client = SimpleNamespace(workflow_service=Service(), namespace="default", identity="me")
    return TemporalWorkerDeployment(cast("Client", client), "tidegate")


def refusing(status: RPCStatusCode, message: str = "") -> TemporalWorkerDeployment:
    return answering(RPCError(message, status, b""))


async def test_a_server_that_does_not_say_that_it_calls_functions_is_too_old() -> None:
    old = GetSystemInfoResponse(server_version="1.30.4")
    with pytest.raises(SettingsError, match=r"the Temporal server 1\.30\.4 cannot") as refused:
        await answering(old).check_server()
    assert "upgrade the server to 1.31 or later" in refused.value.fix
    new = GetSystemInfoResponse(server_version="1.31.0")
    new.capabilities.server_scaled_deployments = True
    assert await answering(new).check_server() == "1.31.0"


async def test_a_server_without_the_calls_has_no_deployment_and_takes_no_build() -> None:
    old = refusing(RPCStatusCode.UNIMPLEMENTED)
    assert await old.describe() is None
    assert await old.version("one") is None
    with pytest.raises(SettingsError, match=r"that takes 1\.31 or later"):
        await old.create()


@pytest.mark.parametrize(
    ("message", "kind", "fix"),
    [
        ('AWS Lambda compute provider requires "role"', RolloutRefused, "--role-arn"),
        ("role r does not enforce ExternalID condition", RolloutRefused, "sts:ExternalId"),
        ("failed to assume role r: StatusCode: 403", RolloutRefused, "trust policy"),
        ("GetFunction, StatusCode: 404", RolloutRefused, "publish the version"),
        ("GetFunction, AccessDeniedException", RolloutRefused, "lambda:GetFunction"),
        ("something new", RolloutRefused, "tidegate workers status"),
        (
            "Could not instantiate compute provider with type 'aws-lambda'",
            SettingsError,
            "workercontroller.enabled",
        ),
        ("context deadline exceeded", TemporalUnavailable, "lambda:InvokeFunction"),
        ("exceeded maximum number of attempts, 3", TemporalUnavailable, "repeat the command"),
        ("Lambda, https response error StatusCode: 503", TemporalUnavailable, "repeat"),
    ],
)
async def test_what_temporal_says_of_a_function_is_passed_on_with_the_next_step(
    message: str, kind: type[TidegateError], fix: str
) -> None:
    server = refusing(RPCStatusCode.INVALID_ARGUMENT, f"default: {message}")
    for attempt in (
        server.create_version("two", function(2)),
        server.set_function("two", function(2)),
        server.check_function("two"),
    ):
        with pytest.raises(kind) as refused:
            await attempt
        assert fix in refused.value.fix
        assert "default: " not in refused.value.message


@pytest.mark.parametrize("status", [RPCStatusCode.CANCELLED, RPCStatusCode.DEADLINE_EXCEEDED])
async def test_a_check_that_does_not_end_names_the_controller_and_a_look_does_not(
    status: RPCStatusCode,
) -> None:
    """A controller that was turned off later never answers."""
    server = refusing(status, "Timeout expired")
    with pytest.raises(TemporalUnavailable, match="its worker controller does not run") as late:
        await server.check_function("two")
    assert "reserved concurrency" in late.value.fix
    with pytest.raises(TemporalUnavailable) as looked:
        await server.describe()
    assert "controller" not in str(looked.value)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (RPCStatusCode.FAILED_PRECONDITION, RolloutRefused),
        (RPCStatusCode.NOT_FOUND, RolloutRefused),
        (RPCStatusCode.PERMISSION_DENIED, SettingsError),
        (RPCStatusCode.UNAVAILABLE, TemporalUnavailable),
    ],
)
async def test_a_change_that_is_refused_says_why(
    status: RPCStatusCode, kind: type[TidegateError]
) -> None:
    with pytest.raises(kind, match="so it is"):
        await refusing(status, "so it is").set_current("two", b"")


async def test_a_build_that_exists_is_not_created() -> None:
    existing = refusing(RPCStatusCode.ALREADY_EXISTS)
    assert await existing.create() is False
    assert await existing.create_version("two", function(2)) is False


async def test_a_build_whose_statistics_the_server_does_not_know_yet_has_its_task_queues() -> None:
    """Seconds after the first poll, Temporal 1.32 answers a request for them with NOT_FOUND."""

    def describe(request: DescribeWorkerDeploymentVersionRequest) -> Any:
        if request.report_task_queue_stats:
            message = "task queue orders of type Workflow not found in this version"
            return RPCError(message, RPCStatusCode.NOT_FOUND, b"")
        answer = DescribeWorkerDeploymentVersionResponse()
        answer.version_task_queues.add(name="orders")
        return answer

    assert await answering(describe).version("one") == Version(None, {"orders": Backlog()})


async def test_a_build_that_does_not_exist_is_none() -> None:
    assert await refusing(RPCStatusCode.NOT_FOUND).version("one") is None


def test_every_status_of_temporals_has_a_state() -> None:
    assert set(worker_deployments._STATES) == set(WorkerDeploymentVersionStatus.values())


async def test_a_status_that_is_new_in_temporal_is_named() -> None:
    answer = DescribeWorkerDeploymentResponse()
    answer.worker_deployment_info.version_summaries.add(status=cast("Any", 99))
    with pytest.raises(SettingsError, match="the status 99 of a build") as refused:
        await answering(answer).describe()
    assert "upgrade Tidegate" in refused.value.fix


@pytest.mark.parametrize("details", [b"", b"\xff", b"[]", b"null", b"{}"])
async def test_a_function_that_cannot_be_read_is_named(details: bytes) -> None:
    answer = DescribeWorkerDeploymentVersionResponse()
    groups = answer.worker_deployment_version_info.compute_config.scaling_groups
    groups["default"].provider.type = "aws-lambda"
    groups["default"].provider.details.data = details
    with pytest.raises(SettingsError, match="a function without its ARN"):
        await answering(answer).version("one")
