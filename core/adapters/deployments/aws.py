"""An installation on AWS: the outputs of its stack, its bucket, its queue and its API.

Sources: Amazon S3 User Guide, "Deleting object versions from a versioning-enabled bucket"; Amazon
SQS API Reference, "SendMessage".
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from core.adapters.deployments import aws_calls, http
from core.domain.event import DocumentRef
from core.errors import DeploymentUnavailable, SettingsError
from core.ports.deployment import MOST_LISTED, Answer, Places

_SCHEME: Final = "s3://"
_FIX_STACK: Final = (
    "name it by --stack and its region by AWS_REGION; or name --documents, --queue and --webhooks"
)


class AwsDeployment:
    """The installation of a CloudFormation stack."""

    def __init__(self, stack: str, *, region: str | None) -> None:
        self._stack = stack
        self._region = region

    async def places(self) -> Places:
        described = await aws_calls.stack(
            self._stack,
            self._region,
            unknown=_FIX_STACK,
            denied="grant it, or name --documents, --queue, --webhooks and --quarantine",
        )
        outputs = aws_calls.outputs(described)
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
        put = await aws_calls.call(
            f"upload {uri} (s3:PutObject, and kms:GenerateDataKey where the bucket has a key)",
            lambda: self._client("s3").put_object(
                Bucket=bucket, Key=key, Body=body, ContentType="text/plain"
            ),
        )
        return DocumentRef(uri=uri, size=len(body), version=put.get("VersionId"))

    async def remove(self, document: DocumentRef) -> str:
        bucket, key = _split(document.uri)
        version = {"VersionId": document.version} if document.version else {}
        await aws_calls.call(
            f"remove {document.uri} (s3:DeleteObject and s3:DeleteObjectVersion)",
            lambda: self._client("s3").delete_object(Bucket=bucket, Key=key, **version),
        )
        return ""

    async def send(self, queue: str, id: str, body: bytes) -> None:
        ordered = (
            {"MessageGroupId": id, "MessageDeduplicationId": id} if queue.endswith(".fifo") else {}
        )
        await aws_calls.call(
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

        newest = sorted(
            await aws_calls.call(f"list {prefix} (s3:ListBucket)", listed), reverse=True
        )
        return [f"{_SCHEME}{bucket}/{key}" for _, key in newest]

    def _client(self, service: str) -> Any:
        return aws_calls.client(service, self._region)


def _split(uri: str) -> tuple[str, str]:
    bucket, _, key = uri.removeprefix(_SCHEME).partition("/")
    if not uri.startswith(_SCHEME) or not bucket:
        raise SettingsError(f"{uri} is not s3://BUCKET/FOLDER/")
    return bucket, key
