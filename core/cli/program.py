"""The `tidegate` command as a process: it starts without the libraries that it needs, and ends
without a traceback when they are missing.
"""

from __future__ import annotations

import logging
import sys
from typing import Final, NoReturn

from core.extras import install_command
from core.process_end import end_process

_INTERRUPTED: Final = 130
"""As `core.cli.console.EXIT_INTERRUPTED`, which may not be loaded yet."""


def program() -> NoReturn:
    """Run the command as a process of its own."""
    code: object = 0
    # Azure's SDK logs each way to sign in that failed; the command's own error says it in a line.
    logging.getLogger("azure").addHandler(logging.NullHandler())
    try:
        from core.cli.main import main

        main()
    except SystemExit as ended:
        code = ended.code
    except KeyboardInterrupt:  # while the command's own modules are loaded
        code = _INTERRUPTED
    except ModuleNotFoundError as missing:
        install = install_command(missing)
        if install is None:
            raise
        sys.stderr.write(f"MissingLibrary: {missing.name} is not installed\n  next: {install}\n")
        code = 2
    end_process(code if isinstance(code, int) else int(code is not None))
