"""Calls of AWS by an operator: what credentials, regions and refusals mean to them.

boto3 is synchronous: each call runs in a thread. Credentials are boto3's own settings, and so is
the region where none is given.
Source: AWS CloudFormation API Reference, "DescribeStacks".
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)

from core.errors import DeploymentUnavailable, SettingsError, third_party

_NO_CREDENTIALS: Final = (
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)
_EXPIRED: Final = {
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidClientTokenId",
    "InvalidAccessKeyId",
    "UnrecognizedClientException",
    "SignatureDoesNotMatch",
}
_FIX_CREDENTIALS: Final = (
    "sign in (`aws sso login`, or AWS_PROFILE), and see that `aws sts get-caller-identity` answers"
)

Got = TypeVar("Got")


def client(service: str, region: str | None) -> Any:
    config = Config(
        retries={"mode": "standard", "max_attempts": 3}, connect_timeout=5, read_timeout=20
    )
    session = boto3.session.Session(region_name=region)
    return session.client(service, config=config)  # type: ignore[call-overload]


async def call(what: str, make: Callable[[], Got]) -> Got:
    """The result of a call in a thread. `what` names it, with the permissions that it needs. Raises
    `SettingsError` without credentials or a region, and `DeploymentUnavailable` when AWS refuses or
    does not answer."""
    try:
        return await asyncio.to_thread(make)
    except _NO_CREDENTIALS as error:
        raise SettingsError(
            f"there are no AWS credentials: {third_party(error)}", fix=_FIX_CREDENTIALS
        ) from None
    except NoRegionError:
        raise SettingsError("no AWS region is set", fix="set AWS_REGION") from None
    except (ParamValidationError, ValueError) as error:
        raise SettingsError(f"cannot {what}: {third_party(error)}") from None
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in _EXPIRED:
            raise SettingsError(
                f"AWS does not accept the credentials: {code}", fix=_FIX_CREDENTIALS
            ) from None
        raise DeploymentUnavailable(f"cannot {what}: AWS answered {third_party(error)}") from None
    except BotoCoreError as error:
        raise DeploymentUnavailable(f"cannot {what}: {third_party(error)}") from None


async def stack(name: str, region: str | None, *, unknown: str, denied: str) -> dict[str, Any]:
    """What CloudFormation describes of a stack. Raises `SettingsError` with the next step `unknown`
    where there is none of that name, and `denied` without the permission."""

    def describe() -> dict[str, Any]:
        cloudformation = client("cloudformation", region)
        try:
            [found] = cloudformation.describe_stacks(StackName=name)["Stacks"]
        except ClientError as error:
            if error.response["Error"]["Code"] == "ValidationError":
                where = cloudformation.meta.region_name
                raise SettingsError(f"there is no stack {name} in {where}", fix=unknown) from None
            if "AccessDenied" in error.response["Error"]["Code"]:
                raise SettingsError(
                    f"may not describe the stack {name} (cloudformation:DescribeStacks)", fix=denied
                ) from None
            raise
        return dict(found)

    return await call("describe the stack", describe)


def outputs(described: dict[str, Any]) -> dict[str, str]:
    """The outputs of a described stack."""
    return {each["OutputKey"]: each["OutputValue"] for each in described.get("Outputs", [])}
