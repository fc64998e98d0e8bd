"""Packaging for Lambda, as by `sam build`, for this interpreter."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

from infra.local.processes import ROOT, program


def package(
    folder: Path, target: str = "build-S3Listener", **variables: str
) -> subprocess.CompletedProcess[str]:
    """Runs `functions_aws/Makefile` for a folder."""
    given = {
        "ARTIFACTS_DIR": str(folder),
        "ARCHITECTURE": "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64",
        "PYTHON_VERSION": f"{sys.version_info.major}.{sys.version_info.minor}",
        "PYTHON": sys.executable,
        "UV": str(program("uv")),
    } | variables
    return subprocess.run(
        ["make", "-f", "functions_aws/Makefile", target, *(f"{k}={v}" for k, v in given.items())],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
