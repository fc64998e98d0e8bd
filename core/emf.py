"""Metrics of a function as lines of its log, which CloudWatch reads as values, without a call.

Source: Amazon CloudWatch, "Specification: Embedded metric format".
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

NAMESPACE: Final = "Tidegate"
SERVICE: Final = os.environ.get("POWERTOOLS_SERVICE_NAME") or "tidegate"
"""A dimension of every metric: it tells installations apart where an account has several."""

Unit = Literal["Count", "Milliseconds", "Seconds"]
Values = Mapping[str, tuple[float | Sequence[float], Unit]]
"""One value of each metric, or several."""


def emit(values: Values, *, by: Mapping[str, str] | None = None, **fields: Any) -> None:
    """Write the line of these values to standard output, which is the function's log."""
    sys.stdout.write(f"{line(values, by=by, **fields)}\n")


def line(values: Values, *, by: Mapping[str, str] | None = None, **fields: Any) -> str:
    """The line of these values, a JSON object. `by` are dimensions besides the service; `fields`
    are for whoever reads the log."""
    dimensions = {**(by or {}), "service": SERVICE}
    metrics = [{"Name": name, "Unit": unit} for name, (_, unit) in values.items()]
    directive = {"Namespace": NAMESPACE, "Dimensions": [list(dimensions)], "Metrics": metrics}
    return json.dumps(
        {
            "_aws": {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [directive]},
            **dimensions,
            **fields,
            **{name: value for name, (value, _) in values.items()},
        }
    )
