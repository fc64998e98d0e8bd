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

LINK_KEYS: Final = {
    "TIDEGATE_LINK_KEYS": "env:LOCAL_LINK_KEY",
    "LOCAL_LINK_KEY": "a-key-of-links-that-lead-to-this-machine-only",
}
"""The key that signs the links in pages of the stack."""

SLACK: Final = {
    "TIDEGATE_SLACK_SIGNING_SECRET": "env:LOCAL_SLACK_SIGNING_SECRET",
    "TIDEGATE_SLACK_TEAM": "T0LOCAL",
    "LOCAL_SLACK_SIGNING_SECRET": "a-signing-secret-of-this-machine-only",
    "LOCAL_SLACK_TOKEN": "xoxb-local",
}
"""The secrets and the workspace of the stack's own Slack, see `slack`."""

ACCOUNTS: Final = ("AWS_", "AZURE_", "IDENTITY_", "TEMPORAL_", "POWERTOOLS_", "OTEL_")
"""How variables begin that lead to somebody's account or server."""
_FOREIGN: Final = (*ACCOUNTS, "TIDEGATE_")
_SAFE_PATH: Final = "PYTHONSAFEPATH"
"""With it `python -m` finds no module in its working folder, where those of an installation are."""


def is_foreign(name: str) -> bool:
    """Whether no process of a stack inherits this variable from the caller."""
    return name.startswith(_FOREIGN)


def outside_environment() -> dict[str, str]:
    """The caller's environment without the settings that lead to somebody's account or server, and
    without Tidegate's own: what a stack takes of these is in `caller`. Each process finds its
    module."""
    env = {name: text for name, text in os.environ.items() if not is_foreign(name)}
    env.pop(_SAFE_PATH, None)
    local = "127.0.0.1,localhost"
    return {**env, "PYTHONUNBUFFERED": "1", "NO_PROXY": local, "no_proxy": local}
