"""What every value of the incident is: immutable, and tolerant of what a later version adds."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """A value of the domain. It survives a round trip through JSON: the durable shell keeps it."""

    model_config = ConfigDict(frozen=True, extra="ignore")
