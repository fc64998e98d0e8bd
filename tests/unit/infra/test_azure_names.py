"""Every name on Azure is one that its type of resource may have."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from tests.support.azure_snapshot import EXAMPLES, Resource, made, resources

LETTERS_DIGITS_HYPHENS = r"[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?"
OF_NETWORKS = r"[a-zA-Z0-9]([\w.-]*\w)?"
OF_QUEUES = r"[a-zA-Z0-9]([\w./-]*[a-zA-Z0-9])?"
OF_ALERTS = r"[^*#&+:<>?@%{}\\/]*[^*#&+:<>?@%{}\\/ .]"

RULES: dict[str, tuple[int, int, str]] = {
    "Microsoft.App/containerApps": (2, 32, r"[a-z][a-z0-9]*(-[a-z0-9]+)*"),
    "Microsoft.App/managedEnvironments": (2, 60, LETTERS_DIGITS_HYPHENS),
    "Microsoft.ContainerRegistry/registries": (5, 50, r"[a-zA-Z0-9]+"),
    "Microsoft.EventGrid/systemTopics": (3, 128, r"[a-zA-Z0-9-]+"),
    "Microsoft.EventGrid/systemTopics/eventSubscriptions": (3, 64, r"[a-zA-Z0-9-]+"),
    "Microsoft.Insights/actionGroups": (1, 260, OF_ALERTS),
    "Microsoft.Insights/components": (1, 260, OF_ALERTS),
    "Microsoft.Insights/diagnosticSettings": (1, 260, OF_ALERTS),
    "Microsoft.Insights/metricAlerts": (1, 260, OF_ALERTS),
    "Microsoft.Insights/scheduledQueryRules": (1, 260, OF_ALERTS),
    "Microsoft.KeyVault/vaults": (3, 24, r"[a-zA-Z][a-zA-Z0-9]*(-[a-zA-Z0-9]+)*"),
    "Microsoft.KeyVault/vaults/secrets": (1, 127, r"[a-zA-Z0-9-]+"),
    "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials": (
        *(3, 120),
        r"[a-zA-Z0-9][a-zA-Z0-9_-]*",
    ),
    "Microsoft.ManagedIdentity/userAssignedIdentities": (3, 128, r"[a-zA-Z0-9][a-zA-Z0-9_-]*"),
    "Microsoft.Network/networkSecurityGroups": (1, 80, OF_NETWORKS),
    "Microsoft.Network/privateDnsZones": (1, 63, r"[\w-]+(\.[\w-]+){1,33}"),
    "Microsoft.Network/privateDnsZones/virtualNetworkLinks": (1, 80, OF_NETWORKS),
    "Microsoft.Network/privateEndpoints": (2, 64, OF_NETWORKS),
    "Microsoft.Network/privateEndpoints/privateDnsZoneGroups": (1, 80, OF_NETWORKS),
    "Microsoft.Network/virtualNetworks": (2, 64, OF_NETWORKS),
    "Microsoft.OperationalInsights/workspaces": (4, 63, LETTERS_DIGITS_HYPHENS),
    "Microsoft.Resources/resourceGroups": (1, 90, r"[\w.()-]*[\w()-]"),
    "Microsoft.ServiceBus/namespaces": (6, 50, r"[a-zA-Z][a-zA-Z0-9-]*[a-zA-Z0-9]"),
    "Microsoft.ServiceBus/namespaces/queues": (1, 260, OF_QUEUES),
    "Microsoft.ServiceBus/namespaces/topics": (1, 260, OF_QUEUES),
    "Microsoft.ServiceBus/namespaces/topics/subscriptions": (1, 50, OF_QUEUES),
    "Microsoft.Storage/storageAccounts": (3, 24, r"[a-z0-9]+"),
    "Microsoft.Storage/storageAccounts/blobServices/containers": (
        *(3, 63),
        r"[a-z0-9]+(-[a-z0-9]+)*",
    ),
    "Microsoft.Web/serverfarms": (1, 60, r"[a-zA-Z0-9-]+"),
    "Microsoft.Web/sites": (2, 60, LETTERS_DIGITS_HYPHENS),
}
"""The least and most characters of a name, and which they are. Sources: Microsoft's "Naming rules
and restrictions for Azure resources"; of Container Apps, their error ContainerAppInvalidName."""

PRESCRIBED = {
    "Microsoft.Authorization/roleAssignments": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "Microsoft.ServiceBus/namespaces/networkRuleSets": "default",
    "Microsoft.Storage/storageAccounts/blobServices": "default",
    "Microsoft.Storage/storageAccounts/managementPolicies": "default",
    "Microsoft.Web/sites/basicPublishingCredentialsPolicies": "ftp|scm",
}
"""Types whose names Azure prescribes."""

KNOWN_TO_AZURE = r"\[guid\(.*\)\]|\[format\(.*environment\(\)\.suffixes\..*\)\]"
"""Names that only a deployment can work out: of a principal's ID, or of the cloud's domain."""


def fault(resource: Resource) -> str | None:
    """What is wrong with a name; a name like `account/default` is of the child alone."""
    if re.fullmatch(KNOWN_TO_AZURE, resource.name):
        return None
    name = resource.name.rpartition("/")[2]
    if resource.type in PRESCRIBED:
        pattern = PRESCRIBED[resource.type]
        return None if re.fullmatch(pattern, name) else f"{resource}: the name has to be {pattern}"
    least, most, pattern = RULES[resource.type]
    if not least <= len(name) <= most:
        return f"{resource}: a name of {len(name)} characters, not {least} to {most}"
    return None if re.fullmatch(pattern, name) else f"{resource}: the name has to match {pattern}"


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_name_is_legal(example: str) -> None:
    assert [text for each in resources(example) if (text := fault(each))] == []


@pytest.mark.parametrize(
    ("type", "name", "expected"),
    [
        ("Microsoft.Storage/storageAccounts", "st-docs", "has to match"),
        ("Microsoft.Storage/storageAccounts", "stDocs", "has to match"),
        ("Microsoft.Storage/storageAccounts", "st" * 13, "26 characters, not 3 to 24"),
        ("Microsoft.KeyVault/vaults", "kv--a", "has to match"),
        ("Microsoft.ContainerRegistry/registries", "cr", "2 characters, not 5 to 50"),
        ("Microsoft.Storage/storageAccounts/blobServices", "a/other", "has to be default"),
        ("Microsoft.Storage/storageAccounts", "[format('st{0}', reference('x'))]", "characters"),
    ],
)
def test_an_illegal_name_is_found(type: str, name: str, expected: str) -> None:
    assert expected in str(fault(replace(made(type, "main.dev")[0], name=name)))
