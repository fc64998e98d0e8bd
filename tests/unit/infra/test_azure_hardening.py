"""On Azure there are no keys, every resource is hardened, and every log is kept."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.azure_parameters import TEMPLATES, parameters
from tests.support.azure_snapshot import (
    AZURE,
    EXAMPLES,
    PLATFORMS,
    made,
    only,
    resources,
)

SOURCES = sorted([*AZURE.rglob("*.bicep"), *AZURE.rglob("*.bicepparam")])
SECRET = re.compile(r"(ApiKey|ClientCertificate|ClientKey)$")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_no_key_is_listed_or_written_down(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    forbidden = (
        r"\blist\w*\(|AccountKey|SharedAccessKey|primaryKey|\bsharedKey|password:|'(br|ts)[/:]"
    )
    assert re.findall(forbidden, text) == []


@pytest.mark.parametrize("template", TEMPLATES)
def test_every_secret_is_a_secure_parameter(template: str) -> None:
    for parameter in parameters(template).values():
        assert bool(SECRET.search(parameter.name)) == ("secure" in parameter.decorators)


@pytest.mark.parametrize("example", EXAMPLES)
def test_secrets_are_stored_in_the_vault_and_nowhere_else(example: str) -> None:
    """Nothing else has a parameter for its value: all others are evaluated."""
    holders = [each for each in resources(example) if "parameters('" in json.dumps(each.body)]
    assert {each.type for each in holders} <= {"Microsoft.KeyVault/vaults/secrets"}
    stored = {each.at("properties.value") for each in holders}
    secure = {name for name in parameters("main.bicep") if SECRET.search(name)}
    assert stored == {f"[parameters('{name}')]" for name in secure if example in PLATFORMS}


HARDENED: dict[str, dict[str, Any]] = {
    "Microsoft.Storage/storageAccounts": {
        "properties.allowSharedKeyAccess": False,
        "properties.allowBlobPublicAccess": False,
        "properties.minimumTlsVersion": "TLS1_2",
        "properties.supportsHttpsTrafficOnly": True,
    },
    "Microsoft.Storage/storageAccounts/blobServices/containers": {
        "properties.publicAccess": "None"
    },
    "Microsoft.ServiceBus/namespaces": {
        "properties.disableLocalAuth": True,
        "properties.minimumTlsVersion": "1.2",
    },
    "Microsoft.KeyVault/vaults": {
        "properties.enableRbacAuthorization": True,
        "properties.enableSoftDelete": True,
    },
    "Microsoft.Insights/components": {"properties.DisableLocalAuth": True},
    "Microsoft.OperationalInsights/workspaces": {"properties.features.disableLocalAuth": True},
    "Microsoft.ContainerRegistry/registries": {
        "properties.adminUserEnabled": False,
        "properties.anonymousPullEnabled": False,
    },
    "Microsoft.Web/sites": {
        "properties.httpsOnly": True,
        "properties.siteConfig.minTlsVersion": "1.2",
        "properties.siteConfig.scmMinTlsVersion": "1.2",
        "properties.siteConfig.ftpsState": "Disabled",
        "identity.type": "UserAssigned",
    },
    "Microsoft.Web/sites/basicPublishingCredentialsPolicies": {"properties.allow": False},
    "Microsoft.App/managedEnvironments": {
        "properties.appLogsConfiguration.destination": "azure-monitor"
    },
    "Microsoft.App/containerApps": {
        "identity.type": "UserAssigned",
        "properties.configuration.ingress": None,
    },
}


@pytest.mark.parametrize("type", HARDENED)
def test_every_resource_is_hardened(type: str) -> None:
    for resource in made(type):
        for path, wanted in HARDENED[type].items():
            assert resource.at(path) == wanted, f"{resource}: {path}"


def test_nobody_can_purge_the_vault_of_production() -> None:
    """One that is for trying things out can be made again under its name."""
    vaults = {name: only("Microsoft.KeyVault/vaults", name).at("properties") for name in PLATFORMS}
    assert vaults["main.prod"]["enablePurgeProtection"] is True
    assert vaults["main.prod"]["softDeleteRetentionInDays"] == 90
    assert vaults["main.dev"]["enablePurgeProtection"] is None  # Azure refuses false
    assert vaults["main.dev"]["softDeleteRetentionInDays"] == 7


@pytest.mark.parametrize("example", PLATFORMS)
def test_publishing_by_password_is_disabled(example: str) -> None:
    policies = made("Microsoft.Web/sites/basicPublishingCredentialsPolicies", example)
    assert {policy.name.rpartition("/")[2] for policy in policies} == {"scm", "ftp"}


FIREWALLS = {
    "Microsoft.Storage/storageAccounts": "properties.networkAcls.defaultAction",
    "Microsoft.ServiceBus/namespaces/networkRuleSets": "properties.defaultAction",
    "Microsoft.KeyVault/vaults": "properties.networkAcls.defaultAction",
    "Microsoft.ContainerRegistry/registries": "properties.networkRuleSet.defaultAction",
}


@pytest.mark.parametrize("type", FIREWALLS)
def test_private_networking_closes_every_firewall(type: str) -> None:
    for resource in made(type, "main.prod"):
        assert resource.at(FIREWALLS[type]) == "Deny", resource


def test_private_networking_gives_everything_that_is_closed_an_endpoint() -> None:
    closed = {
        each.id.removesuffix("/networkRuleSets/default")
        for type in FIREWALLS
        for each in made(type, "main.prod")
    }
    connected = {
        connection["properties"]["privateLinkServiceId"]
        for endpoint in made("Microsoft.Network/privateEndpoints", "main.prod")
        for connection in endpoint.at("properties.privateLinkServiceConnections")
    }
    assert connected == closed


LOGGED = {
    "Microsoft.Storage/storageAccounts/blobServices",
    "Microsoft.ServiceBus/namespaces",
    "Microsoft.KeyVault/vaults",
    "Microsoft.ContainerRegistry/registries",
    "Microsoft.EventGrid/systemTopics",
    "Microsoft.Web/sites",
    "Microsoft.App/managedEnvironments",
}


@pytest.mark.parametrize("example", PLATFORMS)
def test_logs_go_to_the_workspace(example: str) -> None:
    settings = made("Microsoft.Insights/diagnosticSettings", example)
    workspace = only("Microsoft.OperationalInsights/workspaces", example).id
    assert {each.at("properties.workspaceId") for each in settings} == {workspace}
    assert all(each.at("properties.logs") for each in settings)
    assert sorted(each.scope for each in settings) == sorted(
        each.id for each in resources(example) if each.type in LOGGED
    )
