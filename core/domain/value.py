"""The base of the domain's values: immutable, and open to fields that a later version adds."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel, BeforeValidator, ConfigDict

from core.domain.text import clean, one_line

# These come last among a type's annotations, so that length limits apply to the cleaned text.
CLEAN: Final = BeforeValidator(clean)
ONE_LINE: Final = BeforeValidator(one_line)


class Value(BaseModel):
    """A value that survives a round trip through JSON, because workflows persist it."""

    model_config = ConfigDict(frozen=True, extra="ignore")
