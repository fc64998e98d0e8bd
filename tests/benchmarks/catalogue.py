"""Every benchmark by its name."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Final, Protocol

from tests.benchmarks.figures import Figure


class Benchmark(Protocol):
    """Measures in a scratch folder of its own. Raises when it cannot run."""

    def __call__(self, folder: Path, *, quick: bool) -> list[Figure]: ...


BENCHMARKS: Final = {
    "edge": "tests.benchmarks.edge:measure_edge",
    "batch": "tests.benchmarks.edge:measure_batch",
    "start-up": "tests.benchmarks.start_up:measure",
    "cold-start": "tests.benchmarks.cold_start:measure",
    "app-start": "tests.benchmarks.cold_start:measure_app",
    "worker-start": "tests.benchmarks.worker_start:measure",
    "webhook": "tests.benchmarks.webhooks:measure",
    "gateway": "tests.benchmarks.webhooks:measure_gateway",
    "rpcs": "tests.benchmarks.rpcs:measure",
    "deliver": "tests.benchmarks.deliver:measure",
    "alert": "tests.benchmarks.deliver:measure_open",
    "end-to-end": "tests.benchmarks.end_to_end:measure",
    "incidents": "tests.benchmarks.incidents:measure",
    "links": "tests.benchmarks.links:measure",
    "console": "tests.benchmarks.console:measure",
    "wake": "tests.benchmarks.serverless:measure_wakes",
    "billed": "tests.benchmarks.serverless:measure_billed",
    "on-call": "tests.benchmarks.oncall:measure",
    "heartbeats": "tests.benchmarks.heartbeats:measure",
    "many-heartbeats": "tests.benchmarks.heartbeats:measure_many",
    "documents": "tests.benchmarks.documents:measure",
}


def load(name: str) -> Benchmark:
    module, _, function = BENCHMARKS[name].partition(":")
    found: Callable[..., list[Figure]] = getattr(import_module(module), function)
    return found
