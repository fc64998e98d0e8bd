"""What is wrong with a document or a command, one plain line per field."""

from __future__ import annotations

from typing import Final

from pydantic import ValidationError

from core.domain.text import one_line, shortened

_SHOWN: Final = 20
_LINE_CHARS: Final = 200
_PLAIN = {"missing": "is missing", "extra_forbidden": "there is no such field"}


class ProblemAt(ValueError):
    """What a validator of a whole model raises for a problem of one of its parts: `location` is the
    part's, as pydantic's are, within the model."""

    def __init__(self, message: str, *location: str | int) -> None:
        super().__init__(message)
        self.location = location


def problems_of(error: ValidationError) -> list[str]:
    """The problems as `field: what`, without the values, which may be long or secret. At most 20;
    the rest are counted."""
    errors = error.errors(include_url=False, include_input=False, include_context=False)
    lines = []
    for problem in errors[:_SHOWN]:
        field = "".join(
            f"[{part}]" if isinstance(part, int) else f".{part}" for part in problem["loc"]
        ).lstrip(".")
        what = _PLAIN.get(problem["type"]) or problem["msg"].removeprefix("Value error, ")
        lines.append(shortened(str(one_line(f"{field or 'the whole'}: {what}")), _LINE_CHARS))
    if len(errors) > _SHOWN:
        lines.append(f"and {len(errors) - _SHOWN:,} more")
    return lines
