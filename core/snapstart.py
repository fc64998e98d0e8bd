"""SnapStart hooks: Lambda snapshots one initialised process per version, and every process of that
version resumes from the snapshot.

So whatever exists before the snapshot is shared by all of them and as old as the version; it has no
connection, no loop and no thread. Whatever is unique to a process is made after the restore.

Source: AWS Lambda, "Lambda SnapStart runtime hooks" for Python.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable


def hooks(prepare: Callable[[], object], resume: Callable[[], object] = lambda: None) -> bool:
    """Have Lambda call `prepare` before the snapshot, whose errors fail the version's publication,
    and after it draw random numbers anew and call `resume`.

    Does nothing and returns False outside SnapStart, whose package is in Lambda's runtime only.
    """
    if os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") != "snap-start":
        return False
    from snapshot_restore_py import (  # type: ignore[import-not-found]
        register_after_restore,
        register_before_snapshot,
    )

    def restored() -> None:
        # Python's random numbers, which spread retries, resume from the snapshot: the same in all
        # processes. IDs come from the operating system and are unique already.
        random.seed()
        resume()

    register_before_snapshot(prepare)
    register_after_restore(restored)
    return True
