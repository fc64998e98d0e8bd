"""The AWS account and region that a local stack pretends to be."""

from __future__ import annotations

from typing import Final

REGION: Final = "eu-west-1"
ACCOUNT: Final = "123456789012"


def function_arn(name: str, version: str | None = None) -> str:
    """The ARN of a function, or of one of its published versions."""
    arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"
    return arn if version is None else f"{arn}:{version}"


def role_arn(name: str) -> str:
    """The ARN of an IAM role."""
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"
