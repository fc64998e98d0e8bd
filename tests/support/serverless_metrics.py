"""The metrics that the functions of serverless workers write, as CloudWatch would read them."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from core.adapters.temporal.admin import Backlog
from core.contracts import ROOT_TASK_QUEUE
from workers.serverless import metrics, watch
from workers.serverless.slots import Work


@dataclass(frozen=True, slots=True)
class Metric:
    """By which an alarm finds it."""

    namespace: str
    name: str
    dimensions: frozenset[tuple[str, str]]


def _an_invocation() -> None:
    metrics.emit(Work(), seconds=1.0, cold=True, request_id="1")


def _a_look() -> None:
    watch.emit({ROOT_TASK_QUEUE: Backlog(0, timedelta())}, unreachable=0)


EMITTERS: Final[Mapping[str, Callable[[], None]]] = {"Workers": _an_invocation, "Watch": _a_look}
"""What writes metrics, by the function's logical ID in the template."""


def emitted_by(function: str) -> set[Metric]:
    """The metrics of one of `EMITTERS`, in this process's environment."""
    out = io.StringIO()
    with redirect_stdout(out):
        EMITTERS[function]()
    [line] = map(json.loads, out.getvalue().splitlines())
    found = set()
    for directive in line["_aws"]["CloudWatchMetrics"]:
        for names in directive["Dimensions"]:
            dimensions = frozenset((name, str(line[name])) for name in names)
            for metric in directive["Metrics"]:
                assert isinstance(line[metric["Name"]], int | float)
                found.add(Metric(directive["Namespace"], metric["Name"], dimensions))
    return found
