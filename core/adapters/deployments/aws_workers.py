"""The serverless workers of an installation on AWS: the outputs of their stack, and how the
function is configured.

Sources: AWS CloudFormation API Reference, "DescribeStacks"; AWS Lambda API Reference,
"GetFunctionConfiguration".
"""

from __future__ import annotations

from typing import Any, Final

from botocore.exceptions import ClientError

from core.adapters.deployments import aws_calls
from core.errors import SettingsError
from core.ports.worker_deployment import Configuration, Stack

_FIX_STACK: Final = (
    "name the stack of the serverless workers by --stack and its region by AWS_REGION; or name "
    "--build-id, --function-arn, --role-arn and --external-id"
)
_OUTPUTS: Final = ("WorkersVersionArn", "BuildId", "InvocationRoleArn", "ExternalId")


async def read_stack(name: str, *, region: str | None) -> Stack:
    """What the outputs of a stack say of the function. Raises `SettingsError` where there is no
    such stack, or it has no serverless workers, and `DeploymentUnavailable`."""
    described = await aws_calls.stack(name, region, unknown=_FIX_STACK, denied=_FIX_STACK)
    outputs = aws_calls.outputs(described)
    if missing := [each for each in _OUTPUTS if not outputs.get(each)]:
        raise SettingsError(
            f"the stack {name} has no output {' and '.join(missing)}, so it is not the "
            "stack of serverless workers",
            fix=_FIX_STACK,
        )
    _, _, _, its_region, account, _ = str(described["StackId"]).split(":", 5)
    arn, build_id, role, external_id = (outputs[each] for each in _OUTPUTS)
    return Stack(
        function_arn=arn,
        build_id=build_id,
        role=role,
        external_id=external_id,
        place=f"{account} in {its_region}",
    )


async def read_configuration(arn: str, *, region: str | None) -> Configuration | None:
    """How a function's version is configured; None where the credentials may not read it. Raises
    `SettingsError` where there is no such version, and `DeploymentUnavailable`."""

    def read() -> dict[str, Any] | None:
        try:
            answer = aws_calls.client("lambda", region).get_function_configuration(FunctionName=arn)
        except ClientError as error:
            match error.response["Error"]["Code"]:
                case "ResourceNotFoundException":
                    raise SettingsError(
                        f"there is no function version {arn}",
                        fix="publish it, or name one that exists: "
                        "`aws lambda list-versions-by-function`",
                    ) from None
                case "AccessDeniedException":
                    return None
                case _:
                    raise
        return dict(answer)

    answer = await aws_calls.call("read the function (lambda:GetFunctionConfiguration)", read)
    if answer is None:
        return None
    environment = answer.get("Environment", {})
    if "Error" in environment:  # AWS may not decrypt it for these credentials
        return None
    return Configuration(answer["Timeout"], environment.get("Variables", {}))
