"""What Azure itself would refuse or silently ignore, and no compiler knows."""

from __future__ import annotations

import re
from ipaddress import ip_network
from itertools import combinations
from pathlib import Path

import pytest

from tests.support.azure_snapshot import AZURE, PLATFORMS, made, only

ZONES = {
    "blob": "privatelink.blob.",
    "table": "privatelink.table.",
    "namespace": "privatelink.servicebus.windows.net",
    "vault": "privatelink.vaultcore.azure.net",
    "registry": "privatelink{0}",
}
"""The zone of each kind of private endpoint ("Azure Private Endpoint private DNS zone values")."""

METRICS = {
    "Microsoft.App/containerapps": {"Replicas", "RestartCount"},
    "Microsoft.EventGrid/systemTopics": {"DeadLetteredCount", "DroppedEventCount"},
    "Microsoft.ServiceBus/namespaces": {"ActiveMessages", "DeadletteredMessages"},
}
"""Of those that Azure publishes ("Supported metrics with Azure Monitor"), the ones in use."""


def test_every_metric_of_an_alert_is_one_that_azure_publishes() -> None:
    """An alert on another is refused, or never fires."""
    used: dict[str, set[str]] = {}
    for alert in made("Microsoft.Insights/metricAlerts"):
        for each in alert.at("properties.criteria")["allOf"]:
            used.setdefault(each["metricNamespace"], set()).add(each["metricName"])
    assert used == METRICS


@pytest.mark.parametrize("example", PLATFORMS)
def test_references_to_the_vault_use_the_apps_own_identity(example: str) -> None:
    for site in made("Microsoft.Web/sites", example):
        assert [site.at("properties.keyVaultReferenceIdentity")] == list(
            site.at("identity.userAssignedIdentities")
        )


def test_a_plan_has_one_app() -> None:
    """Flex Consumption takes no other one into it."""
    for example in PLATFORMS:
        plans = [
            each.at("properties.serverFarmId") for each in made("Microsoft.Web/sites", example)
        ]
        assert sorted(plans) == sorted(
            each.id for each in made("Microsoft.Web/serverfarms", example)
        )


def test_every_app_has_a_subnet_of_its_own() -> None:
    sites = made("Microsoft.Web/sites", "main.prod")
    used = {each.at("properties.virtualNetworkSubnetId").rpartition("/")[2] for each in sites}
    assert used == {"functions", "application"}


def test_a_message_is_locked_for_no_longer_than_service_bus_allows() -> None:
    kinds = ("queues", "topics/subscriptions")
    entities = [each for kind in kinds for each in made(f"Microsoft.ServiceBus/namespaces/{kind}")]
    assert {each.at("properties.lockDuration") for each in entities} == {"PT5M"}


def test_a_worker_has_the_memory_that_goes_with_its_cores() -> None:
    """2 GiB for each core; the Consumption profile has no other combination."""
    for app in made("Microsoft.App/containerApps"):
        [container] = app.at("properties.template.containers")
        given = container["resources"]
        assert float(given["memory"].removesuffix("Gi")) == 2 * float(given["cpu"]), app


def test_a_private_endpoint_has_the_zone_of_its_kind() -> None:
    """With another the name would still lead to the public address."""
    groups = {
        each.at("properties.privateLinkServiceConnections")[0]["name"]: each.at(
            "properties.privateLinkServiceConnections"
        )[0]["properties"]["groupIds"][0]
        for each in made("Microsoft.Network/privateEndpoints", "main.prod")
    }
    configured = [
        config
        for each in made("Microsoft.Network/privateEndpoints/privateDnsZoneGroups", "main.prod")
        for config in each.at("properties.privateDnsZoneConfigs")
    ]
    assert sorted(config["name"] for config in configured) == sorted(groups)
    for config in configured:
        zone = ZONES[groups[config["name"]]]
        assert zone in config["properties"]["privateDnsZoneId"], config["name"]


def test_subnets_are_in_their_network_and_apart() -> None:
    network = only("Microsoft.Network/virtualNetworks", "main.prod")
    [space] = map(ip_network, network.at("properties.addressSpace.addressPrefixes"))
    subnets = [
        ip_network(each["properties"]["addressPrefix"]) for each in network.at("properties.subnets")
    ]
    assert all(each.overlaps(space) and each.prefixlen >= space.prefixlen for each in subnets)
    assert not [pair for pair in combinations(subnets, 2) if pair[0].overlaps(pair[1])]


# ------------------------------------------------------- order, which a snapshot does not show


def waits_for(template: Path, declaration: str) -> set[str]:
    """The names in `dependsOn` of the resource or module that is declared so."""
    text = template.read_text(encoding="utf-8")
    [body] = re.findall(rf"^{declaration} .*?^}}", text, re.M | re.S)
    [names] = re.findall(r"^  dependsOn: \[(.*?)\]", body, re.M)
    return set(names.split(", "))


def test_the_functions_start_when_their_identity_may_do_its_work() -> None:
    assert {"access", "endpoints", "network"} <= waits_for(
        AZURE / "platform.bicep", "module functions"
    )


def test_the_application_starts_when_its_identity_may_do_its_work() -> None:
    platform = AZURE / "platform.bicep"
    assert {"applicationAccess", "endpoints", "network"} <= waits_for(
        platform, "module httpApplication"
    )
    assert {"identities", "vault", "applicationStorage"} <= waits_for(
        platform, "module applicationAccess"
    )


def test_a_secret_is_set_when_its_expiry_would_be_announced() -> None:
    vault = AZURE / "modules/key-vault.bicep"
    secrets = re.findall(
        r"^resource (\w+) 'Microsoft.KeyVault/vaults/secrets@", vault.read_text(), re.M
    )
    assert secrets
    for name in secrets:
        assert "expiry" in waits_for(vault, f"resource {name}")
