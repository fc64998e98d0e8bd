"""What is wrong with a document or a command, one plain line per field."""

from __future__ import annotations

from typing import Final

from pydantic import ValidationError

from core.domain.text import one_line, shortened

_SHOWN: Final = 20
_LINE_CHARS: Final = 200
_PLAIN = {"missing": "is missing", "extra_forbidden": "there is no such field"}


def problems_of(error: ValidationError) -> list[str]:
    """The problems as `field: what`, without the values: they may be long, or secrets. What goes
    beyond the first twenty is counted."""
    errors = error.errors(include_url=False, include_input=False, include_context=False)
    found = []
    for problem in errors[:_SHOWN]:
        field = "".join(
            f"[{part}]" if isinstance(part, int) else f".{part}" for part in problem["loc"]
        ).lstrip(".")
        what = _PLAIN.get(problem["type"]) or problem["msg"].removeprefix("Value error, ")
        found.append(shortened(str(one_line(f"{field or 'the whole'}: {what}")), _LINE_CHARS))
    if len(errors) > _SHOWN:
        found.append(f"and {len(errors) - _SHOWN:,} more")
    return found
