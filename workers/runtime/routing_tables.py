"""Whether a listener and this worker were given the same routing table.

Runs in activities: workflows know no metrics.
"""

from __future__ import annotations

import logging
from typing import Final

from temporalio import activity

MISMATCHES: Final = "tidegate_routing_table_mismatches"
_SHOWN_CHARS: Final = 20

log = logging.getLogger("tidegate.worker")


def compare(theirs: object, own: str) -> None:
    """Log and count it when the listener was given another routing table: what each of them decides
    may then differ. `theirs` is what an event says of it, and None where it says nothing."""
    if theirs in (None, own):
        return
    known = str(theirs)[:_SHOWN_CHARS]
    log.warning("routing tables differ: the listener has %s, this worker %s", known, own)
    activity.metric_meter().create_counter(
        MISMATCHES, "events that a listener with another routing table sent"
    ).add(1)
