"""Lambda handler for S3: object changes, delivered directly or through SQS, SNS or EventBridge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from functions_aws import snapstart
from functions_aws.runtime import answer, intake
from functions_aws.telemetry import reported

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


@reported
def handler(event: Any, context: LambdaContext) -> Any:
    """See `functions_aws.runtime.answer`."""
    return answer("s3", event, context)


snapstart.hooks(intake)
