"""Settings of the Functions host, read from host.json.

The host passes an invocation neither its start nor its deadline, so the time limit is read from the
file that sets it.
"""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Final

FILE: Final = Path(__file__).parents[1] / "host.json"


def function_timeout(file: Path = FILE) -> timedelta:
    """How long an invocation may take before the host kills the whole process. Raises ValueError
    for a file that sets no limit."""
    limit = json.loads(file.read_text(encoding="utf-8")).get("functionTimeout", "-1")
    if limit == "-1":
        raise ValueError(f"{file} sets no functionTimeout: write one there, like 00:02:00")
    hours, minutes, seconds = (int(part) for part in limit.split(":"))
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)


FUNCTION_TIMEOUT: Final = function_timeout().total_seconds()
"""This app's limit, in seconds."""
