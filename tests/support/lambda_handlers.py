"""Handlers of Lambda functions that do one thing each, for tests of what invokes them."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any


def describe(event: Any, context: Any) -> None:
    """Print what the function sees of its invocation."""
    seen = {
        "event": event,
        "id": context.aws_request_id,
        "arn": context.invoked_function_arn,
        "memory": context.memory_limit_in_mb,
        "left_ms": context.get_remaining_time_in_millis(),
        "variable": os.environ.get("VARIABLE"),
    }
    sys.stdout.write(f"SEEN {json.dumps(seen)}\n")


def fail(event: Any, context: Any) -> None:
    raise ValueError("this handler fails")


def hang(event: Any, context: Any) -> None:
    while True:
        time.sleep(60)
