"""Stand-ins for a Lambda handler, for tests of the event source."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any


def note(event: dict[str, Any], context: Any) -> None:
    """Writes each body into the folder NOTES, one file per delivery."""
    for record in event["Records"]:
        count = record["attributes"]["ApproximateReceiveCount"]
        name = f"{record['messageId']}.{count}"
        (Path(os.environ["NOTES"]) / name).write_text(record["body"])


def crash_at_first(event: dict[str, Any], context: Any) -> None:
    """Notes each body, and kills itself at its first delivery."""
    note(event, context)
    if event["Records"][0]["attributes"]["ApproximateReceiveCount"] == "1":
        os.kill(os.getpid(), signal.SIGKILL)
