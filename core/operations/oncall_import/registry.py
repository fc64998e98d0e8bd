"""The products whose exports can be imported, each by the name that the command takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from core.operations.oncall_import import goalert, grafana_oncall, opsgenie, pagerduty
from core.operations.oncall_import.draft import Draft
from core.operations.oncall_import.export import Node


@dataclass(frozen=True, slots=True)
class Product:
    """A product: what people call it, what must be in its export, how one is recognised, and what
    translates it."""

    title: str
    sections: tuple[str, ...]
    is_export: Callable[[Node], bool]
    translate: Callable[[Node, Draft], None]


PRODUCTS: Final[Mapping[str, Product]] = {
    "opsgenie": Product(
        "Opsgenie",
        ("users", "teams", "schedules", "overrides", "escalations"),
        opsgenie.is_export,
        opsgenie.translate,
    ),
    "pagerduty": Product(
        "PagerDuty",
        ("users", "schedules", "escalation_policies"),
        pagerduty.is_export,
        pagerduty.translate,
    ),
    "grafana-oncall": Product(
        "Grafana OnCall",
        (
            "users",
            "personal_notification_rules",
            "teams",
            "on_call_shifts",
            "schedules",
            "escalation_chains",
            "escalation_policies",
        ),
        grafana_oncall.is_export,
        grafana_oncall.translate,
    ),
    "goalert": Product("GoAlert", ("data",), goalert.is_export, goalert.translate),
}
