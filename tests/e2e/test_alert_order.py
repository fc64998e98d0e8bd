"""Alerts by every way, in every order, repeated, with workers that die in between: at the end each
incident is what the last word of its source says.

The words about each alert are spread over waves of delivery. Between two waves a worker is killed
or stopped, and it stays away for a wave.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from datetime import timedelta
from typing import Final

import pytest
from temporalio.service import RPCError

from core.contracts import INCIDENT_WORKER, ROOT_WORKER
from infra.local.cloud import QUARANTINE
from infra.local.processes import LocalStackError, wait_until
from tests.e2e.conftest import running_in
from tests.support.alerts import (
    Faults,
    Story,
    Way,
    Ways,
    Word,
    every_order,
    look,
    now,
    outage,
    sending,
)
from tests.support.soak import SOAKING

pytestmark = [pytest.mark.slow, pytest.mark.soak]

PATIENCE: Final = 600.0 if SOAKING else 120.0
SETTLE: Final = 2.0
POLICIES: Final = f"""
version: 1
targets:
  on-call: {{url_env: TIDEGATE_PAGE_URLS}}
policies:
  - name: default
    settle: {SETTLE:g}s
    levels:
      - after: 0s
        targets: [on-call]
"""
UNORDERED: Final[tuple[Way, ...]] = ("webhook", "sqs", "fifo", "service-bus")
"""Ways by which a source with times is delivered in any order."""

ALERTS: Final = 1_000 if SOAKING else 60
IN_ORDER: Final = 5
"""One alert in so many comes by a way that keeps the order, from a source that needs it."""

WAVES: Final = (
    None,
    (INCIDENT_WORKER.name, "kill"),
    (ROOT_WORKER.name, "kill"),
    (INCIDENT_WORKER.name, "stop"),
    (ROOT_WORKER.name, "stop"),
    None,
)
"""Which worker is stopped during each wave, and how."""


@pytest.fixture(scope="module")
def ways(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ways]:
    folder = tmp_path_factory.mktemp("order")
    policies = folder / "policies.yaml"
    policies.write_text(POLICIES)
    with (
        running_in(folder / "stack", settings={"TIDEGATE_POLICIES": str(policies)}) as harness,
        sending(harness.stack, harness.temporal) as ways,
    ):
        yield ways


def every_story(count: int) -> list[Story]:
    """Alerts of every way, each with an outage in one of all orders, some words of it twice. The
    same for each run but for the keys."""
    chance = random.Random(22)  # noqa: S311  no secret
    orders = every_order()
    chance.shuffle(orders)
    begin = now() - timedelta(hours=3)
    run = uuid.uuid4().hex[:6]
    stories = []
    for place in range(count):
        key = f"alert-{run}-{place:04}"
        if place % IN_ORDER == 0:
            stories.append(_in_order(key, place // IN_ORDER))
            continue
        way = UNORDERED[place % len(UNORDERED)]
        number, order = orders[place % len(orders)]
        words = outage(number, begin)
        spoken = [words[index] for index in order]
        spoken += chance.choices(spoken, k=chance.randrange(3))
        firings = sum(word.firing for word in words)
        stories.append(Story(key, way, tuple(spoken), fires=words[-1].firing, firings=firings))
    return stories


def _in_order(key: str, place: int) -> Story:
    """An alert whose source is believed as it speaks: one without times by FIFO, or replicas that
    say the same start again."""
    number = 2 + place // 2 % 3
    fires = bool(number % 2)
    if place % 2:
        words = tuple(Word(firing=not n % 2) for n in range(number))
        return Story(key, "fifo", words, fires=fires, firings=sum(word.firing for word in words))
    began = now() - timedelta(hours=1)
    firing, resolved = outage(2, began)
    words = (firing, resolved, firing, resolved)[:number]
    return Story(
        key, "alertmanager", words, fires=fires, firings=sum(word.firing for word in words)
    )


def spread(stories: Sequence[Story], waves: int) -> list[list[list[Word]]]:
    """For each wave the words about each alert, which keep their order over the waves."""
    chance = random.Random(10)  # noqa: S311  no secret
    found: list[list[list[Word]]] = [[[] for _ in stories] for _ in range(waves)]
    for place, one in enumerate(stories):
        for wave, word in zip(
            sorted(chance.choices(range(waves), k=len(one.words))), one.words, strict=True
        ):
            found[wave][place].append(word)
    return found


def test_each_incident_is_what_the_last_word_of_its_source_says(ways: Ways) -> None:
    stories = every_story(ALERTS)
    for event, words in zip(WAVES, spread(stories, len(WAVES)), strict=True):
        with away(ways, *event) if event else nullcontext():
            ways.tell_all(stories, words)

    wait_until(ways.drained, PATIENCE, "the queues to be empty")
    assert_right(ways, stories)
    assert ways.stack.cloud.keys(QUARANTINE) == []
    assert ways.stack.cloud.dead_lettered() == 0


@contextmanager
def away(ways: Ways, name: str, how: str) -> Iterator[None]:
    """A worker is killed, or stopped, and comes back after the block; nobody waits for it."""
    worker = ways.stack.processes[name]
    worker.kill() if how == "kill" else worker.stop()
    yield
    worker.start()


def assert_right(ways: Ways, stories: Sequence[Story]) -> None:
    """Wait until each incident is what it should be."""
    found: Faults | str = ""

    def right() -> bool:
        nonlocal found
        try:
            found = look(ways, stories)
        except RPCError as error:  # a worker is on its way back
            found = str(error)
        return not found

    with suppress(LocalStackError):
        wait_until(right, PATIENCE, "each incident to be what it should be")
    assert not found


def test_the_stories_are_of_every_way_and_every_order() -> None:
    """What is sampled is what the whole matrix has, only less often."""
    stories = every_story(60)
    assert {one.way for one in stories} == {*UNORDERED, "alertmanager"}
    for way in UNORDERED:
        assert len({(one.words, one.fires) for one in stories if one.way == way}) > 8
    assert {one.fires for one in stories} == {True, False}
