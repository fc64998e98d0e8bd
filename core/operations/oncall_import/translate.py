"""`tidegate oncall import`: an export of another product becomes our files."""

from __future__ import annotations

from datetime import datetime

from core.errors import ConfigurationError
from core.operations.oncall_import.draft import Draft
from core.operations.oncall_import.export import HOW_TO_EXPORT, ExportProblem, Node, read_export
from core.operations.oncall_import.files import Imported, written
from core.operations.oncall_import.registry import PRODUCTS, Product


def translate(product: str, body: bytes, name: str, now: datetime) -> Imported:
    """What an export of a product in a file of that name becomes. What is over at `now` is left
    out.

    Raises `ConfigurationError` for what is no export of that product.
    """
    export, chosen = read_export(body, name), PRODUCTS[product]
    try:
        _check(product, chosen, export, name)
        draft = Draft(now)
        chosen.translate(export, draft)
    except ExportProblem as problem:
        raise ConfigurationError(
            f"{name} is not an export of {chosen.title}: {problem.place or 'the file'}: "
            f"{problem.what}",
            fix=HOW_TO_EXPORT,
        ) from None
    return written(draft, chosen.title)


def _check(product: str, chosen: Product, export: Node, name: str) -> None:
    """Refuse what looks like another product's export, or like nobody's."""
    if _fits(chosen, export):
        return
    for other, each in PRODUCTS.items():
        if other != product and _fits(each, export):
            raise ConfigurationError(
                f"{name} looks like an export of {each.title}, not of {chosen.title}",
                fix=f"name that product: `tidegate oncall import {other}`",
            )
    if not set(chosen.sections) & set(export.value):
        raise ConfigurationError(
            f"{name} has none of what an export of {chosen.title} has: "
            f"{', '.join(chosen.sections)}",
            fix=HOW_TO_EXPORT,
        )


def _fits(product: Product, export: Node) -> bool:
    try:
        return product.is_export(export)
    except ExportProblem:
        return False
