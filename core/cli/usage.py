"""What is wrong with a command line: the cause and the next step, a line each, as for every other
error."""

from __future__ import annotations

import re
from typing import Final

import typer

_REWORDED: Final = (
    (r"^Invalid value: (Value error, )?", ""),
    (r"^(Invalid value for .+?: )Value error, ", r"\1"),
    (
        r"^No such option: (\S+) \(Possible options: (.+)\)$",
        r"no such option: \1; did you mean \2?",
    ),
    (r"\. Did you mean (.+)$", r"; did you mean \1"),
    (r"\.$", ""),
)
"""Typer's sentences, and how ours say the same."""


def is_help(error: typer.TyperException) -> bool:
    """Whether it stands for the help of a group that was given no command."""
    return error.message.startswith("Usage: ")


def cause_of(error: typer.TyperException) -> str:
    """What is wrong, in one line."""
    text = " ".join(error.format_message().split())
    for theirs, ours in _REWORDED:
        text = re.sub(theirs, ours, text)
    return text if text[:2].isupper() else text[:1].lower() + text[1:]


def next_step(error: typer.TyperException) -> str:
    """The command that shows how the one that was typed is used."""
    context: typer.Context | None = getattr(error, "ctx", None)
    if context is None:  # as of an option without its value
        return "add -h instead, which shows the command's usage"
    return f"`{context.command_path} -h` shows its usage"
