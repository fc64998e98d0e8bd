"""The function app has the settings that its functions read, and gets the queues' messages."""

from __future__ import annotations

import re

import pytest

from core.config.settings import variables
from core.webhooks.endpoints import Endpoint
from functions_azure.service_bus import CONNECTION
from tests.support import bicep_model
from tests.support.azure_templates import (
    ROOT,
    at,
    made,
    named_values,
    template,
    text,
)

FUNCTIONS = template("modules/functions")
WORKER = template("modules/worker")
APP_SETTINGS = named_values(list(FUNCTIONS.variables.values()))
WORKER_VARIABLES = named_values(WORKER.variables["variables"])
TIDEGATE_VARIABLES = {name for name, _, _ in variables()}


@pytest.mark.parametrize("name", sorted({*APP_SETTINGS, *WORKER_VARIABLES}))
def test_every_variable_of_ours_is_read(name: str) -> None:
    assert not name.startswith("TIDEGATE_") or name in TIDEGATE_VARIABLES


def test_the_app_has_the_settings_that_listeners_need() -> None:
    assert {
        *("BLOB_EVENTS_QUEUE", "MESSAGES_QUEUE", "MESSAGES_TOPIC", "MESSAGES_SUBSCRIPTION"),
        *("TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE", "TEMPORAL_API_KEY"),
        *("TIDEGATE_DOCUMENTS", "TIDEGATE_QUARANTINE", "TIDEGATE_WEBHOOKS"),
        *("TIDEGATE_TRUSTED_TYPES", "TIDEGATE_QUEUE_SCOPE", "TIDEGATE_QUEUE_FORMATS"),
    } <= set(APP_SETTINGS)


def test_the_host_refuses_bodies_that_no_endpoint_would_take() -> None:
    limit = int(APP_SETTINGS["FUNCTIONS_REQUEST_BODY_SIZE_LIMIT"])
    largest = Endpoint.model_json_schema()["properties"]["max_bytes"]["maximum"]
    assert largest < limit <= 1.2 * largest  # what is a little too large is answered by us


@pytest.mark.parametrize("connection", ["AzureWebJobsStorage", CONNECTION])
def test_connections_use_the_identity(connection: str) -> None:
    ours = {n.removeprefix(connection) for n in APP_SETTINGS if n.startswith(connection)}
    address = {"AzureWebJobsStorage": "accountName"}.get(connection, "fullyQualifiedNamespace")
    assert ours == {f"__{address}", "__credential", "__clientId"}
    assert APP_SETTINGS[f"{connection}__credential"] == "managedidentity"


def test_the_settings_in_bindings_are_set() -> None:
    code = "".join(p.read_text(encoding="utf-8") for p in ROOT.glob("functions_azure/*.py"))
    named = set(re.findall(r"%([A-Z][A-Z_]+)%", code))
    assert named == {
        "BLOB_EVENTS_QUEUE",
        "MESSAGES_QUEUE",
        "MESSAGES_TOPIC",
        "MESSAGES_SUBSCRIPTION",
    }
    assert named <= set(APP_SETTINGS)
    assert f"{CONNECTION}__fullyQualifiedNamespace" in APP_SETTINGS


def test_flex_consumption_accepts_all_settings() -> None:
    refused = {
        *("FUNCTIONS_WORKER_RUNTIME", "FUNCTIONS_EXTENSION_VERSION", "WEBSITE_RUN_FROM_PACKAGE"),
        *("WEBSITE_CONTENTAZUREFILECONNECTIONSTRING", "WEBSITE_CONTENTSHARE", "ENABLE_ORYX_BUILD"),
        *("SCM_DO_BUILD_DURING_DEPLOYMENT", "WEBSITE_TIME_ZONE", "WEBSITE_NODE_DEFAULT_VERSION"),
    }
    assert not refused & set(APP_SETTINGS)
    plan = FUNCTIONS.resource("Microsoft.Web/serverfarms").body
    assert plan["sku"] == {"name": "FC1", "tier": "FlexConsumption"}


@pytest.mark.parametrize(
    "name", ["TEMPORAL_API_KEY", "TEMPORAL_TLS_CLIENT_CERT_DATA", "TEMPORAL_TLS_CLIENT_KEY_DATA"]
)
def test_credentials_are_references_to_secrets_of_the_vault(name: str) -> None:
    secrets = {s.body["name"] for _, s in made("Microsoft.KeyVault/vaults/secrets")}
    reference = re.fullmatch(
        r"'@Microsoft\.KeyVault\(SecretUri=\$\{vaultUri\}secrets/([a-z-]+)\)'",
        text(APP_SETTINGS[name]),
    )
    assert reference
    assert reference[1] in secrets
    assert f"{name}={reference[1]}" in set(bicep_model.inside_strings(WORKER))


def test_events_are_sent_to_the_queue_that_the_app_reads() -> None:
    platform = {m.name: m.params for m in template("platform").modules}
    assert text(platform["uploads"]["queue"]) == "bus.outputs.blobEventsQueue"
    outputs = template("modules/service-bus").outputs
    for setting, param in {
        "BLOB_EVENTS_QUEUE": "blobEventsQueue",
        "MESSAGES_QUEUE": "messagesQueue",
        "MESSAGES_TOPIC": "messagesTopic",
        "MESSAGES_SUBSCRIPTION": "messagesSubscription",
    }.items():
        assert text(APP_SETTINGS[setting]) == param
        for module in ("functions", "access"):
            assert text(platform[module][param]) == f"bus.outputs.{param}"
        assert param in outputs


@pytest.mark.parametrize("kind", ["queues", "topics/subscriptions"])
def test_expired_messages_are_dead_lettered(kind: str) -> None:
    for _, queue in made(f"Microsoft.ServiceBus/namespaces/{kind}"):
        assert at(queue.body, "properties.deadLetteringOnMessageExpiration") is True
        assert text(at(queue.body, "properties.maxDeliveryCount")) == "maxDeliveryCount"


def test_event_grid_delivers_and_dead_letters_with_its_identity() -> None:
    events = template("modules/event-grid")
    delivery = events.resource("Microsoft.EventGrid/systemTopics/eventSubscriptions").body
    properties = delivery["properties"]
    for way in ("deliveryWithResourceIdentity", "deadLetterWithResourceIdentity"):
        assert properties[way]["identity"] == {"type": "SystemAssigned"}
    assert not {"destination", "deadLetterDestination"} & set(properties)
    assert (
        at(properties, "deliveryWithResourceIdentity.destination.endpointType") == "ServiceBusQueue"
    )
    roles = {r.name for _, r in made("Microsoft.Authorization/roleAssignments")}
    before = {text(each) for each in delivery["dependsOn"]}
    assert before == {r.name for r in events.resources if r.name in roles}


def test_only_uploads_to_the_documents_container_are_announced() -> None:
    [uploads] = [m for m in template("platform").modules if m.name == "uploads"]
    assert uploads.params["container"] == "documents"
    assert text(APP_SETTINGS["TIDEGATE_DOCUMENTS"]) == "documents"
    assert text(FUNCTIONS.variables["documents"]) == "'azure://${documentsAccount}/documents'"
    [account] = [m for m in template("platform").modules if m.name == "documents"]
    named = re.findall(
        r"azure://\$\{documentsAccount\}/(\w+)",
        WORKER.path.read_text() + FUNCTIONS.path.read_text(),
    )
    assert set(named) | {"undelivered"} == set(account.params["containers"])
