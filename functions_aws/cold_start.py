"""The imports of a cold start, with the garbage collector at rest.

Loading modules makes a great many objects and hardly any garbage, and the collector goes through
all of them again and again: a tenth of the time that a listener takes to load. What is loaded here
stays for the process's life, so it is also taken out of all later collections.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def at_rest() -> Iterator[None]:
    """Within the block nothing is collected, and what is there after it never will be."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


with at_rest():
    import aws_lambda_powertools  # noqa: F401  loaded here, used by others

    import core.adapters.temporal.starter
    import core.bootstrap  # noqa: F401
