"""The incident report that people and programs upload, as a published model.

Its JSON Schema is docs/schemas/incident-report.schema.json. An unknown field is not refused,
because no outage may go unnoticed for a stray field: it is left out, and the timeline names it.
`parser` turns documents into reports.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)
from pydantic.json_schema import SkipJsonSchema

from core.domain.problems import problems_of
from core.domain.text import one_line, shortened
from core.domain.value import CLEAN, ONE_LINE
from core.errors import InvalidReport

SUMMARY_CHARS: Final = 2000
_WEB: Final = re.compile(r"https?://\S+", re.IGNORECASE)
_NAMES_KEPT, _NAME_CHARS = 20, 60


def _web_address(text: str) -> str:
    if not _WEB.fullmatch(text):
        raise ValueError("not an http or https address")
    return text


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("not a moment that has a date in UTC") from None


_Short = Annotated[str, StringConstraints(min_length=1, max_length=200), ONE_LINE]
_Id = Annotated[str, StringConstraints(min_length=1, max_length=1200), ONE_LINE]
_Summary = Annotated[str, StringConstraints(max_length=SUMMARY_CHARS), CLEAN]
_Description = Annotated[str, StringConstraints(max_length=100_000), CLEAN]
_Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
_Label = Annotated[str, StringConstraints(min_length=1, max_length=63), ONE_LINE]
_LabelValue = Annotated[str, Field(coerce_numbers_to_str=True, max_length=1000), ONE_LINE]
_Link = Annotated[str, StringConstraints(max_length=2048), AfterValidator(_web_address), ONE_LINE]


class IncidentReport(BaseModel):
    """An incident as reported. Only the title is required."""

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        title="Tidegate incident report",
        json_schema_extra={"$schema": "https://json-schema.org/draft/2020-12/schema"},
    )

    title: _Short = Field(description="What is wrong, in one line.")
    severity: _Short | None = Field(
        default=None,
        description="critical, high, medium, low or info, or a word such as P1 or warning; without "
        "it, or with an unknown word, the incident counts as medium and its timeline says so.",
        examples=["critical", "high", "medium", "low", "info"],
    )
    service: _Short | None = Field(default=None, description="What is affected.")
    summary: _Summary | None = Field(
        default=None,
        description="A paragraph for whoever is paged; by default the description's beginning.",
    )
    description: _Description | None = Field(
        default=None,
        description="Everything known. In Markdown and text documents, the text itself.",
    )
    started_at: _Moment | None = Field(
        default=None, description="When it began: RFC 3339, with its time zone."
    )
    reporter: _Short | None = Field(default=None, description="Who or what reports it.")
    labels: Mapping[_Label, _LabelValue] = Field(
        default_factory=dict, max_length=50, description="Anything else, by name."
    )
    links: tuple[_Link, ...] = Field(
        default=(),
        max_length=50,
        description="Dashboards, logs, runbooks: http or https addresses.",
    )
    named_links: Mapping[_Label, _Link] = Field(
        default_factory=dict,
        max_length=50,
        description="The same by name: runbook, dashboard, ...; a page has the runbook first.",
    )
    follows: _Id | None = Field(
        default=None, description="The ID of the incident that this one follows, if it does."
    )
    ignored: SkipJsonSchema[tuple[str, ...]] = Field(default=(), repr=False)
    """Names of the document's unknown fields."""

    def brief(self) -> IncidentReport:
        """The report with its description reduced to a summary, small enough for a workflow to
        carry; the document stays in its store."""
        summary = self.summary or shortened(self.description or "", SUMMARY_CHARS) or None
        return self.model_copy(update={"summary": summary, "description": None})


def parse_fields(fields: object, *, where: str) -> IncidentReport:
    """The report in a JSON or YAML object; empty fields count as absent.

    `where` names the document in errors. Raises `InvalidReport` with every problem by field.
    """
    if not isinstance(fields, Mapping):
        raise invalid(where, ["the whole: is not an object with at least a title"])
    present = {name: value for name, value in fields.items() if not _is_empty(value)}
    unknown = [str(name) for name in present if name not in _FIELDS]
    known = {name: value for name, value in present.items() if name in _FIELDS}
    known["ignored"] = [_readable(name) for name in unknown[:_NAMES_KEPT]]
    try:
        return IncidentReport.model_validate(known)
    except ValidationError as error:
        raise invalid(where, problems_of(error)) from None


def invalid(where: str, problems: list[str]) -> InvalidReport:
    """The error for a document with these problems."""
    return InvalidReport(f"{where} is not an incident report: {one_line('; '.join(problems))}")


def json_schema() -> dict[str, Any]:
    """The published JSON Schema."""
    return IncidentReport.model_json_schema()


def _is_empty(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _readable(name: str) -> str:
    return shortened(str(one_line(name)), _NAME_CHARS)


_FIELDS: Final = frozenset(IncidentReport.model_fields) - {"ignored"}
