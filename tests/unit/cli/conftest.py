"""Terminals in different time zones."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.zones import in_zone


@pytest.fixture
def in_utc() -> Iterator[None]:
    with in_zone("UTC"):
        yield


@pytest.fixture
def in_berlin() -> Iterator[None]:
    with in_zone("Europe/Berlin"):
        yield
