"""Where `tidegate smoke` sends is where the templates make something that takes it."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from core import bootstrap
from core.adapters.deployments import aws
from core.ports.deployment import Places
from tests.support import azure_snapshot, cloudformation


@pytest.mark.parametrize("example", azure_snapshot.PLATFORMS)
async def test_each_place_on_azure_is_a_resource_of_the_platform(example: str) -> None:
    places = await bootstrap.azure_deployment(azure_snapshot.outputs(example)).places()
    assert all(places)
    ids = [each.id for each in azure_snapshot.resources(example)]

    def is_made(end: str) -> bool:
        return any(id.endswith(end) for id in ids)

    for uri in (places.documents, places.quarantine):
        account, container = str(uri).removeprefix("azure://").split("/")[:2]
        assert is_made(f"/storageAccounts/{account}/blobServices/default/containers/{container}")
    bus = urlsplit(places.queue or "")
    namespace = str(bus.hostname).removesuffix(".servicebus.windows.net")
    assert is_made(f"/namespaces/{namespace}/queues{bus.path}")
    app = str(urlsplit(places.webhooks or "").hostname).removesuffix(".azurewebsites.net")
    assert is_made(f"/Microsoft.Web/sites/{app}")


async def test_each_place_on_aws_is_an_output_of_the_template(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    template = cloudformation.template(cloudformation.FRONT_DOOR)
    outputs = {name: f"<{name}>" for name in template["Outputs"]}
    monkeypatch.setattr(aws.AwsDeployment, "_outputs", lambda self: outputs)
    assert await bootstrap.aws_deployment("tidegate").places() == Places(
        documents="s3://<DocumentsBucketName>/incidents/",
        queue="<MessagesQueueUrl>",
        webhooks="<WebhooksUrl>",
        quarantine="s3://<RecordsBucketName>/quarantine/",
    )
