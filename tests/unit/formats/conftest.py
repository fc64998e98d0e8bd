"""Every event that a test of a format reads is as the contract says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from core.domain.event import Event
from core.formats import registry
from core.formats.shared.delivery import TRUSTED_HEADER, Delivery
from tests.support.contract import faults

FEW = 20
"""As many of a test's events are looked at: properties make thousands."""


@pytest.fixture(autouse=True)
def every_event_is_as_the_contract_says(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    completed, found = registry._completed, list[Event]()

    def kept(event: Event, delivery: Delivery, *more: Any) -> Event:
        event = completed(event, delivery, *more)
        if len(found) < FEW and _is_made_here(delivery):
            found.append(event)
        return event

    monkeypatch.setattr(registry, "_completed", kept)
    yield
    assert [faults(event.to_wire()) for event in found] == [[]] * len(found)


def _is_made_here(delivery: Delivery) -> bool:
    """Not by a sender that is trusted with types of ours, nor by whoever wrote a stored event."""
    return TRUSTED_HEADER not in delivery.headers and delivery.format not in registry.INTERNAL
