"""How a shell asks the command to complete a line."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping

from infra.local.processes import program


def question(shell: str, words: str) -> dict[str, str]:
    """The variables by which typer's scripts for bash and zsh ask what comes after these words."""
    return {
        "_TIDEGATE_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": words,
        "COMP_CWORD": str(words.count(" ")),
        "_TYPER_COMPLETE_ARGS": words,
    }


def completed(shell: str, words: str, env: Mapping[str, str]) -> str:
    """The answer of the command in a process of its own."""
    done = subprocess.run(
        [program("tidegate")],
        env={**os.environ, **env, **question(shell, words)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()
