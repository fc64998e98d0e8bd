"""The arithmetic: dollars a month from figures, counts and a rate of events. Pure.

Events are taken to come evenly. That is the dearest way where seconds are billed: what comes
together shares them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from typing import Final, Literal

from tests.costs import aws, azure
from tests.costs.figures import MILLION, Figures

RATES: Final = (0.1, 1.0, 10.0, 100.0)
"""Events a second."""
HOURS: Final = 730
"""Of a month."""
SECONDS: Final = HOURS * 3600
DAYS: Final = HOURS / 24

Door = Literal["webhooks", "messages", "uploads"]
"""The way in. Uploads come through a queue, behind EventBridge on AWS and Event Grid on Azure."""

_GROUPS: Final[dict[Door, str]] = {
    "webhooks": "http",
    "messages": "messages_queue",
    "uploads": "blob_events_queue",
}
"""The function of a door on Azure, or its group."""
_TIERS: Final = ((5, 50), (5, 45), (10, 40), (30, 35), (50, 30), (float("inf"), 25))
"""Millions of Actions and their price on the Business plan. Beyond 200 million the price is not
public: the last one here is an upper bound. Source: Temporal Cloud, "Pricing"."""
_INCLUDED: Final = 2.5
"""Millions of Actions in the Business plan."""
_FREE_OPERATIONS: Final = 13 * MILLION
"""Operations a month in the base charge of Service Bus Standard."""
_FREE_LOG_DAYS: Final = 31


@dataclass(frozen=True, slots=True)
class Line:
    part: str
    dollars: float


@dataclass(frozen=True, slots=True)
class Actions:
    """What recorded histories count."""

    opened: int
    """For an alert that opens its incident, to bring it there."""
    joined: int
    life: int
    """Of an incident itself, from opening to end."""


@dataclass(frozen=True, slots=True)
class Wakes:
    """How often recorded histories wake a worker that sleeps, each time at most."""

    joined: int
    """An alert that joins an incident."""
    life: int
    """An incident from its alert to its end: it is paged, acknowledged, and recovers."""


def total(lines: Sequence[Line]) -> float:
    return sum(line.dollars for line in lines)


def month(rate: float) -> float:
    """Events a month."""
    return rate * SECONDS


def busy(rate: float, seconds: float, most: float, instances: int = 1) -> float:
    """How many instances are busy on average, each event for so many seconds.

    Events that come at the same time share an instance, up to `most` a second, and are spread over
    `instances` that there are anyway.
    """
    return max(min(rate * seconds, instances), rate / most)


def traces(rate: float) -> float:
    """Traces a second that X-Ray records: the first of each second, and 5 % of the rest.

    Source: AWS X-Ray, "Configuring sampling rules".
    """
    first = min(rate, 1.0)
    return first + 0.05 * (rate - first)


def _containers(figures: Figures, workers: int, least: int, most: int, rate: float) -> int:
    """Containers of all workers: `least` of each, but as many of the incident worker as its events
    need, up to `most`."""
    needed = min(max(least, ceil(rate / figures["worker_rate"])), most)
    return needed + (workers - 1) * least


def _worker_log(figures: Figures, rate: float) -> float:
    """Bytes a month."""
    return month(rate) * figures["opens_an_incident"] * figures["worker_log"]


# ----------------------------------------------------------------------------------------- AWS


def aws_door(figures: Figures, counts: aws.Counts, rate: float, door: Door) -> list[Line]:
    """What events cost on their way to Temporal."""
    events = month(rate)
    batch = 1 if door == "webhooks" else figures["batch"]
    logged = events * figures["own_log"] + events / batch * figures["lambda_log"]
    found = [
        Line("Lambda, requests", figures.price("lambda_requests", events / batch)),
        Line(
            "Lambda, duration",
            figures.price("lambda_duration", events * figures["invocation"] * counts.function_gb),
        ),
    ]
    if door == "webhooks":
        logged += events * figures["api_log"]
        found.append(Line("HTTP API", figures.price("http_api", events)))
    else:  # sent alone, received and deleted in batches
        found.append(Line("SQS", figures.price("sqs", events + 2 * events / batch)))
    if door == "uploads":
        found.append(Line("EventBridge", figures.price("eventbridge", events)))
    found.append(Line("CloudWatch Logs", figures.price("cloudwatch_logs", logged / 1e9)))
    if counts.traced:
        found.append(Line("X-Ray", figures.price("x_ray", traces(rate / batch) * SECONDS)))
    return found


def aws_fixed(figures: Figures, counts: aws.Counts) -> list[Line]:
    """What the front door costs without any event."""
    api_metrics = counts.routes * figures["api_metrics"]
    polls = counts.queues * figures["pollers"] * SECONDS / 20  # empty receives
    parts = {
        "Detailed metrics of the API": ("cloudwatch_metrics", api_metrics),
        "Dashboard": ("cloudwatch_dashboards", counts.dashboards),
        "KMS keys": ("kms_keys", counts.keys),
        "Secrets": ("secrets_manager", figures["secrets"]),
        "Queues that are polled": ("sqs", polls),
    }
    priced = [Line(part, figures.price(*of)) for part, of in parts.items()]
    return [*_watched(figures, counts.door), *priced]


def _watched(figures: Figures, watched: aws.Watched) -> list[Line]:
    parts = {
        "Alarms": ("cloudwatch_alarms", watched.alarm_metrics),
        "Alarms of target tracking": ("cloudwatch_alarms", watched.tracking_alarm_metrics),
        "Our own metrics": ("cloudwatch_metrics", watched.metrics),
    }
    return [Line(part, figures.price(*of)) for part, of in parts.items()]


def aws_containers(figures: Figures, counts: aws.Counts, rate: float) -> list[Line]:
    """Workers on Fargate: as many tasks of the incident worker as its events need."""
    hours = HOURS * _containers(figures, counts.workers, counts.tasks, counts.tasks_at_most, rate)
    return [
        Line(
            "Fargate",
            figures.price("fargate_vcpu", hours * counts.task_vcpu)
            + figures.price("fargate_memory", hours * counts.task_gb),
        ),
        Line(
            "Container Insights", figures.price("cloudwatch_metrics", figures["container_insights"])
        ),
        *_watched(figures, counts.containers),
        Line("Workers' logs", figures.price("cloudwatch_logs", _worker_log(figures, rate) / 1e9)),
    ]


def wakes(figures: Figures, counted: Wakes, rate: float) -> float:
    """How often a second events wake a worker that sleeps between them."""
    opening = rate * figures["opens_an_incident"]
    return opening * counted.life + (rate - opening) * counted.joined


def awake(figures: Figures, woken: float) -> float:
    """How many serverless workers run on average, when one is woken so often a second.

    While one is awake nobody else is woken, unless there is more than one worker's work.
    """
    return busy(woken, figures["serverless_wake"], figures["worker_rate"])


def waking(figures: Figures, counts: aws.Counts, woken: float) -> list[Line]:
    """What a serverless worker costs a month that is woken so often a second."""
    seconds = SECONDS * awake(figures, woken)
    return [
        Line(
            "Lambda, requests",
            figures.price("lambda_requests", seconds / figures["serverless_wake"]),
        ),
        Line(
            "Lambda, duration",
            figures.price("lambda_duration", seconds * counts.serverless_gb),
        ),
    ]


def aws_serverless(figures: Figures, counts: aws.Counts, counted: Wakes, rate: float) -> list[Line]:
    """Workers on Lambda, and the function that looks from outside whether they are called."""
    looks = SECONDS / counts.watch_every
    return [
        *waking(figures, counts, wakes(figures, counted, rate)),
        Line(
            "The look from outside",
            figures.price("lambda_requests", looks)
            + figures.price("lambda_duration", looks * figures["watch"] * counts.watch_gb),
        ),
        *_watched(figures, counts.serverless),
        Line("Workers' logs", figures.price("cloudwatch_logs", _worker_log(figures, rate) / 1e9)),
    ]


def as_dear(
    cheap: Callable[[float], list[Line]], dear: Callable[[float], list[Line]]
) -> float | None:
    """Events a second from which the one that is cheaper for few events is so no more; None when it
    stays cheaper up to the highest of `RATES`."""
    low, high = 1 / 86_400, RATES[-1]
    if total(cheap(high)) < total(dear(high)):
        return None
    while high / low > 1.001:
        middle = sqrt(low * high)
        if total(cheap(middle)) < total(dear(middle)):
            low = middle
        else:
            high = middle
    return high


# --------------------------------------------------------------------------------------- Azure


def ready(figures: Figures, counts: azure.Counts, group: str) -> int:
    """Instances of a group of functions that are billed as always ready."""
    by_platform = int(figures["zone_redundant_instances"]) if counts.zone_redundant else 0
    return max(counts.ready(group), by_platform)


def azure_door(figures: Figures, counts: azure.Counts, rate: float, door: Door) -> list[Line]:
    """What events cost on their way to Temporal."""
    events = month(rate)
    there = ready(figures, counts, _GROUPS[door])
    instances = busy(rate, figures["flex_minimum"], figures["flex_rate"], max(there, 1))
    gb_seconds = SECONDS * counts.instance_gb
    warm = min(instances, there)
    found = [
        Line("Functions, executions", figures.price("flex_executions", events)),
        Line(
            "Functions, duration",
            figures.price("flex_always_ready_executing", warm * gb_seconds)
            + figures.price("flex_on_demand", (instances - warm) * gb_seconds),
        ),
    ]
    if door == "uploads":  # published and delivered
        found.append(Line("Event Grid", figures.price("event_grid", 2 * events)))
    if door != "webhooks" and not counts.premium_units:  # sent, received and completed
        beyond = max(0.0, 3 * events - _FREE_OPERATIONS)
        found.append(
            Line("Service Bus, operations", figures.price("service_bus_operations", beyond))
        )
    found.append(
        Line("Log Analytics", _log_analytics(figures, counts, events * figures["azure_log"]))
    )
    return found


def azure_fixed(figures: Figures, counts: azure.Counts) -> list[Line]:
    """What costs the same without any event."""
    waiting = sum(ready(figures, counts, group) for group in counts.groups)
    bus = (
        figures.price("service_bus_premium", counts.premium_units * HOURS)
        if counts.premium_units
        else figures.price("service_bus_standard", HOURS)
    )
    rules = sum(
        figures.price(f"log_alerts_{often}", number) for often, number in counts.log_alerts.items()
    )
    network = figures.price("private_endpoints", counts.private_endpoints * HOURS) + figures.price(
        "private_dns_zones", counts.private_dns_zones
    )
    return [
        Line(
            "Functions, always ready",
            figures.price("flex_always_ready", waiting * counts.instance_gb * SECONDS),
        ),
        Line("Service Bus", bus),
        Line("Alerts", figures.price("metric_alerts", counts.time_series) + rules),
        Line("Registry", figures.price(f"registry_{counts.registry}", DAYS)),
        Line("Private endpoints and zones", network),
    ]


def azure_containers(figures: Figures, counts: azure.Counts, rate: float) -> list[Line]:
    """Workers on Container Apps, billed as active all the time."""
    containers = _containers(
        figures, counts.workers, counts.replicas, counts.replicas_at_most, rate
    )
    seconds = SECONDS * containers
    return [
        Line(
            "Container Apps",
            figures.price("container_apps_vcpu", seconds * counts.replica_vcpu)
            + figures.price("container_apps_memory", seconds * counts.replica_gb),
        ),
        Line("Workers' logs", _log_analytics(figures, counts, _worker_log(figures, rate))),
    ]


def _log_analytics(figures: Figures, counts: azure.Counts, bytes: float) -> float:
    """Dollars for a month's bytes: taken in, and kept as long as the workspace keeps them."""
    kept_months = max(0, counts.log_days - _FREE_LOG_DAYS) / DAYS
    taken_in = figures.price("log_analytics", bytes / 1e9)
    return taken_in + figures.price("log_analytics_retention", bytes / 1e9 * kept_months)


