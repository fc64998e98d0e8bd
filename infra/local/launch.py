"""Starts a command that cannot outlive whoever started it. Run as a file, never imported.

    python launch.py PARENT_PID COMMAND [ARGUMENT ...]

Linux lets a process ask to be killed when its parent dies, whatever the parent died of; only the
process itself can ask, so it asks here and then becomes the command. Other systems have no such
request: there the command simply runs, and a parent that is killed with SIGKILL leaves it behind.

A file of its own, and the standard library only, because it runs before every child: with
`python -I -S` it costs some 20 ms.
"""

from __future__ import annotations

import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def _die_with(parent: int) -> None:
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    # The parent may have died between the fork and the request; then nobody will tell us.
    if os.getppid() != parent:
        sys.exit(1)


def main() -> None:
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        _die_with(parent)
    try:
        os.execvp(command[0], command)  # noqa: S606
    except OSError as error:
        sys.exit(f"cannot run {command[0]}: {error.strerror}")


if __name__ == "__main__":
    main()
