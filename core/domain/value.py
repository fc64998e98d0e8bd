"""The base of the domain's values: immutable, and open to fields that a later version adds."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """A value that survives a round trip through JSON, because workflows persist it."""

    model_config = ConfigDict(frozen=True, extra="ignore")
