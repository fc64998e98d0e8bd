"""Grafana's webhook contact point, version "1". Source: Grafana, "Configure webhook notifications".

Alertmanager's shape with Grafana's own fields: `orgId`, and in each alert `values`, `silenceURL`,
`dashboardURL`, `panelURL` and `imageURL`. The addresses are links of the alert. A rule without data
fires as an alert named `DatasourceNoData`, one that cannot be evaluated as `DatasourceError`, each
with its own fingerprint and its rule in the label `rulename`. A contact point may be set to PUT.
"""

from __future__ import annotations

from typing import Final

from core.domain.event import Event
from core.formats.shared.delivery import Delivery, Malformed
from core.formats.shared.format import Format
from core.formats.shared.prometheus import parse_group


def parse(delivery: Delivery) -> list[Event | Malformed]:
    """One event per alert, `Malformed` for one without a key. Raises `InvalidEvent`."""
    return parse_group(delivery, "grafana")


FORMAT: Final = Format(
    parse=parse,
    replicated=True,  # several in high availability
    methods=("POST", "PUT"),
)
