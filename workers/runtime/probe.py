"""The health check of a worker, for platforms that run a command in the container.

    python -m workers.runtime.probe [PATH]

Requests PATH (default: /healthz) at TIDEGATE_HEALTH_ADDRESS. Exits with 0 when the response is 200,
otherwise with 1 and the reason. The image and the task definitions use it.
"""

from __future__ import annotations

import sys
import urllib.request

from core.config.settings import Settings
from core.errors import SettingsError

_TIMEOUT = 4.0
"""Seconds; the image's health check times out after five."""


def main(path: str = "/healthz") -> str | None:
    """Why the worker is unhealthy, or None. Uses no proxy: the worker is in this container."""
    try:
        address = Settings.from_env().health_address
    except SettingsError as error:
        return str(error)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://{address}{path}", timeout=_TIMEOUT):
            return None
    except OSError as error:
        return f"http://{address}{path}: {error}"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
