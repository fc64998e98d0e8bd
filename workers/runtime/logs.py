"""Logs of a worker: one JSON object per line on standard output, with the workflow's ID."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from typing import Any, Final

from pythonjsonlogger.json import JsonFormatter
from temporalio import activity, workflow

from core.domain.printable import to_json

CORE: Final = logging.getLogger("temporalio.core")
"""The SDK's native core logs to this."""

_VERBOSE: Final = ("urllib3", "requests", "azure")
"""Below warnings they log whole URLs, and those of notification channels contain secrets; Azure's
libraries log every call with all its headers."""
_INFO_FIELDS: Final = (
    "workflow_id",
    "run_id",
    "workflow_run_id",
    "workflow_type",
    "activity_type",
    "attempt",
)


def configure(level: str, **fields: str) -> None:
    """Log to standard output as JSON, from `level` up, with these fields in every line."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_Formatter(fields))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in _VERBOSE:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(level)))
    # The IDs are separate fields, so the SDK need not append them to the message.
    workflow.logger.workflow_info_on_message = False
    activity.logger.activity_info_on_message = False


def _serialized(value: object, *, ensure_ascii: bool, **options: Any) -> str:
    """The line as JSON: letters as they are, control characters of senders escaped."""
    return to_json(value, **options)


class _Formatter(JsonFormatter):
    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__(
            "%(levelname)s %(name)s %(message)s",
            rename_fields={"levelname": "level", "name": "logger"},
            timestamp=True,
            static_fields=fields,
            json_serializer=_serialized,
        )

    def add_fields(
        self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]
    ) -> None:
        super().add_fields(log_data, record, message_dict)
        log_data.pop("temporal_log", None)  # its fields are in the message already
        for name in ("temporal_workflow", "temporal_activity"):
            info = log_data.pop(name, None)
            if isinstance(info, dict):
                log_data |= {key: info[key] for key in _INFO_FIELDS if key in info}
