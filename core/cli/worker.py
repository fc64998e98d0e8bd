"""`tidegate worker`: a worker in this process, where the package is installed, not the image."""

from __future__ import annotations

from runpy import run_module
from typing import Annotated, Final

import typer

from core.contracts import WORKERS

_MODULES: Final = {spec.name: spec.module for spec in WORKERS}


def worker(
    name: Annotated[
        str,
        typer.Argument(help=f"{' or '.join(_MODULES)}.", autocompletion=lambda: list(_MODULES)),
    ],
) -> None:
    """Run a worker until it gets SIGTERM or Ctrl-C, as the workers' image does.

    Exits with 2 if a setting, the routing table or the namespace is wrong."""
    if name not in _MODULES:
        raise typer.BadParameter(f"there is no {name!r}; there are {', '.join(_MODULES)}")
    run_module(_MODULES[name], run_name="__main__", alter_sys=True)
