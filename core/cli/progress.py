"""How far a long command has got: a bar in a terminal, on standard error; nothing elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from core.cli.console import err, out

if TYPE_CHECKING:
    from rich.progress import TaskID

_MANY: Final = 100


@contextmanager
def progress(label: str, *, from_total: int = _MANY) -> Iterator[Callable[[int, int], None]]:
    """Yields what is to be called with how many are done, of how many. Fewer than `from_total` show
    no bar: they are done before it could be read."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=err,
        transient=True,
        # Lines that are printed meanwhile go above the bar, unless they go to a file.
        redirect_stdout=out.is_terminal,
    )
    started: list[TaskID] = []

    def at(done: int, total: int) -> None:
        if not err.is_terminal or total < from_total:
            return
        if not started:
            bar.start()
            started.append(bar.add_task(label, total=total))
        bar.update(started[0], completed=done, total=total)

    try:
        yield at
    finally:
        if started:
            bar.stop()
