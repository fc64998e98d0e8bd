"""The function app has the settings that its functions read, and gets the queues' messages."""

from __future__ import annotations

import re

import pytest

from core.config.settings import variables as settings_variables
from core.webhooks.endpoints import Endpoint
from functions_azure.service_bus import CONNECTION
from tests.support.azure_snapshot import (
    AZURE,
    EXAMPLES,
    PLATFORMS,
    ROOT,
    Resource,
    app_settings,
    made,
    only,
    resources,
    token,
    variables,
)

TIDEGATE_VARIABLES = {name for name, _, _ in settings_variables()}
SOURCE = (AZURE / "modules/functions.bicep").read_text(encoding="utf-8")
every_platform = pytest.mark.parametrize("example", PLATFORMS)


@pytest.mark.parametrize("example", [each for each in EXAMPLES if each != "deployer.prod"])
def test_every_variable_of_ours_is_read(example: str) -> None:
    sites = [each.at("properties.siteConfig.appSettings") for each in resources(example)]
    workers = [
        container["env"]
        for each in resources(example)
        for container in each.at("properties.template.containers") or []
    ]
    named = {name for given in [*sites, *workers] if given for name in variables(given)}
    ours = {name for name in named if name.startswith("TIDEGATE_")}
    assert ours
    assert ours <= TIDEGATE_VARIABLES


@every_platform
def test_the_app_has_the_settings_that_listeners_need(example: str) -> None:
    assert {
        *("BLOB_EVENTS_QUEUE", "MESSAGES_QUEUE", "MESSAGES_TOPIC", "MESSAGES_SUBSCRIPTION"),
        *("TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE", "TIDEGATE_DOCUMENTS", "TIDEGATE_QUARANTINE"),
    } <= set(app_settings(example))


@pytest.mark.parametrize(
    ("setting", "parameter"),
    [
        ("TIDEGATE_WEBHOOKS", "webhooksFile"),
        ("TIDEGATE_TRUSTED_TYPES", "trustedTypes"),
        ("TIDEGATE_QUEUE_SCOPE", "queueScope"),
        ("TIDEGATE_QUEUE_FORMATS", "queueFormats"),
    ],
)
def test_a_setting_is_left_out_while_its_parameter_is_empty(setting: str, parameter: str) -> None:
    assert setting not in app_settings("main.dev")
    line = rf"empty\({parameter}\) \? \[\] : \[{{ name: '{setting}', value: .*\b{parameter}\b"
    assert re.search(line, SOURCE)


def test_the_webhooks_file_of_production_is_in_the_package() -> None:
    assert app_settings("main.prod")["TIDEGATE_WEBHOOKS"].startswith("/home/site/wwwroot/")


@every_platform
def test_the_host_refuses_bodies_that_no_endpoint_would_take(example: str) -> None:
    limit = int(app_settings(example)["FUNCTIONS_REQUEST_BODY_SIZE_LIMIT"])
    largest = Endpoint.model_json_schema()["properties"]["max_bytes"]["maximum"]
    assert largest < limit <= 1.2 * largest  # what is a little too large is answered by us


@every_platform
@pytest.mark.parametrize("connection", ["AzureWebJobsStorage", CONNECTION])
def test_connections_use_the_identity(connection: str, example: str) -> None:
    given = app_settings(example)
    ours = {name.removeprefix(connection) for name in given if name.startswith(connection)}
    address = {"AzureWebJobsStorage": "accountName"}.get(connection, "fullyQualifiedNamespace")
    assert ours == {f"__{address}", "__credential", "__clientId"}
    assert given[f"{connection}__credential"] == "managedidentity"
    assert given[f"{connection}__clientId"] == given["AZURE_CLIENT_ID"]
    assert f"/id-functions-{token(example)}'" in given["AZURE_CLIENT_ID"]


@every_platform
def test_connections_lead_to_the_apps_own_account_and_bus(example: str) -> None:
    given = app_settings(example)
    assert given["AzureWebJobsStorage__accountName"] == f"sthost{token(example)}"
    assert f"sb-{token(example)}" in given[f"{CONNECTION}__fullyQualifiedNamespace"]


@every_platform
def test_the_settings_in_bindings_are_set(example: str) -> None:
    code = "".join(p.read_text(encoding="utf-8") for p in ROOT.glob("functions_azure/*.py"))
    named = set(re.findall(r"%([A-Z][A-Z_]+)%", code))
    assert named == {
        "BLOB_EVENTS_QUEUE",
        "MESSAGES_QUEUE",
        "MESSAGES_TOPIC",
        "MESSAGES_SUBSCRIPTION",
    }
    assert named <= set(app_settings(example))


@every_platform
def test_flex_consumption_accepts_all_settings(example: str) -> None:
    refused = {
        *("FUNCTIONS_WORKER_RUNTIME", "FUNCTIONS_EXTENSION_VERSION", "WEBSITE_RUN_FROM_PACKAGE"),
        *("WEBSITE_CONTENTAZUREFILECONNECTIONSTRING", "WEBSITE_CONTENTSHARE", "ENABLE_ORYX_BUILD"),
        *("SCM_DO_BUILD_DURING_DEPLOYMENT", "WEBSITE_TIME_ZONE", "WEBSITE_NODE_DEFAULT_VERSION"),
    }
    assert not refused & set(app_settings(example))
    for plan in made("Microsoft.Web/serverfarms", example):
        assert plan.at("sku") == {"name": "FC1", "tier": "FlexConsumption"}


