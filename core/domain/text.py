"""Text from outside, fit to be shown: in terminals, pages, tables and file listings.

Control characters (a terminal obeys them), bidirectional overrides (they make text read as what it
is not) and lone surrogates (no encoder takes them) carry no meaning in an incident and are dropped
rather than complained about.
"""

from __future__ import annotations

import re
from typing import Any, Final

from pydantic import BeforeValidator

_MEANINGLESS: Final = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def clean(value: Any) -> Any:
    """Text without control characters, with line feeds only; anything else as it is."""
    if not isinstance(value, str):
        return value
    return _MEANINGLESS.sub("", value.replace("\r\n", "\n").replace("\r", "\n"))


def one_line(value: Any) -> Any:
    """Text as one line with single blanks; anything else as it is."""
    return " ".join(clean(value).split()) if isinstance(value, str) else value


def shortened(text: str, limit: int) -> str:
    """At most `limit` characters, with `...` where the rest was."""
    return text if len(text) <= limit else text[: limit - 3].rstrip() + "..."


# Last among a type's annotations: constraints that come before hold for the text made fit, and
# complain in characters.
CLEAN: Final = BeforeValidator(clean)
ONE_LINE: Final = BeforeValidator(one_line)
