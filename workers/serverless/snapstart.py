"""SnapStart hooks: Lambda snapshots one initialised process per version, and every process of that
version resumes from the snapshot.

So whatever exists before the snapshot is shared by all of them and as old as the version: code,
settings, plans, the libraries that pages need; no connection, no loop, no thread. The environment
is in the snapshot too, and with it the addresses of its targets. Whatever is unique to a process is
made after the restore.

Source: AWS Lambda, "Lambda SnapStart runtime hooks" for Python.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable


def hooks(prepare: Callable[[], object]) -> bool:
    """Have Lambda call `prepare` before the snapshot, whose errors fail the version's publication,
    and draw random numbers anew after it.

    Does nothing and returns False outside SnapStart, whose package is in Lambda's runtime only.
    """
    if os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") != "snap-start":
        return False
    from snapshot_restore_py import (  # type: ignore[import-not-found]
        register_after_restore,
        register_before_snapshot,
    )

    register_before_snapshot(prepare)
    # Python's random numbers, which spread retries, resume from the snapshot: the same in all
    # processes. IDs come from the operating system and are unique already.
    register_after_restore(random.seed)
    return True
