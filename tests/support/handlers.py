"""Stand-ins for a Lambda function, for tests of what runs it."""

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
    """Notes what it gets; dies by SIGKILL the first time it gets it."""
    note(event, context)
    if event["Records"][0]["attributes"]["ApproximateReceiveCount"] == "1":
        os.kill(os.getpid(), signal.SIGKILL)
