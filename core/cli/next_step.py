"""The next step where a variable is not set."""

from __future__ import annotations


def or_local_stack(fix: str) -> str:
    """The next step `fix`, after that of a folder in which `tidegate dev` runs: there a shell needs
    no more than the stack's own variables."""
    try:
        from infra.local.endpoints import STATE, Endpoints
    except ModuleNotFoundError:  # without the stack's libraries none runs
        return fix
    if Endpoints.read(STATE) is None:
        return fix
    return f"`. {STATE}/env`, for the stack that runs in this folder; else {fix}"
