"""What is billed on Azure, counted in the snapshots of what the examples deploy."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

from tests.support.azure import INDEX
from tests.support.azure_snapshot import (
    PLATFORMS,
    Resource,
    is_of_the_application,
    only,
    resources,
)
from tests.support.azure_snapshot import site as listeners

WORKERS: Final = ("root-worker.prod", "incident-worker.prod")
_FREQUENCIES: Final = {"PT1M": "1_minute", "PT5M": "5_minutes", "PT15M": "15_minutes"}
"""How often a rule on logs runs, and how its price is called."""


@dataclass(frozen=True, slots=True)
class Counts:
    instance_gb: float
    groups: tuple[str, ...]
    """Groups of functions that scale alone: all of HTTP, and each other function that is on."""
    always_ready: dict[str, int]
    """Instances that are configured to be always ready, by group."""
    requests: int
    """Requests that an instance takes at a time; the platform's own default for Python is one."""
    zone_redundant: bool
    premium_units: int
    """Messaging units of Service Bus Premium; none of them is Standard."""
    time_series: int
    """What alerts on metrics watch: one for each entity where they watch all."""
    log_alerts: dict[str, int]
    """Alerts on logs by the name of how often they run."""
    registry: str
    private_endpoints: int
    private_dns_zones: int
    log_days: int
    workers: int
    replicas: int
    """Replicas of each worker at least."""
    replicas_at_most: int
    replica_vcpu: float
    replica_gb: float

    def ready(self, group: str) -> int:
        """Instances of a group that are always ready, without the platform's own."""
        return self.always_ready.get(group, 0)


def count(profile: str) -> Counts:
    """What an example of main.bicep deploys, `main.dev`, with the workers of the examples."""
    site, [plan] = listeners(profile), _of("Microsoft.Web/serverfarms", profile)
    scale = site.at("properties.functionAppConfig.scaleAndConcurrency")
    bus = only("Microsoft.ServiceBus/namespaces", profile)
    apps = [only("Microsoft.App/containerApps", worker) for worker in WORKERS]
    alerts = [*_priced(profile), *(each for name in WORKERS for each in resources(name))]
    entities = sum(
        each.type
        in ("Microsoft.ServiceBus/namespaces/queues", "Microsoft.ServiceBus/namespaces/topics")
        for each in resources(profile)
    )
    return Counts(
        instance_gb=scale["instanceMemoryMB"] / 1024,
        groups=_groups(site),
        always_ready={
            each["name"]: each["instanceCount"] for each in scale.get("alwaysReady") or ()
        },
        requests=_http(scale).get("perInstanceConcurrency", 1),
        zone_redundant=bool(plan.at("properties.zoneRedundant")),
        premium_units=int(bus.at("sku.capacity") or 0) if bus.at("sku.name") == "Premium" else 0,
        time_series=sum(_series(each, entities) for each in alerts),
        log_alerts=dict(
            Counter(
                _FREQUENCIES[each.at("properties.evaluationFrequency")]
                for each in alerts
                if each.type == "Microsoft.Insights/scheduledQueryRules"
            )
        ),
        registry=only("Microsoft.ContainerRegistry/registries", profile).at("sku.name").lower(),
        private_endpoints=_number("Microsoft.Network/privateEndpoints", profile),
        private_dns_zones=_number("Microsoft.Network/privateDnsZones", profile),
        log_days=only("Microsoft.OperationalInsights/workspaces", profile).at(
            "properties.retentionInDays"
        ),
        workers=len(apps),
        replicas=_same(app.at("properties.template.scale")["minReplicas"] for app in apps),
        replicas_at_most=_same(app.at("properties.template.scale")["maxReplicas"] for app in apps),
        replica_vcpu=_same(float(_container(app)["cpu"]) for app in apps),
        replica_gb=_same(float(_container(app)["memory"].removesuffix("Gi")) for app in apps),
    )


def profiles() -> dict[str, Counts]:
    """The counts of each example of main.bicep, by its last name: `dev`."""
    return {name.removeprefix("main."): count(name) for name in PLATFORMS}


def _http(scale: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = (scale.get("triggers") or {}).get("http") or {}
    return found


def _groups(site: Resource) -> tuple[str, ...]:
    settings = {
        each["name"]: each["value"] for each in site.at("properties.siteConfig.appSettings")
    }
    off = {
        name
        for name in INDEX
        if str(settings.get(f"AzureWebJobs.{name}.Disabled", "")).lower() in ("1", "true")
    }
    http = {
        name
        for name, function in INDEX.items()
        if any(each.type == "httpTrigger" for each in function.get_bindings())
    }
    return ("http", *sorted(set(INDEX) - off - http))


def _series(alert: Resource, entities: int) -> int:
    if alert.type != "Microsoft.Insights/metricAlerts":
        return 0
    watched = alert.at("properties.criteria.allOf")
    return sum(entities if each.get("dimensions") else 1 for each in watched)


def _container(app: Resource) -> dict[str, Any]:
    [container] = app.at("properties.template.containers")
    found: dict[str, Any] = container["resources"]
    return found


def _number(type: str, profile: str) -> int:
    return len(_of(type, profile))


def _of(type: str, profile: str) -> list[Resource]:
    return [each for each in _priced(profile) if each.type == type]


def _priced(profile: str) -> list[Resource]:
    """What a profile deploys, less the HTTP application: its price is not among the sums."""
    return [each for each in resources(profile) if not is_of_the_application(each)]


def _same(values: Any) -> Any:
    [value] = set(values)
    return value
