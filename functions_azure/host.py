"""The Functions host's own file, host.json: what of it the functions must know.

The host tells an invocation neither when it began nor when it must end, so the limit that the file
sets is read from there, and stands in one place.
"""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Final

FILE: Final = Path(__file__).parents[1] / "host.json"


def function_timeout(file: Path = FILE) -> timedelta:
    """How long an invocation may take before the host ends it, and the whole process with it.
    Raises ValueError for a file that sets no limit."""
    limit = json.loads(file.read_text(encoding="utf-8")).get("functionTimeout", "-1")
    if limit == "-1":
        raise ValueError(f"{file} sets no functionTimeout: write one there, like 00:02:00")
    hours, minutes, seconds = (int(part) for part in limit.split(":"))
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)


FUNCTION_TIMEOUT: Final = function_timeout().total_seconds()
"""The same in seconds, for this process."""
