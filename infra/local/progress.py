"""What a stack says while it starts: a line for each step, with the time it took."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from rich.console import Console
from rich.markup import escape

Step = Callable[[str], AbstractContextManager[Any]]
"""Wraps a step, by its name."""


def silent(what: str) -> AbstractContextManager[Any]:
    """A step that nobody reads about."""
    return nullcontext()


def shown_on(console: Console) -> Step:
    """Steps as lines on a console; in a terminal the one that runs is shown, too."""

    @contextmanager
    def step(what: str) -> Iterator[None]:
        begin = time.monotonic()
        live = console.status(f"{escape(what)} ...") if console.is_interactive else nullcontext()
        with live:
            yield
        took = time.monotonic() - begin
        console.print(f"[dim]{took:5.1f} s  {escape(what)}[/]", highlight=False, soft_wrap=True)

    return step
