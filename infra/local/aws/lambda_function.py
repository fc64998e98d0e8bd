"""A Lambda function as its caller sees it: a handler and its context."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from infra.local.aws.account import function_arn

Handler = Callable[[dict[str, Any], Any], Any]
LATEST = "$LATEST"
_MEMORY_MB = 256


def load_handler(name: str) -> Handler:
    """The handler that `MODULE:FUNCTION` names."""
    module, _, function = name.partition(":")
    handler: Handler = getattr(importlib.import_module(module), function)
    return handler


@dataclass(frozen=True, slots=True)
class LambdaContext:
    """The second argument of a handler, with the attributes of Lambda's own. `deadline` is a time
    of the monotonic clock."""

    function_name: str
    aws_request_id: str
    deadline: float
    function_version: str = LATEST
    memory_limit_in_mb: int = _MEMORY_MB
    identity: None = None
    client_context: None = None

    @property
    def invoked_function_arn(self) -> str:
        version = None if self.function_version == LATEST else self.function_version
        return function_arn(self.function_name, version)

    @property
    def log_group_name(self) -> str:
        return f"/aws/lambda/{self.function_name}"

    @property
    def log_stream_name(self) -> str:
        return "local"

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self.deadline - time.monotonic()) * 1000))
