"""What the command tells a shell that completes a line."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping

from infra.local.processes import program


def completed(shell: str, words: str, env: Mapping[str, str]) -> str:
    """The answer to the question that typer's scripts for bash and zsh ask after these words."""
    done = subprocess.run(
        [program("tidegate")],
        env={
            **os.environ,
            **env,
            "_TIDEGATE_COMPLETE": f"complete_{shell}",
            "COMP_WORDS": words,
            "COMP_CWORD": str(words.count(" ")),
            "_TYPER_COMPLETE_ARGS": words,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()