# -------------------------------------------------------------------------------- Temporal Cloud


def actions(figures: Figures, counted: Actions, rate: float) -> float:
    """Actions a month, by `signal`."""
    opening = month(rate) * figures["opens_an_incident"]
    joining = month(rate) - opening
    each = counted.opened + counted.life + figures["heartbeats"]
    return opening * each + joining * counted.joined


def storage(figures: Figures, rate: float) -> float:
    """Dollars a month for histories."""
    gigabytes = month(rate) * figures["opens_an_incident"] * figures["history"] / 1e6
    return figures.price("active_storage", gigabytes * figures["running"]) + figures.price(
        "retained_storage", gigabytes * figures["retention"] * 24
    )


def temporal(figures: Figures, counted: Actions, rate: float) -> float:
    """Dollars a month on the cheaper of the plans Developer and Business."""
    millions = actions(figures, counted, rate) / MILLION
    stored = storage(figures, rate)
    developer = (figures.price("actions", millions * MILLION) + stored) * 1.1
    used = _by_tier(max(0.0, millions - _INCLUDED)) + stored
    business = used + max(figures.price("business_plan", 1), used / 10)
    return min(developer, business)


def _by_tier(millions: float) -> float:
    dollars = 0.0
    for size, price in _TIERS:
        here = min(millions, size)
        dollars += here * price
        millions -= here
    return dollars
