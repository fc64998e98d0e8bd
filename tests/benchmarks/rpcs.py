"""RPCs: how many calls Temporal receives per event, counted on the wire.

Afterwards there are as many workflows as calls, so each call was a start.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from infra.local.processes import wait_until
from infra.local.temporal import temporal_view
from tests.benchmarks.figures import Figure
from tests.benchmarks.harness import (
    batch,
    context,
    lambda_environment,
    notification,
    servers,
    settled,
)
from tests.support.grpc_proxy import Proxy, counted


def measure(folder: Path, *, quick: bool) -> list[Figure]:
    """Calls per event once the client is connected, and the calls to connect."""
    from functions_aws.s3_listener import handler

    count = 20 if quick else 100
    with servers(folder) as (_, server), Proxy(server.address) as proxy:
        os.environ.update(lambda_environment(folder, proxy.address))
        with counted(proxy) as connecting:
            settled(handler(batch([notification()]), context()))
        singles = [batch([notification()]) for _ in range(count)]
        with counted(proxy) as alone:
            for event in singles:
                settled(handler(event, context()))
        many = batch([notification() for _ in range(count)])
        with counted(proxy) as together:
            settled(handler(many, context()))
        with temporal_view(server.address) as view:
            wait_until(
                lambda: len(view.list()) == 2 * count + 1, 30, "every event to be a workflow"
            )
        with counted(proxy) as duplicates:
            settled(handler(many, context()))
    return [
        _exactly_one("one by one", alone, count),
        _exactly_one(f"a batch of {count}", together, count),
        _exactly_one("duplicates", duplicates, count),
        Figure(
            what="to connect, once",
            against="",
            unit="calls",
            ours=connecting[0] - 1,
            samples=1,
        ),
    ]


def _exactly_one(what: str, calls: list[int], count: int) -> Figure:
    per_event: Any = calls[0] / count
    return Figure(
        what=what,
        against="",
        unit="per event",
        ours=per_event,
        at_most=1.0,
        at_least=1.0,
        samples=count,
    )
