"""The whole house, for tests that follow events all the way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from infra.local.stack import LocalStack
from infra.local.temporal import Temporal, temporal_view


@dataclass(frozen=True, slots=True)
class House:
    """A running stack, and a view of its Temporal server."""

    stack: LocalStack
    temporal: Temporal


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One house for a module: its Temporal server survives crashes, and nothing ever escalates."""
    state = tmp_path_factory.mktemp("house")
    with (
        LocalStack(state, persistent=True, ack_timeout=3600) as stack,
        temporal_view(stack.temporal.address) as temporal,
    ):
        yield House(stack, temporal)
