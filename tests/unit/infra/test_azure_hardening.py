"""On Azure there are no keys, every resource is hardened, and every log is kept."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.support import bicep, bicep_model
from tests.support.azure_templates import (
    AZURE,
    PARAMETERS,
    TEMPLATES,
    at,
    made,
    template,
    text,
)
from tests.support.bicep_model import Expression


def name_of(path: Path) -> str:
    return str(path.relative_to(AZURE))


@pytest.mark.parametrize("path", [*TEMPLATES, *PARAMETERS], ids=name_of)
def test_no_key_is_listed_or_written_down(path: Path) -> None:
    said = path.read_text(encoding="utf-8")
    forbidden = (
        r"\blist\w*\(|AccountKey|SharedAccessKey|primaryKey|\bsharedKey|password:|'(br|ts)[/:]"
    )
    assert re.findall(forbidden, said) == []


@pytest.mark.parametrize("path", TEMPLATES, ids=name_of)
def test_secrets_are_secure_parameters_and_stored_in_the_vault_only(path: Path) -> None:
    file = bicep.read(path)
    for param in file.params.values():
        secret = re.search(r"(ApiKey|ClientCertificate|ClientKey)$", param.name)
        assert bool(secret) == ("secure" in param.decorators), param.name
    secure = {p.name for p in file.params.values() if "secure" in p.decorators}
    told = {name for m in file.modules for name in m.params if name in secure}
    assert told == (secure if file.path.name in {"main.bicep", "platform.bicep"} else set())
    values = [v for given in file.outputs.values() for v in bicep_model.inside(given)]
    assert not {v.text for v in values if isinstance(v, Expression)} & secure


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
        "properties.enablePurgeProtection": True,
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
    "Microsoft.EventGrid/systemTopics": {"identity.type": "SystemAssigned"},
}


@pytest.mark.parametrize("type", HARDENED)
def test_every_resource_is_hardened(type: str) -> None:
    resources = made(type)
    assert resources
    for file, resource in resources:
        for path, wanted in HARDENED[type].items():
            assert at(resource.body, path) == wanted, f"{file.path.name}: {resource.name}.{path}"


def test_publishing_by_password_is_disabled() -> None:
    policies = made("Microsoft.Web/sites/basicPublishingCredentialsPolicies")
    assert {policy.body["name"] for _, policy in policies} == {"scm", "ftp"}


@pytest.mark.parametrize("name", ["documents", "hostStorage", "bus", "vault", "registry"])
def test_private_networking_closes_every_firewall(name: str) -> None:
    [module] = [m for m in template("platform").modules if m.name == name]
    assert text(module.params["privateNetworking"]) == "privateNetworking"
    [endpoints] = [m for m in template("platform").modules if m.name == "endpoints"]
    assert f"{name}.outputs.id" in {text(each) for each in endpoints.params.values()}
    assert "'Deny'" in module.path.read_text(encoding="utf-8")


WATCHED = [
    ("modules/storage", "blobs"),
    ("modules/service-bus", "bus"),
    ("modules/key-vault", "vault"),
    ("modules/registry", "registry"),
    ("modules/event-grid", "uploads"),
    ("modules/functions", "app"),
    ("modules/environment", "environment"),
]


@pytest.mark.parametrize(("file", "resource"), WATCHED)
def test_logs_go_to_the_workspace(file: str, resource: str) -> None:
    diagnostics = template(file).resource("Microsoft.Insights/diagnosticSettings")
    assert text(diagnostics.body["scope"]) == resource
    assert text(at(diagnostics.body, "properties.workspaceId")) == "workspaceId"
