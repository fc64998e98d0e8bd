"""Logs of a worker: one JSON object per line on standard output, each with its workflow's ID."""

from __future__ import annotations

import logging
import sys
from typing import Any, Final

from pythonjsonlogger.json import JsonFormatter
from temporalio import activity, workflow

CORE: Final = logging.getLogger("temporalio.core")
"""What the SDK's native core has to say is forwarded here."""

_TALKATIVE: Final = ("urllib3", "requests", "azure")
"""Below warnings they log whole URLs, and those of notification channels hold secrets; Azure's
libraries log every call with all its headers."""
_KEPT: Final = (
    "workflow_id",
    "run_id",
    "workflow_run_id",
    "workflow_type",
    "activity_type",
    "attempt",
)


def configure(level: str) -> None:
    """Send everything logged from `level` up to standard output, as JSON."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_Formatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(level)))
    # The IDs are fields of their own; the message stays the message.
    workflow.logger.workflow_info_on_message = False
    activity.logger.activity_info_on_message = False


class _Formatter(JsonFormatter):
    def __init__(self) -> None:
        super().__init__(
            "%(levelname)s %(name)s %(message)s",
            rename_fields={"levelname": "level", "name": "logger"},
            timestamp=True,
            json_ensure_ascii=False,
        )

    def add_fields(
        self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]
    ) -> None:
        super().add_fields(log_data, record, message_dict)
        log_data.pop("temporal_log", None)  # its fields are in the message already
        for name in ("temporal_workflow", "temporal_activity"):
            info = log_data.pop(name, None)
            if isinstance(info, dict):
                log_data |= {key: info[key] for key in _KEPT if key in info}
