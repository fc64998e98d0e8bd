"""The imports of a cold start, with the garbage collector off.

Loading modules allocates many objects and hardly any garbage, yet the collector scans all of them
again and again: a tenth of a process's load time. What is loaded here lives as long as the
process, so it is also excluded from all later collections.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def at_rest() -> Iterator[None]:
    """Within the block nothing is collected; what exists at its end never will be."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
