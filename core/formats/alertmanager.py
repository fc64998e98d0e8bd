"""Prometheus Alertmanager's webhook, version "4". Source: Prometheus, "Configuration", section
`<webhook_config>`.

The key is the fingerprint: a hash of the alert's labels, the same from firing to resolved, and the
same in both Alertmanagers of a pair. The group it came with (`groupKey`, `groupLabels`, `receiver`)
stays in `data.original`.
"""

from __future__ import annotations

from typing import Final

from core.domain.event import Event
from core.formats.shared.delivery import Delivery, Malformed
from core.formats.shared.format import Format
from core.formats.shared.prometheus import parse_group


def parse(delivery: Delivery) -> list[Event | Malformed]:
    """One event per alert, `Malformed` for one without a key. Raises `InvalidEvent`."""
    return parse_group(delivery, "alertmanager")


FORMAT: Final = Format(parse=parse, replicated=True)  # pairs, and replicas that feed them
