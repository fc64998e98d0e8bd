"""The log of a function app on this machine, in lines that can be read again (see `receipts`)."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any


class JsonLines(logging.StreamHandler[Any]):
    """The log on standard output, a JSON object a line, with the receipt or request it is about."""

    def __init__(self) -> None:
        super().__init__(sys.stdout)

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["error"] = logging.Formatter().formatException(record.exc_info)
        if receipt := getattr(record, "receipt", None):
            line["receipts"] = [receipt]
        if request := getattr(record, "request", None):
            line["request"] = request
        return json.dumps(line, default=str)
