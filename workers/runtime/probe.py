"""A worker's own question to itself, for platforms that ask by running a command in the container.

    python -m workers.runtime.probe [PATH]

Asks PATH, /healthz unless another is named, at TIDEGATE_HEALTH_ADDRESS. Ends with 0 when the answer
is 200, else with 1 and the reason. Image and task definitions name it as their health check.
"""

from __future__ import annotations

import sys
import urllib.request

from core.config.settings import Settings
from core.errors import SettingsError

_PATIENCE = 4.0
"""Seconds; the image's health check gives up after five."""


def main(path: str = "/healthz") -> str | None:
    """Why the worker is not well, or None. No proxy is asked: it is this very container."""
    try:
        address = Settings.from_env().health_address
    except SettingsError as error:
        return str(error)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://{address}{path}", timeout=_PATIENCE):
            return None
    except OSError as error:
        return f"http://{address}{path}: {error}"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
