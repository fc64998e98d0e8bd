"""Any sender, by a mapping that the operator describes in `webhooks.yaml` or takes from a preset
(docs/webhooks.md, "A sender of your own")."""

from __future__ import annotations

from typing import Final

from core.domain.event import Event
from core.errors import InvalidEvent
from core.formats.shared.delivery import Delivery, Malformed
from core.formats.shared.format import Format


def parse(delivery: Delivery) -> list[Event | Malformed]:
    """One event per alert, `Malformed` for one that the mapping cannot read. Raises
    `InvalidEvent`."""
    if delivery.mapping is None:
        raise InvalidEvent(
            "nothing says how to read it: its webhook has no mapping any more",
            fix="describe the mapping in the file that TIDEGATE_WEBHOOKS names, and replay it",
        )
    return delivery.mapping.read(delivery)


# Whatever else fails is kept as it came.
FORMAT: Final = Format(parse=parse, timed=True, media_types=("*/*",))
