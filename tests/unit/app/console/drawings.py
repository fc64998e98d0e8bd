"""The console's drawings, out of its own templates."""

from __future__ import annotations

from typing import Any

from core.app import pages


def drawing(template: str) -> Any:
    """The macros of a template, with the escaping that pages have."""
    return pages._PAGES.get_template(f"console/{template}").module
