"""Finds processes that a test has left behind: every child inherits a mark in its environment."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

import pytest

MARK = "LEFTOVER_MARK"
_PROC = Path("/proc")


def new_mark() -> dict[str, str]:
    """This environment with a new mark; skips the test where environments cannot be read."""
    if not _PROC.is_dir():
        pytest.skip("processes are found by their environment, which needs /proc")
    return {**os.environ, MARK: uuid.uuid4().hex}


def marked(env: dict[str, str]) -> list[str]:
    """`pid command` of every process with the mark."""
    wanted = f"{MARK}={env[MARK]}".encode()
    found = []
    for folder in _PROC.iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        try:
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                found.append(f"{folder.name} {command}")
        except OSError:  # it has ended meanwhile, or belongs to another user
            continue
    return found


def is_gone(pid: int) -> bool:
    """Whether a process has ended; a zombie counts as ended."""
    try:
        state = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state == "Z"
