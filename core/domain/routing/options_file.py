"""What a route of the table's file may say of its workflow besides target and arguments."""

from __future__ import annotations

from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, Field, StringConstraints, model_validator

from core.domain.routing.fields import FROZEN, Expression, Template, template_pieces

MOST: Final = 50
"""Most search attributes, and most fields of a memo, of one route."""

AttributeName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,63}$")]
MemoName = Annotated[str, Field(min_length=1, max_length=64)]


class AttributeRule(BaseModel):
    """A search attribute: its type, and the JMESPath expression that yields its value."""

    model_config = FROZEN

    keyword: Expression | None = Field(None, description="Text, a number or a boolean, as text.")
    keyword_list: Expression | None = Field(None, description="A list of such.")
    text: Expression | None = Field(None, description="Text that is searched by its words.")
    int: Expression | None = Field(None, description="An integer of 64 bits.")
    double: Expression | None = Field(None, description="A number.")
    bool: Expression | None = Field(None, description="True or false.")
    datetime: Expression | None = Field(None, description="A time of RFC 3339 with its zone.")

    @model_validator(mode="after")
    def _one_type(self) -> Self:
        if len(self.compiled()) != 1:
            kinds = ", ".join(type(self).model_fields)
            raise ValueError(f"a search attribute has exactly one type of {kinds}")
        return self

    def compiled(self) -> dict[str, str]:
        """The expression by the attribute's type."""
        return self.model_dump(exclude_none=True)


class OptionRules(BaseModel):
    """The fields of a route that say how its workflow is started."""

    model_config = FROZEN

    search_attributes: Annotated[
        dict[AttributeName, AttributeRule],
        Field(
            max_length=MOST,
            json_schema_extra={"additionalProperties": False},
            description="Search attributes of the workflow, which the namespace must have.",
        ),
    ] = {}
    memo: Annotated[
        dict[MemoName, Expression],
        Field(
            max_length=MOST,
            description="What lists of workflows show beside it: JMESPath expressions by name.",
        ),
    ] = {}
    static_summary: Template | None = Field(
        None,
        description=(
            "Template of the workflow's line in Temporal's UI. Default: the event's type and "
            "subject."
        ),
    )

    def options(self) -> dict[str, Any] | None:
        """What of it the route says, as `core.domain.routing.options` reads it."""
        found: dict[str, Any] = {}
        if self.search_attributes:
            found["search_attributes"] = {
                name: rule.compiled() for name, rule in self.search_attributes.items()
            }
        if self.memo:
            found["memo"] = dict(self.memo)
        if self.static_summary:
            found["static_summary"] = [
                list(piece) for piece in template_pieces(self.static_summary)
            ]
        return found or None
