"""The environment of a stack's processes: the caller's, without its real accounts and servers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

WEBHOOKS: Final = Path(__file__).with_name("webhooks.yaml")
"""The endpoints of the local stack, where TIDEGATE_WEBHOOKS names no others."""

HOOK_SECRETS: Final = {
    "LOCAL_HOOK_TOKEN": "local-token",
    "LOCAL_HOOK_SECRET": "whsec_bG9jYWwtc2VjcmV0LW9ubHktZm9yLXRoaXMtbWFjaGluZQ==",
    "LOCAL_HOOK_LOGIN": "local:local-token",
}
"""Secrets of these endpoints, which are reachable from this machine only."""

_FOREIGN = ("AWS_", "AZURE_", "IDENTITY_", "TEMPORAL_", "TIDEGATE_", "POWERTOOLS_", "OTEL_")
_KEPT = ("TIDEGATE_ROUTES", "TIDEGATE_WEBHOOKS", "TIDEGATE_QUEUE_FORMATS", "TIDEGATE_LOG_LEVEL")
_FILES = ("TIDEGATE_ROUTES", "TIDEGATE_WEBHOOKS")


def outside_environment() -> dict[str, str]:
    """The caller's environment without the settings that lead to somebody's account or server."""
    env = {name: text for name, text in os.environ.items() if not name.startswith(_FOREIGN)}
    env |= {name: os.environ[name] for name in _KEPT if name in os.environ}
    for name in _FILES:
        if file := env.get(name):
            env[name] = str(Path(file).resolve())  # children have another working folder
    local = "127.0.0.1,localhost"
    return {**env, "PYTHONUNBUFFERED": "1", "NO_PROXY": local, "no_proxy": local}
