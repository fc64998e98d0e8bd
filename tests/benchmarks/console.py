"""The console's list with 2,000 open incidents: how long until its first byte, and how large it is.

No worker runs: the incidents are workflows that have published what one would. The baseline is the
smallest page of the console, which asks Temporal nothing.
"""

from __future__ import annotations

import asyncio
import http.client
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import cycle, islice
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from temporalio.client import Client
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes

from core.adapters.temporal.connection import data_converter
from core.contracts import (
    ACKNOWLEDGED_MEMO,
    INCIDENT_ID_ATTRIBUTE,
    INCIDENT_WORKFLOW,
    SERVICE_ATTRIBUTE,
    SEVERITY_ATTRIBUTE,
    STATUS_ATTRIBUTE,
    TITLE_MEMO,
)
from core.domain.severity import Severity
from infra.local.application import start_application
from infra.local.environment import LINK_KEYS, outside_environment
from infra.local.processes import wait_until
from tests.benchmarks.figures import Figure, alone, compare, take_turns
from tests.benchmarks.harness import lambda_environment, servers

_TOGETHER: Final = 50
_TITLE: Final = (
    "p99 of POST /checkout has been above 8 s in eu-west-1 for more than ten minutes, {}"
)


def measure(folder: Path, *, quick: bool) -> list[Figure]:
    rounds, count = (20, 500) if quick else (100, 2000)
    with servers(folder) as (processes, server), asyncio.Runner() as runner:
        env = outside_environment() | lambda_environment(folder, server.address) | LINK_KEYS
        application = start_application(processes, env)
        application.wait("/healthz")
        runner.run(_publish(server.address, count))
        address = urlsplit(application.url)
        connection = http.client.HTTPConnection(address.hostname or "", address.port or 0)

        def asked(path: str, status: int) -> tuple[float, bytes]:
            begun = time.perf_counter()
            connection.request("GET", path)
            answer = connection.getresponse()
            first = answer.read(1)
            took = (time.perf_counter() - begun) * 1000
            body = first + answer.read()
            if answer.status != status:
                raise RuntimeError(f"{path}: {answer.status}: {body.decode()}")
            return took, body

        def timed(path: str, status: int = 200) -> Callable[[], float]:
            return lambda: asked(path, status)[0]

        def listed() -> bool:
            return f"{count:,} unresolved".encode() in asked("/console/incidents", 200)[1]

        wait_until(listed, 60, "the incidents to be listed")
        size = len(asked("/console/incidents", 200)[1])
        samples = take_turns(
            {"list": timed("/console/incidents"), "bare": timed("/console/nothing", 404)}, rounds
        )
        connection.close()
    what = f"the list of {count:,} incidents"
    return [
        alone(f"{what}, to its first byte, p50", samples["list"], unit="ms", at_most=300),
        compare(
            f"{what}, to its first byte",
            samples["list"],
            samples["bare"],
            against="a page that asks Temporal nothing",
            unit="ms",
        ),
        alone(f"{what}, its size", [size / 1000], unit="kB", at_most=200),
    ]


async def _publish(address: str, count: int) -> None:
    """Start so many workflows that look like open incidents."""
    client = await Client.connect(address, data_converter=data_converter())
    severities = list(islice(cycle(Severity), count))

    async def one(number: int) -> None:
        began = datetime.now(UTC) - timedelta(seconds=number)
        key = f"alert:checkout/{number:05}"
        acknowledged = number % 3 == 0
        attributes = {
            STATUS_ATTRIBUTE: "acknowledged" if acknowledged else "open",
            SEVERITY_ATTRIBUTE: severities[number].value,
            SERVICE_ATTRIBUTE: f"service-{number % 20}",
            INCIDENT_ID_ATTRIBUTE: f"{key}@{began:%Y%m%dT%H%M%S}.000Z",
        }
        await client.start_workflow(
            INCIDENT_WORKFLOW,
            id=key,
            task_queue="nobody",
            search_attributes=TypedSearchAttributes(
                [
                    SearchAttributePair(SearchAttributeKey.for_keyword(name), value)
                    for name, value in attributes.items()
                ]
            ),
            memo={
                TITLE_MEMO: _TITLE.format(number),
                **({ACKNOWLEDGED_MEMO: "ana@example.com"} if acknowledged else {}),
            },
        )

    for first in range(0, count, _TOGETHER):
        await asyncio.gather(*map(one, range(first, min(first + _TOGETHER, count))))