@pytest.mark.parametrize(
    ("example", "names"),
    [
        ("main.dev", {"TEMPORAL_API_KEY"}),
        ("main.prod", {"TEMPORAL_TLS_CLIENT_CERT_DATA", "TEMPORAL_TLS_CLIENT_KEY_DATA"}),
    ],
)
def test_credentials_are_references_to_secrets_of_the_vault(example: str, names: set[str]) -> None:
    """An API key in one example, a client certificate in the other."""
    stored = {each.name for each in made("Microsoft.KeyVault/vaults/secrets", example)}
    kept = {name: value for name, value in app_settings(example).items() if "KeyVault" in value}
    assert set(kept) == names
    for value in kept.values():
        reference = re.fullmatch(
            r"\[format\('@Microsoft\.KeyVault\(SecretUri=\{0\}secrets/([a-z-]+)\)', "
            r"reference\('[^']*/vaults/([\w-]+)', '[\w-]+'\)\.vaultUri\)\]",
            value,
        )
        assert reference
        assert f"{reference[2]}/{reference[1]}" in stored


def test_workers_read_the_same_secrets_by_the_same_variables() -> None:
    [container] = only("Microsoft.App/containerApps", "root-worker.prod").at(
        "properties.template.containers"
    )
    given = app_settings("main.prod")
    for name, secret in variables(container["env"]).items():
        if name.startswith("TEMPORAL_TLS"):
            assert f"secrets/{secret})" in given[name]


@every_platform
def test_events_are_sent_to_the_queue_that_the_app_reads(example: str) -> None:
    given = app_settings(example)
    queues = {each.name for each in made("Microsoft.ServiceBus/namespaces/queues", example)}
    bus = only("Microsoft.ServiceBus/namespaces", example)
    assert queues == {
        f"{bus.name}/{given[name]}" for name in ("BLOB_EVENTS_QUEUE", "MESSAGES_QUEUE")
    }
    subscription = only("Microsoft.ServiceBus/namespaces/topics/subscriptions", example)
    assert subscription.name == "/".join(
        [bus.name, given["MESSAGES_TOPIC"], given["MESSAGES_SUBSCRIPTION"]]
    )
    assert (
        delivery(example).at(
            "properties.deliveryWithResourceIdentity.destination.properties.resourceId"
        )
        == f"{bus.id}/queues/{given['BLOB_EVENTS_QUEUE']}"
    )


@every_platform
@pytest.mark.parametrize("kind", ["queues", "topics/subscriptions"])
def test_expired_messages_are_dead_lettered(kind: str, example: str) -> None:
    for queue in made(f"Microsoft.ServiceBus/namespaces/{kind}", example):
        assert queue.at("properties.deadLetteringOnMessageExpiration") is True
        assert queue.at("properties.maxDeliveryCount") >= 1000


def delivery(example: str) -> Resource:
    subscriptions = made("Microsoft.EventGrid/systemTopics/eventSubscriptions", example)
    [uploads] = [each for each in subscriptions if each.name.endswith("/to-queue")]
    return uploads


@every_platform
def test_event_grid_delivers_and_dead_letters_with_its_identity(example: str) -> None:
    properties = delivery(example).at("properties")
    topics = made("Microsoft.EventGrid/systemTopics", example)
    [topic] = [each for each in topics if each.name == f"evgt-documents-{token(example)}"]
    assert topic.at("identity") == {"type": "SystemAssigned"}
    for way in ("deliveryWithResourceIdentity", "deadLetterWithResourceIdentity"):
        assert properties[way]["identity"] == {"type": "SystemAssigned"}
    assert not {"destination", "deadLetterDestination"} & set(properties)
    destination = properties["deliveryWithResourceIdentity"]["destination"]
    assert destination["endpointType"] == "ServiceBusQueue"


def test_event_grid_starts_to_deliver_only_when_it_may() -> None:
    source = (AZURE / "modules/event-grid.bicep").read_text(encoding="utf-8")
    grants = re.findall(r"^resource (\w+) 'Microsoft.Authorization/roleAssignments", source, re.M)
    assert f"dependsOn: [{', '.join(grants)}]" in source


@every_platform
def test_only_uploads_to_the_documents_container_are_announced(example: str) -> None:
    account = f"stdocs{token(example)}"
    assert app_settings(example)["TIDEGATE_DOCUMENTS"] == f"azure://{account}/documents"
    filter = delivery(example).at("properties.filter")
    assert filter["subjectBeginsWith"] == "/blobServices/default/containers/documents/"


def test_every_container_that_is_named_is_made() -> None:
    account = f"stdocs{token('main.prod')}"
    named = {
        each.rpartition(f"{account}/")[2].rstrip("/")
        for given in (
            app_settings("main.prod"),
            *(
                variables(
                    only("Microsoft.App/containerApps", each).at("properties.template.containers")[
                        0
                    ]["env"]
                )
                for each in EXAMPLES
                if each.endswith("-worker.prod")
            ),
        )
        for each in given.values()
        if each.startswith("azure://")
    }
    made_there = {
        each.name.rpartition("/")[2]
        for each in made("Microsoft.Storage/storageAccounts/blobServices/containers", "main.prod")
        if each.name.startswith(account)
    }
    assert named | {"undelivered"} == made_there
