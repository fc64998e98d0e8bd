"""The function cannot be called: nothing is lost, and everything is done when it can be called
again. Docs/workers.md says how long that takes."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import get_args

import pytest

from tests.support.faulty_lambda import Fault
from tests.support.sleepers import LOOKED_AFTER, Sleepers, end, unique, until
from tests.support.soak import SOAKING, sampled

pytestmark = pytest.mark.slow
log = logging.getLogger(__name__)

FAULTS: tuple[Fault, ...] = get_args(Fault)
OUTAGE = 30.0
"""Seconds; a sample is as short as the call that fails, which the server retries immediately."""


@pytest.mark.soak
@pytest.mark.parametrize("fault", sampled(FAULTS, ["throttled"]))
async def test_what_waits_while_the_function_cannot_be_called_is_done_afterwards(
    sleepers: Sleepers, fault: Fault
) -> None:
    client, endpoint = await sleepers.client(), sleepers.up.endpoint
    names = [unique(fault) for _ in range(3 if SOAKING else 1)]
    await sleepers.asleep()
    with endpoint.failing(fault):
        refused = endpoint.refused
        handles = [await sleepers.alert(client, name) for name in names]
        await until(lambda: endpoint.refused > refused, "a call that fails")
        await asyncio.sleep(OUTAGE if SOAKING else 0)
        assert not any(sleepers.pages(name) for name in names)
    back = time.monotonic()
    for name in names:
        await sleepers.paged(name, patience=LOOKED_AFTER)
    log.info("%s: everything was done %.1f s after the end", fault, time.monotonic() - back)
    for handle in handles:
        await end(handle)
    assert [len(sleepers.pages(name)) for name in names] == [1] * len(names)


async def test_a_call_that_was_accepted_and_never_run_is_made_good_by_the_next(
    sleepers: Sleepers,
) -> None:
    client, endpoint = await sleepers.client(), sleepers.up.endpoint
    lost, following = unique("lost"), unique("following")
    await sleepers.asleep()
    with endpoint.failing("silent"):
        refused = endpoint.refused
        first = await sleepers.alert(client, lost)
        await until(lambda: endpoint.refused > refused, "the call that is lost")
    await asyncio.sleep(1)  # the server calls at most twice a second
    second = await sleepers.alert(client, following)
    for name in (lost, following):
        await sleepers.paged(name)
    for handle in (first, second):
        await end(handle)
    assert [len(sleepers.pages(name)) for name in (lost, following)] == [1, 1]
