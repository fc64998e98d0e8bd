"""An incident from one cloud whose report goes to the other."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import boto3
import pytest
from azure.storage.blob import BlobServiceClient

from core import bootstrap
from core.config.settings import Settings
from core.contracts import QUERY_INCIDENT
from core.domain.event import DOCUMENT_CREATED, DocumentRef, Event
from core.domain.incident import commands
from infra.local.azure.azurite import ACCOUNT, Azurite
from tests.support.incidents import REPORT, Harness, command, until


@pytest.fixture
def places(aws_settings: None, azure_settings: None, azurite: Azurite) -> Iterator[dict[str, str]]:
    """A bucket and a container, as URI prefixes."""
    name = f"across-{uuid4().hex}"
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    with BlobServiceClient.from_connection_string(azurite.connection) as blobs:
        blobs.create_container(name)
        yield {"s3": f"s3://{name}/", "azure": f"azure://{ACCOUNT}/{name}/"}
        blobs.delete_container(name)
    s3.close()


async def put(settings: Settings, uri: str) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield json.dumps(REPORT).encode()

    await bootstrap.documents(settings).write(uri, chunks(), content_type="application/json")


@pytest.mark.parametrize(("source", "target"), [("s3", "azure"), ("azure", "s3")])
async def test_an_upload_to_one_cloud_is_reported_in_the_other(
    dev_harness: Harness, places: dict[str, str], source: str, target: str
) -> None:
    uri = f"{places[source]}incidents/{uuid4().hex}.json"
    settings = Settings(documents=(places[source],), reports=f"{places[target]}reports/")
    await put(settings, uri)
    dev_harness.documents = bootstrap.documents(settings)
    dev_harness.reports_root = settings.reports
    event = Event(
        id="1",
        source="tests",
        type=DOCUMENT_CREATED,
        key=f"test:{uri}",
        data={"document": DocumentRef(uri=uri).to_wire()},
    )
    async with dev_harness.working():
        handle = await dev_harness.start(event.to_wire())
        await until(lambda: bool(dev_harness.pager.delivered))
        assert (await handle.query(QUERY_INCIDENT))["title"] == REPORT["title"]
        await command(handle, commands.Close.name, "c1", reason="false_alarm", note="a drill")
        await asyncio.wait_for(handle.result(), 60)
    written = [d.uri async for d in dev_harness.documents.list(str(settings.reports))]
    assert sorted(name.rpartition("/")[2] for name in written) == ["report.json", "report.md"]
