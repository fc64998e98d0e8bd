"""Document stores for tests, each with a place of the test's own."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import boto3
from azure.storage.blob import BlobServiceClient

from core import bootstrap
from core.config.settings import Settings
from core.domain.event import DocumentRef
from core.ports.documents import DocumentStore
from infra.local.azure.azurite import ACCOUNT

CHUNK = bytes(range(256)) * 1024  # 256 KiB


@dataclass(frozen=True, slots=True)
class Place:
    """A store, and a URI prefix in it that only this test uses."""

    store: DocumentStore
    root: str

    async def write(self, name: str, *chunks: bytes, **options: Any) -> DocumentRef:
        return await self.store.write(
            self.root + name, stream(*chunks), content_type="text/plain", **options
        )

    async def read(self, document: DocumentRef | str) -> bytes:
        if isinstance(document, str):
            document = DocumentRef(uri=self.root + document)
        return b"".join([chunk async for chunk in self.store.read(document)])

    async def names(self, prefix: str = "") -> list[str]:
        uris = [document.uri async for document in self.store.list(self.root + prefix)]
        return [uri.removeprefix(self.root) for uri in uris]


async def stream(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


def place(root: str) -> Place:
    return Place(bootstrap.documents(Settings(documents=(root,))), root)


def new_bucket(*, versioned: bool = False) -> str:
    """The URI of a new bucket."""
    name = f"docs-{uuid4().hex}"
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    if versioned:
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    s3.close()
    return f"s3://{name}"


def new_container() -> str:
    """The URI of a new container."""
    name = f"docs-{uuid4().hex}"
    with blob_service() as service:
        service.create_container(name)
    return f"azure://{ACCOUNT}/{name}"


def blob_service() -> BlobServiceClient:
    """Azure's own client, for what the store cannot do."""
    return BlobServiceClient.from_connection_string(os.environ["AZURE_STORAGE_CONNECTION_STRING"])
