"""The next step where a variable is not set."""

from __future__ import annotations


def or_local_stack(fix: str) -> str:
    """The next step `fix`, after that of a folder in which `tidegate dev` runs: there a shell needs
    no more than the stack's own variables, unless it has them already."""
    try:
        from infra.local.endpoints import env_file
    except ModuleNotFoundError:  # without the stack's libraries none runs
        return fix
    if (file := env_file()) is None:
        return fix
    return f"`. {file}`, for the stack that runs in this folder; else {fix}"
