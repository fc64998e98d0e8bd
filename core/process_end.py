"""How a process that has a client of Temporal's ends."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress
from typing import NoReturn


def end_process(code: int) -> NoReturn:
    """Exit with this code, without the interpreter's finalization: threads of the SDK that still
    run then can make it abort (SIGABRT, SIGSEGV) after a success, and the SDK has no way to stop
    them (https://github.com/temporalio/sdk-python/issues/300)."""
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # the reader has closed it
            stream.flush()
    os._exit(code)
