"""Metrics of a function: lines of its log that CloudWatch reads as values, without a call.

Source: Amazon CloudWatch, "Specification: Embedded metric format".
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from typing import Any, Final, Literal

NAMESPACE: Final = "Tidegate"

Unit = Literal["Count", "Seconds", "Percent"]


def emit(values: Mapping[str, tuple[float, Unit]], **fields: Any) -> None:
    """Write one value of each metric, with `fields` for whoever reads the log. The dimension
    `service` tells installations apart where an account has several."""
    metrics = [{"Name": name, "Unit": unit} for name, (_, unit) in values.items()]
    directive = {"Namespace": NAMESPACE, "Dimensions": [["service"]], "Metrics": metrics}
    document = {
        "_aws": {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [directive]},
        "service": os.environ.get("POWERTOOLS_SERVICE_NAME") or "tidegate",
        **fields,
        **{name: value for name, (value, _) in values.items()},
    }
    sys.stdout.write(f"{json.dumps(document)}\n")
