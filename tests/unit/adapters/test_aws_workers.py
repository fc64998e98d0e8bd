"""How the function of the workers is configured, by what an operator's credentials may read."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from core.adapters.deployments import aws_calls
from core.adapters.deployments.aws_workers import read_configuration
from core.errors import DeploymentUnavailable, SettingsError
from core.ports.worker_deployment import Configuration
from tests.support.worker_deployment import arn

VARIABLES = {"TIDEGATE_BUILD_ID": "two"}


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": ""}}, "GetFunctionConfiguration")


@pytest.fixture
def lambda_(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What Lambda answers, under `answer`."""
    says: dict[str, Any] = {}

    class Client:
        def get_function_configuration(self, **names: str) -> Any:
            assert names == {"FunctionName": arn(2)}
            if isinstance(says["answer"], Exception):
                raise says["answer"]
            return says["answer"]

    monkeypatch.setattr(aws_calls, "client", lambda service, region: Client())
    return says


@pytest.mark.parametrize(
    ("answer", "known"),
    [
        (
            {"Timeout": 60, "Environment": {"Variables": VARIABLES}},
            Configuration(60, VARIABLES),
        ),
        ({"Timeout": 60}, Configuration(60, {})),
        ({"Timeout": 60, "Environment": {"Error": {"ErrorCode": "AccessDenied"}}}, None),
        (refusal("AccessDeniedException"), None),
    ],
    ids=["variables", "none", "they may not be decrypted", "it may not be read"],
)
async def test_what_the_credentials_may_read_is_known(
    lambda_: dict[str, Any], answer: Any, known: Configuration | None
) -> None:
    lambda_["answer"] = answer
    assert await read_configuration(arn(2), region="eu-west-1") == known


async def test_a_version_that_does_not_exist_is_no_outage(lambda_: dict[str, Any]) -> None:
    lambda_["answer"] = refusal("ResourceNotFoundException")
    with pytest.raises(SettingsError, match="there is no function version"):
        await read_configuration(arn(2), region=None)
    lambda_["answer"] = refusal("ServiceException")
    with pytest.raises(DeploymentUnavailable, match="lambda:GetFunctionConfiguration"):
        await read_configuration(arn(2), region=None)
