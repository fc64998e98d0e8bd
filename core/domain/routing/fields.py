"""The values of the fields in the routing table's file: expressions and templates."""

from __future__ import annotations

import string
from typing import Annotated, Final

from pydantic import AfterValidator, ConfigDict, Field

from core.domain.expressions.expression import compiled

FROZEN: Final = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

Piece = tuple[str, str | None]
"""A part of a template: literal text, and the JMESPath expression that follows it."""


def _compiles(expression: str) -> str:
    compiled(expression)
    return expression


Expression = Annotated[str, Field(min_length=1), AfterValidator(_compiles)]


def template_pieces(template: str) -> list[Piece]:
    """The parts of a template. Raises `ValueError` that says what is wrong with it."""
    try:
        pieces = list(string.Formatter().parse(template))
    except ValueError as error:
        raise ValueError(f"not a template: {error}") from error
    for _, name, spec, conversion in pieces:
        if name is not None and (not name or spec or conversion):
            raise ValueError(
                "each {...} holds a JMESPath expression over the event, e.g. {subject}"
            )
        if name is not None:
            _compiles(name)
    return [(text, name) for text, name, _, _ in pieces]


def _is_template(template: str) -> str:
    template_pieces(template)
    return template


Template = Annotated[str, Field(min_length=1), AfterValidator(_is_template)]
