"""Lambda on this machine: what its callers and its functions see of it."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.local.aws.account import role_arn
from infra.local.aws.serverless import (
    EXTERNAL_ID,
    FUNCTION,
    ROLE,
    Invocation,
    LambdaServer,
    start_lambda,
)
from infra.local.aws.servers import aws_client
from infra.local.environment import outside_environment
from infra.local.loopback import local_session
from infra.local.processes import Processes, wait_until
from tests.support.leftovers import MARK, is_gone, marked, new_mark

_PATIENCE = 60.0
_HANDLERS = "tests.support.lambda_handlers"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LambdaServer]:
    processes = Processes(tmp_path_factory.mktemp("lambda"))
    try:
        server = start_lambda(processes, outside_environment())
        server.wait()
        yield server
    finally:
        processes.stop()


@pytest.fixture
def client(server: LambdaServer) -> Iterator[Any]:
    with closing(aws_client("lambda", server.url)) as client:
        yield client


def invoke(client: Any, arn: str, event: object = None) -> str:
    payload = b"" if event is None else json.dumps(event).encode()
    answer = client.invoke(FunctionName=arn, InvocationType="Event", Payload=payload)
    assert answer["StatusCode"] == 202
    return str(answer["ResponseMetadata"]["RequestId"])


def ended(server: LambdaServer, id: str) -> Invocation:
    return wait_until(
        lambda: next((each for each in server.invocations() if each.id == id), None),
        _PATIENCE,
        f"invocation {id} to end",
        check=server.server.child.check,
    )


def process_of(server: LambdaServer, id: str) -> int:
    def started() -> int | None:
        lines = server.server.child.output().splitlines()
        line = next((each for each in lines if each.startswith(f"START RequestId: {id}")), None)
        return int(line.rpartition(" ")[2]) if line else None

    return wait_until(started, _PATIENCE, f"invocation {id} to start")


def test_a_published_version_runs_with_its_own_variables_context_and_event(
    server: LambdaServer, client: Any
) -> None:
    first = server.publish({"VARIABLE": "first"}, handler=f"{_HANDLERS}:describe", timeout=50)
    second = server.publish({"VARIABLE": "second"}, handler=f"{_HANDLERS}:describe", timeout=50)
    assert first != second
    for arn, variable, event in ((first, "first", {"a": 1}), (second, "second", None)):
        id = invoke(client, arn, event)
        assert ended(server, id).outcome == "succeeded"
        lines = server.server.child.output().splitlines()
        seen = [json.loads(line[5:]) for line in lines if line.startswith("SEEN ")][-1]
        left = seen.pop("left_ms")
        assert 0 < left < 50_000
        assert seen == {
            "event": event or {},
            "id": id,
            "arn": arn,
            "memory": 1024,
            "variable": variable,
        }


def test_a_handler_that_raises_has_failed_and_its_traceback_is_in_the_log(
    server: LambdaServer, client: Any
) -> None:
    id = invoke(client, server.publish({}, handler=f"{_HANDLERS}:fail"))
    invocation = ended(server, id)
    assert invocation.outcome == "failed"
    assert "ValueError: this handler fails" in server.server.child.output()
    took = (invocation.ended - invocation.started).total_seconds() * 1000
    assert invocation.billed_ms == pytest.approx(took, abs=100)


def test_an_invocation_is_killed_at_its_timeout_and_billed_up_to_it(
    server: LambdaServer, client: Any
) -> None:
    id = invoke(client, server.publish({}, handler=f"{_HANDLERS}:hang", timeout=1))
    process = process_of(server, id)
    invocation = ended(server, id)
    assert invocation.outcome == "timed out"
    assert 1000 <= invocation.billed_ms < 5000
    assert is_gone(process)


def test_beyond_the_reserved_concurrency_a_call_is_refused_until_an_invocation_has_ended(
    server: LambdaServer, client: Any
) -> None:
    arn = server.publish({}, handler=f"{_HANDLERS}:hang", concurrency=1)
    running = invoke(client, arn)
    with pytest.raises(client.exceptions.TooManyRequestsException) as refused:
        invoke(client, arn)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 429
    assert refused.value.response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    os.kill(process_of(server, running), signal.SIGKILL)
    assert ended(server, running).outcome == "killed"
    again = invoke(client, server.publish({}, handler=f"{_HANDLERS}:describe", concurrency=1))
    assert ended(server, again).outcome == "succeeded"


def test_a_call_that_waits_for_the_answer_is_refused(server: LambdaServer, client: Any) -> None:
    arn = server.publish({}, handler=f"{_HANDLERS}:describe")
    with pytest.raises(ClientError, match=r"the type is RequestResponse, not Event"):
        client.invoke(FunctionName=arn, InvocationType="RequestResponse")


def test_an_event_above_the_quota_is_refused(server: LambdaServer, client: Any) -> None:
    arn = server.publish({}, handler=f"{_HANDLERS}:describe")
    with pytest.raises(client.exceptions.RequestTooLargeException):
        invoke(client, arn, "x" * 1024 * 1024)


@pytest.mark.parametrize("name", ["nobody", f"{FUNCTION}:999"])
def test_a_function_or_version_that_does_not_exist_is_not_found(
    server: LambdaServer, client: Any, name: str
) -> None:
    server.publish({}, handler=f"{_HANDLERS}:describe")
    for call in (client.get_function, client.get_function_configuration):
        with pytest.raises(client.exceptions.ResourceNotFoundException, match=name):
            call(FunctionName=name)
    with pytest.raises(client.exceptions.ResourceNotFoundException, match=name):
        invoke(client, name)


def test_a_version_is_described_by_its_arn_and_by_its_qualifier(
    server: LambdaServer, client: Any
) -> None:
    arn = server.publish({"VARIABLE": "a"}, handler=f"{_HANDLERS}:describe", timeout=7)
    version = arn.rpartition(":")[2]
    described = client.get_function(FunctionName=arn)["Configuration"]
    assert described["State"] == "Active"
    for name in ("FunctionArn", "Version", "Timeout"):
        assert described[name] == {"FunctionArn": arn, "Version": version, "Timeout": 7}[name]
    by_qualifier = client.get_function_configuration(FunctionName=FUNCTION, Qualifier=version)
    assert by_qualifier["FunctionArn"] == arn


def test_publishing_what_has_not_changed_publishes_nothing(server: LambdaServer) -> None:
    first = server.publish({"VARIABLE": "same"}, handler=f"{_HANDLERS}:describe")
    assert server.publish({"VARIABLE": "same"}, handler=f"{_HANDLERS}:describe") == first
    assert server.publish({"VARIABLE": "other"}, handler=f"{_HANDLERS}:describe") != first


@pytest.mark.parametrize("body", ["", "{}", "[]", '{"FunctionName": "a"}', "half {"])
def test_a_function_that_is_not_described_is_refused(server: LambdaServer, body: str) -> None:
    with local_session() as session:
        answer = session.post(f"{server.url}/2015-03-31/functions", data=body)
    assert answer.status_code == 400
    assert answer.headers["x-amzn-errortype"] == "InvalidParameterValueException"


def test_the_role_is_granted_with_its_external_id_alone(server: LambdaServer) -> None:
    with closing(aws_client("sts", server.url)) as sts:
        session = {"RoleArn": ROLE, "RoleSessionName": "session"}
        granted = sts.assume_role(**session, ExternalId=EXTERNAL_ID)
        assert granted["Credentials"]["SessionToken"]
        for refused in (
            session,
            {**session, "ExternalId": "another"},
            {**session, "RoleArn": role_arn("another"), "ExternalId": EXTERNAL_ID},
        ):
            with pytest.raises(ClientError, match="AccessDenied"):
                sts.assume_role(**refused)
        with pytest.raises(ClientError, match="InvalidAction"):
            sts.get_caller_identity()


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_invocations_end_with_the_server(tmp_path: Path, end: signal.Signals) -> None:
    mark = new_mark()
    processes = Processes(tmp_path)
    try:
        server = start_lambda(processes, {**outside_environment(), MARK: mark[MARK]})
        server.wait()
        with closing(aws_client("lambda", server.url)) as client:
            id = invoke(client, server.publish({}, handler=f"{_HANDLERS}:hang"))
        process_of(server, id)
        assert server.server.child.pid
        os.kill(server.server.child.pid, end)  # the server alone, not its group
        wait_until(lambda: not marked(mark), _PATIENCE, "the server and its invocation to end")
    finally:
        processes.stop()
