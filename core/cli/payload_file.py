"""Files that people name to a command, read whole."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

from core.errors import ConfigurationError

STANDARD_INPUT: Final = Path("-")
MOST_BYTES: Final = 64 * 1024 * 1024
"""No platform takes a larger message, request or report."""


def name_of(path: Path) -> str:
    """What an upload of the file is called."""
    return "stdin.md" if path == STANDARD_INPUT else path.name


def strerror(error: OSError) -> str:
    """Why the system refused, as people read it."""
    return os.strerror(error.errno).lower() if error.errno else str(error)


def read_payload(path: Path) -> bytes:
    """The file's bytes; `-` is standard input. Raises `ConfigurationError` for what cannot be read
    or is too large."""
    try:
        if path == STANDARD_INPUT:
            body = sys.stdin.buffer.read(MOST_BYTES + 1)
        else:
            with path.open("rb") as file:
                body = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(
            f"cannot read {path}: {strerror(error)}", fix="name a file that you may read"
        ) from error
    if len(body) > MOST_BYTES:
        raise ConfigurationError(
            f"{path} is larger than {MOST_BYTES // 1024 // 1024} MiB, which nothing here takes",
            fix="name a smaller file",
        )
    return body
