"""The `tidegate` command as a process: it starts without the libraries that it needs, and ends
without a traceback when they are missing.
"""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress
from typing import NoReturn

from core.extras import install_command


def program() -> NoReturn:
    """Run the command as a process of its own, which exits without the interpreter's finalization:
    threads of Temporal's client that still run then can make it abort (SIGABRT) after a success."""
    code: object = 0
    # Azure's SDK logs each way to sign in that failed; the command's own error says it in a line.
    logging.getLogger("azure").addHandler(logging.NullHandler())
    try:
        from core.cli.main import main

        main()
    except SystemExit as ended:
        code = ended.code
    except ModuleNotFoundError as missing:
        install = install_command(missing)
        if install is None:
            raise
        sys.stderr.write(f"MissingLibrary: {missing.name} is not installed\n  next: {install}\n")
        code = 2
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # the reader has closed it
            stream.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))
