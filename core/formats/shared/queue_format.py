"""Which format a queue's messages have, where the operator gave it one.

A queue that has none holds messages of users' own. How the operator names queues and formats is in
docs/events.md, "Alerts in queues".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.formats.registry import EXTERNAL, MAPPED
from core.formats.shared.delivery import PRESET_HEADER, RECEIVED_HEADER

if TYPE_CHECKING:
    from core.formats.mapping.mapping import AlertMapping


@dataclass(frozen=True, slots=True)
class QueueFormat:
    """A format, with its `preset` and the preset's mapping where that is `mapped`."""

    format: str
    preset: str | None = None
    mapping: AlertMapping | None = None

    def headers(self, received: str) -> dict[str, str]:
        """What the format needs to know of a delivery, received at this time (RFC 3339)."""
        return {PRESET_HEADER: self.preset, RECEIVED_HEADER: received} if self.preset else {}


def queue_format(text: str, mapping_of: Callable[[str], AlertMapping]) -> QueueFormat:
    """The format that `NAME` or `mapped:PRESET` names. Raises `ValueError`, which quotes nothing
    that may be a secret by mistake. `mapping_of` returns a preset's mapping, or raises the same."""
    name, colon, preset = text.partition(":")
    if name not in EXTERNAL:
        raise ValueError(f"there is no such format; {_instead(name)}")
    if name != MAPPED:
        if colon:
            raise ValueError(f"{name} takes no preset; only {MAPPED} does")
        return QueueFormat(name)
    if not preset:
        raise ValueError(f"{MAPPED} needs a preset, as in {MAPPED}:zabbix")
    return QueueFormat(name, preset, mapping_of(preset))


def _instead(name: str) -> str:
    from difflib import get_close_matches  # only a mistake needs it

    close = get_close_matches(name, EXTERNAL, n=1)
    return f"did you mean {close[0]}?" if close else f"there are {', '.join(sorted(EXTERNAL))}"
