"""The address of an incident in a web application, as a template.

For Temporal's UI: `https://temporal.example/namespaces/prod/workflows/{workflow_id}/{run_id}`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote, urlsplit

FIELDS: Final = ("id", "handle", "workflow_id", "run_id")
"""The incident's own ID and its handle, the workflow that it runs in, and that workflow's run."""

MAX_CHARS: Final = 500

_IDENTIFYING: Final = frozenset(FIELDS) - {"run_id"}
_FIELD: Final = re.compile(r"\{([^{}]*)\}")


def checked(template: str) -> str:
    """The template. Raises `ValueError` unless it makes an http or https address out of what
    identifies an incident."""
    names = _FIELD.findall(template)
    if unknown := [name for name in names if name not in FIELDS]:
        raise ValueError(f"no field {{{unknown[0][:30]}}}; there are {_listed(FIELDS)}")
    if not _IDENTIFYING & set(names):
        raise ValueError(f"it has none of {_listed(f for f in FIELDS if f in _IDENTIFYING)}")
    plain = _FIELD.sub("", template)
    if "{" in plain or "}" in plain:
        raise ValueError("a brace without its other one")
    if len(template) > MAX_CHARS:
        raise ValueError(f"longer than {MAX_CHARS} characters")
    if not plain.isascii() or not plain.isprintable() or " " in plain:
        raise ValueError("not an address: it has blanks or characters that are not ASCII")
    parts = urlsplit(template)
    if parts.scheme not in ("http", "https") or not parts.hostname or "{" in parts.netloc:
        raise ValueError("not an http or https address with a fixed host")
    return template


def filled(template: str, **values: str) -> str:
    """The address, with each value percent-encoded, slashes and all."""
    return _FIELD.sub(lambda match: quote(values[match[1]], safe="", errors="replace"), template)


def _listed(fields: Iterable[str]) -> str:
    return ", ".join(f"{{{field}}}" for field in fields)
