"""An installation on AWS: the outputs of its stack, its bucket, its queue and its API.

boto3 is synchronous: each call runs in a thread. Credentials are boto3's own settings, and so is
the region where none is given.
Sources: AWS CloudFormation API Reference, "DescribeStacks"; Amazon S3 User Guide, "Deleting object
versions from a versioning-enabled bucket"; Amazon SQS API Reference, "SendMessage".
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
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

from core.adapters.deployments import http
from core.domain.event import DocumentRef
from core.errors import DeploymentUnavailable, SettingsError, third_party
from core.ports.deployment import MOST_LISTED, Answer, Places

_SCHEME: Final = "s3://"
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
_FIX_STACK: Final = (
    "name it by --stack and its region by AWS_REGION; or name --documents, --queue and --webhooks"
)

Got = TypeVar("Got")


class AwsDeployment:
    """The installation of a CloudFormation stack."""

    def __init__(self, stack: str, *, region: str | None) -> None:
        self._stack = stack
        self._region = region

    async def places(self) -> Places:
        outputs = await self._call("describe the stack", self._outputs)
        bucket, records = outputs.get("DocumentsBucketName"), outputs.get("RecordsBucketName")
        if bucket is None:
            raise SettingsError(
                f"the stack {self._stack} has no output DocumentsBucketName, so it is not one of "
                "Tidegate's template",
                fix=_FIX_STACK,
            )
        return Places(
            documents=f"{_SCHEME}{bucket}/incidents/",
            queue=outputs.get("MessagesQueueUrl"),
            webhooks=outputs.get("WebhooksUrl"),
            quarantine=f"{_SCHEME}{records}/quarantine/" if records else None,
        )

    async def upload(self, uri: str, body: bytes) -> DocumentRef:
        bucket, key = _split(uri)
        put = await self._call(
            f"upload {uri} (s3:PutObject, and kms:GenerateDataKey where the bucket has a key)",
            lambda: self._client("s3").put_object(
                Bucket=bucket, Key=key, Body=body, ContentType="text/plain"
            ),
        )
        return DocumentRef(uri=uri, size=len(body), version=put.get("VersionId"))

    async def remove(self, document: DocumentRef) -> str:
        bucket, key = _split(document.uri)
        version = {"VersionId": document.version} if document.version else {}
        await self._call(
            f"remove {document.uri} (s3:DeleteObject and s3:DeleteObjectVersion)",
            lambda: self._client("s3").delete_object(Bucket=bucket, Key=key, **version),
        )
        return ""

    async def send(self, queue: str, id: str, body: bytes) -> None:
        ordered = (
            {"MessageGroupId": id, "MessageDeduplicationId": id} if queue.endswith(".fifo") else {}
        )
        await self._call(
            f"send to {queue} (sqs:SendMessage, and kms:GenerateDataKey and kms:Decrypt where the "
            "queue has a key)",
            lambda: self._client("sqs").send_message(
                QueueUrl=queue, MessageBody=body.decode(), **ordered
            ),
        )

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        return await http.post(url, headers, body)

    async def written(self, prefix: str, *, since: datetime) -> list[str]:
        bucket, start = _split(prefix)

        def listed() -> list[tuple[datetime, str]]:
            pages = self._client("s3").get_paginator("list_objects_v2")
            most = {"MaxItems": MOST_LISTED + 1}
            found = [
                (each["LastModified"], each["Key"])
                for page in pages.paginate(Bucket=bucket, Prefix=start, PaginationConfig=most)
                for each in page.get("Contents", [])
            ]
            if len(found) > MOST_LISTED:
                raise DeploymentUnavailable(f"more than {MOST_LISTED:,} documents are in {prefix}")
            return [each for each in found if each[0] >= since]

        newest = sorted(await self._call(f"list {prefix} (s3:ListBucket)", listed), reverse=True)
        return [f"{_SCHEME}{bucket}/{key}" for _, key in newest]

    def _outputs(self) -> dict[str, str]:
        try:
            answer = self._client("cloudformation").describe_stacks(StackName=self._stack)
        except ClientError as error:
            if error.response["Error"]["Code"] == "ValidationError":
                region = self._client("cloudformation").meta.region_name
                raise SettingsError(
                    f"there is no stack {self._stack} in {region}", fix=_FIX_STACK
                ) from None
            if "AccessDenied" in error.response["Error"]["Code"]:
                raise SettingsError(
                    f"may not describe the stack {self._stack} (cloudformation:DescribeStacks)",
                    fix="grant it, or name --documents, --queue, --webhooks and --quarantine",
                ) from None
            raise
        outputs = answer["Stacks"][0].get("Outputs", [])
        return {each["OutputKey"]: each["OutputValue"] for each in outputs}

    async def _call(self, what: str, call: Callable[[], Got]) -> Got:
        """The result of a call in a thread. `what` names it, with the permissions that it needs."""
        try:
            return await asyncio.to_thread(call)
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
            raise DeploymentUnavailable(
                f"cannot {what}: AWS answered {third_party(error)}"
            ) from None
        except BotoCoreError as error:
            raise DeploymentUnavailable(f"cannot {what}: {third_party(error)}") from None

    def _client(self, service: str) -> Any:
        config = Config(
            retries={"mode": "standard", "max_attempts": 3}, connect_timeout=5, read_timeout=20
        )
        session = boto3.session.Session(region_name=self._region)
        return session.client(service, config=config)  # type: ignore[call-overload]


def _split(uri: str) -> tuple[str, str]:
    bucket, _, key = uri.removeprefix(_SCHEME).partition("/")
    if not uri.startswith(_SCHEME) or not bucket:
        raise SettingsError(f"{uri} is not s3://BUCKET/FOLDER/")
    return bucket, key
