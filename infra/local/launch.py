"""Runs a command that cannot outlive its parent. Run as a file, never imported.

    python launch.py PARENT_PID COMMAND [ARGUMENT ...]

Linux lets a process request to be killed when its parent dies, for whatever reason; only the
process itself can request it, so it does so here and then becomes the command. On other systems the
command simply runs, and a parent that is killed with SIGKILL leaves it behind.

It runs before every child, so it is a file of its own and uses the standard library only: with
`python -I -S` it takes some 20 ms.
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
    # The parent may have died between the fork and the request.
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
