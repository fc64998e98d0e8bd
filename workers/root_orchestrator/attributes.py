"""Whether the namespace has a child's search attributes.

Asked in an activity, before the child is started: Temporal refuses a start with others by failing
the workflow task, again and again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

from temporalio.client import Client

from core.adapters.temporal import admin
from core.domain.routing.table import ATTRIBUTE_TYPES, Target
from core.errors import InvalidOption, TidegateError

_KEPT: Final = 60.0
"""Seconds for which an answer counts. One that lacks an attribute does not: it may be new."""

log = logging.getLogger("tidegate.worker")


class KnownAttributes:
    """The search attributes of the namespace, as far as this process knows."""

    def __init__(self) -> None:
        self._types: dict[str, str] = {}
        self._read_at = float("-inf")

    async def check(self, client: Callable[[], Client], target: Target) -> None:
        """Raises `InvalidOption` for a target with a search attribute that the namespace does not
        have, or has with another type, and `TemporalUnavailable`. Where this worker may not ask,
        every attribute counts as known."""
        set_by_route = (target.options.search_attributes if target.options else None) or {}
        wanted = {
            name: ATTRIBUTE_TYPES[kind] for name, value in set_by_route.items() for kind in value
        }
        if not wanted or (self._has(wanted) and time.monotonic() < self._read_at + _KEPT):
            return
        try:
            self._types = await admin.search_attributes(client())
        except TidegateError as error:
            if not admin.may_not_list(error):
                raise
            log.warning("cannot ask for the namespace's search attributes, continuing: %s", error)
            return
        self._read_at = time.monotonic()
        for name, kind in wanted.items():
            if (known := self._types.get(name)) != kind:
                has = f"has it as {known}" if known else "does not have it"
                raise InvalidOption(
                    f"child {target.id} of route {target.route}: search attribute {name} of type "
                    f"{kind}: the namespace {has}"
                )

    def _has(self, wanted: dict[str, str]) -> bool:
        return wanted.items() <= self._types.items()
