"""The description of a mapping, as `webhooks.yaml` and presets have it: the YAML model, what makes
it valid, and what it compiles to.

Wherever an expression is wanted and more could be said of it (`{from: EXPR, ...}`), the expression
alone is the short form.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    field_validator,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from core.domain.durations import Duration
from core.domain.expressions.expression import MAX_CHARS, compiled
from core.formats.mapping.body import Kind
from core.formats.mapping.mapping import (
    AlertMapping,
    KeyReader,
    SeverityReader,
    StatusReader,
    Verdict,
)
from core.formats.mapping.values import LabelReader, LabelShape, TimeReader, TimeUnit

VERDICTS: Final[Sequence[Verdict]] = ("firing", "resolved", "ignored", "acknowledged")

_STRICT = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
_MAX_WORDS: Final = 100


def _compiles(text: str) -> str:
    compiled(text)
    return text


Expr = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_CHARS,
        description="A JMESPath expression; `$` in it is the whole body.",
        examples=["alert.id", "name || $.title", "'a constant'"],
    ),
    AfterValidator(_compiles),
]


def _word(word: object) -> object:
    if isinstance(word, bool):
        raise ValueError("write it in quotes: YAML reads on, off, yes, no, true, false as booleans")
    return str(word) if isinstance(word, int) else word


Word = Annotated[str, BeforeValidator(_word, json_schema_input_type=str | int), Field(min_length=1)]
Words = Annotated[tuple[Word, ...], Field(max_length=_MAX_WORDS)]
Severity = Literal["critical", "high", "medium", "low", "info"]
FieldPath = Annotated[str, Field(pattern=r"^[^.\s]+(\.[^.\s]+)*$", max_length=200)]


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str | dict) else value


class _ByExpression(BaseModel):
    """What has a short form: `from` alone."""

    model_config = _STRICT

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: object) -> object:
        return {"from": value} if isinstance(value, str | list) else value

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        whole = handler(schema)
        return {"anyOf": [whole["properties"]["from"], whole]}


class KeyDescription(_ByExpression):
    """What says which alert it is, the same from firing to resolved."""

    from_: Annotated[
        tuple[Expr, ...],
        BeforeValidator(_as_list, json_schema_input_type=Expr | tuple[Expr, ...]),
    ] = Field(
        (),
        alias="from",
        max_length=8,
        description="The expressions whose values make the key together; each must find something.",
    )
    labels: Literal["all"] | tuple[str, ...] = Field(
        (), description="The labels that make the key: their names, or `all`."
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if bool(self.from_) == bool(self.labels):
            raise ValueError("a key is made either of expressions (`from`) or of `labels`")
        return self


class StatusDescription(_ByExpression):
    """What says whether an alert fires, by the words that the sender has for it."""

    from_: Expr | None = Field(None, alias="from", description="Where the word is.")
    firing: Words = Field((), description="Words for an alert that fires.")
    resolved: Words = Field((), description="Words for an alert that is over.")
    ignored: Words = Field((), description="Words for what is no alert: a test, a comment.")
    acknowledged: Words = Field(
        (), description="Words for an alert that somebody has taken on. It gives no event."
    )
    otherwise: Verdict | None = Field(
        None, description="What any other word means, and none. Default: it is refused."
    )
    by_end: bool = Field(
        False,
        description=(
            "For senders without a status: the alert fires until `ends_at`, as it is when it is "
            "received."
        ),
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.by_end == (self.from_ is not None):
            raise ValueError("a status has either `from`, where its word is, or `by_end: true`")
        if self.by_end and (self.otherwise or any(getattr(self, name) for name in VERDICTS)):
            raise ValueError("words have no meaning with `by_end`")
        seen: dict[str, str] = {}
        for verdict in VERDICTS:
            for word in getattr(self, verdict):
                other = seen.setdefault(word.strip().lower(), verdict)
                if other != verdict:
                    raise ValueError(f"the word {word!r} is both in {other} and in {verdict}")
        if self.words and "firing" not in (*self.words.values(), self.otherwise):
            raise ValueError("no word fires: list those that do under `firing`, or set `otherwise`")
        return self

    @property
    def words(self) -> dict[str, Verdict]:
        """What each word, in lower case, says."""
        return {
            word.strip().lower(): verdict for verdict in VERDICTS for word in getattr(self, verdict)
        }

    def compiled(self) -> StatusReader:
        """The status as it is read. Without words, the words are `firing` and `resolved`."""
        default: dict[str, Verdict] = {"firing": "firing", "resolved": "resolved"}
        return StatusReader(
            expression=compiled(self.from_) if self.from_ else None,
            words=self.words or default,
            otherwise=self.otherwise,
        )


class SeverityDescription(_ByExpression):
    """How bad it is, in the sender's words."""

    from_: Expr = Field(alias="from", description="Where the word is.")
    words: dict[Word, Severity] = Field(
        default_factory=dict,
        max_length=_MAX_WORDS,
        description="What the sender's words mean. Others are read as those of all senders are.",
    )

    def compiled(self) -> SeverityReader:
        """The severity as it is read."""
        words = {word.strip().lower(): severity for word, severity in self.words.items()}
        return SeverityReader(expression=compiled(self.from_), words=words)


class TimeDescription(_ByExpression):
    """A time, and how the sender writes it."""

    from_: Expr = Field(alias="from", description="Where the time is.")
    as_: TimeUnit = Field(
        "auto",
        alias="as",
        description=(
            "`rfc3339`; `epoch-s`, `epoch-ms`, `epoch-us`, `epoch-ns` since 1970; `epoch` by its "
            "size; `auto`, one of these."
        ),
    )
    pattern: str | None = Field(
        None,
        min_length=2,
        max_length=100,
        description="How the time is written, as `strptime` of Python has it.",
        examples=["%Y.%m.%d %H:%M:%S"],
    )
    zone: str | None = Field(
        None,
        description="The time zone of a pattern without %z, by its IANA name.",
        examples=["Europe/Berlin", "UTC"],
    )

    @field_validator("pattern")
    @classmethod
    def _is_pattern(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            try:
                datetime.strptime("", pattern)  # noqa: DTZ007  only the pattern is tried
            except ValueError as error:
                if "does not match format" not in str(error):
                    raise ValueError(f"not a strptime pattern: {error}") from error
            except (re.error, IndexError, KeyError) as error:
                raise ValueError(f"not a strptime pattern: {error}") from error
        return pattern

    @field_validator("zone")
    @classmethod
    def _is_zone(cls, zone: str | None) -> str | None:
        if zone is not None:
            try:
                ZoneInfo(zone)
            except (ValueError, OSError, KeyError) as error:
                raise ValueError(f"there is no time zone {zone!r}") from error
        return zone

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.pattern is None:
            if self.zone is not None:
                raise ValueError("`zone` has no meaning without a `pattern`")
            return self
        if "as_" in self.model_fields_set:
            raise ValueError("`as` has no meaning with a `pattern`")
        if ("%z" in self.pattern) == (self.zone is not None):
            raise ValueError("a pattern has either %z in it or a `zone` beside it")
        return self

    def compiled(self) -> TimeReader:
        """The time as it is read."""
        return TimeReader(unit=self.as_, pattern=self.pattern, zone=self.zone)


class LabelsDescription(_ByExpression):
    """Labels, and the shape in which the sender writes them. Text that holds JSON is read as it."""

    from_: Expr = Field(alias="from", description="Where the labels are.")
    shape: LabelShape = Field(
        "object",
        description=(
            "`object`: names and values; `pairs`: a list of objects with a name and a value; "
            "`tags`: a list of `name:value`, or a text of them."
        ),
    )
    name: str = Field("name", description="The field with the name, in `pairs`.")
    value: str = Field("value", description="The field with the value, in `pairs`.")
    separator: str = Field(":", min_length=1, max_length=5, description="Within each of the tags.")
    between: str = Field(
        ",", min_length=1, max_length=5, description="Between the tags, where they are one text."
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        fields = {"pairs": {"name", "value"}, "tags": {"separator", "between"}, "object": set()}
        if odd := sorted(self.model_fields_set - {"from_", "shape"} - fields[self.shape]):
            raise ValueError(f"`{odd[0]}` has no meaning with `shape: {self.shape}`")
        return self

    def compiled(self) -> LabelReader:
        """The labels as they are read."""
        return LabelReader(
            shape=self.shape,
            name=self.name,
            value=self.value,
            separator=self.separator,
            between=self.between,
        )


class Description(BaseModel):
    """A mapping as it is described; incomplete where it changes a preset."""

    model_config = _STRICT

    source: str | None = Field(
        None,
        pattern=r"^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$",
        description="The sender's name on alerts and in policies. Default: the preset's, `mapped`.",
    )
    body: Kind | None = Field(
        None, description="How the body is written. Default: what its content type says."
    )
    json_: Annotated[
        tuple[FieldPath, ...],
        BeforeValidator(_as_list, json_schema_input_type=FieldPath | tuple[FieldPath, ...]),
    ] = Field(
        (), alias="json", max_length=10, description="Fields whose text is JSON, which is read."
    )
    each: Expr | None = Field(
        None,
        description=(
            "The list of alerts, where one body has several. All other expressions are then over "
            "one item of it."
        ),
    )
    ignored_when: Expr | None = Field(
        None, description="A condition under which it is no alert and gives no event."
    )
    key: KeyDescription | None = Field(
        None, description="What says which alert it is, the same from firing to resolved."
    )
    status: StatusDescription | None = Field(None, description="Whether it fires.")
    severity: SeverityDescription | None = Field(None, description="How bad it is.")
    title: Expr | None = Field(None, description="What pages say first.")
    summary: Expr | None = Field(None, description="What else there is to say.")
    service: Expr | None = Field(None, description="The service that it is about.")
    starts_at: TimeDescription | None = Field(None, description="When it began.")
    ends_at: TimeDescription | None = Field(None, description="When it ended.")
    links: dict[Annotated[str, Field(pattern=r"^[\w -]{1,40}$")], Expr] = Field(
        default_factory=dict,
        max_length=8,
        description="Addresses by what they lead to: source, runbook, dashboard, ...",
    )
    labels: Annotated[
        tuple[LabelsDescription, ...],
        BeforeValidator(
            _as_list, json_schema_input_type=LabelsDescription | tuple[LabelsDescription, ...]
        ),
    ] = Field((), max_length=10, description="Labels; later ones replace earlier ones.")
    replicated: bool | None = Field(
        None, description="Whether the sender runs as replicas, which may disagree for a while."
    )
    retries: bool | None = Field(
        None,
        description=(
            "Whether the sender retries after an error. If not, what cannot start is kept in "
            "quarantine. Default: true."
        ),
    )
    answer_within: Duration | None = Field(
        None, description="When the sender gives up waiting for an answer."
    )
    path: str | None = Field(
        None,
        pattern=r"^(/[A-Za-z0-9._-]{1,40}){1,6}$",
        description="What the sender appends to the webhook's address.",
        examples=["/api/v2/alerts"],
    )

    def changed_by(self, other: Description | None) -> Description:
        """This description with each field that the other sets in place of its own."""
        changes = other.model_fields_set if other else ()
        return self.model_copy(update={name: getattr(other, name) for name in changes})

    def compiled(self) -> AlertMapping:
        """The mapping. Raises `ValueError` for what a complete description must have."""
        if self.key is None:
            raise ValueError("the mapping has no `key`: nobody could say which alert it is")
        if self.status is None:
            raise ValueError("the mapping has no `status`: nobody could say whether it fires")
        if self.key.labels and not self.labels:
            raise ValueError("the mapping's `key` is made of labels, and it has no `labels`")
        if self.status.by_end and self.ends_at is None:
            raise ValueError("the mapping's `status` is by its end, and it has no `ends_at`")
        return AlertMapping(
            source=self.source or "mapped",
            body=self.body,
            json_fields=tuple(tuple(path.split(".")) for path in self.json_),
            each=_expression(self.each),
            ignored_when=_expression(self.ignored_when),
            key=KeyReader(
                parts=tuple(compiled(part) for part in self.key.from_),
                labels=() if self.key.labels == "all" else self.key.labels,
            ),
            status=self.status.compiled(),
            severity=self.severity.compiled() if self.severity else None,
            title=_expression(self.title),
            summary=_expression(self.summary),
            service=_expression(self.service),
            starts_at=_time(self.starts_at),
            ends_at=_time(self.ends_at),
            links={name: compiled(text) for name, text in self.links.items()},
            labels=tuple((compiled(part.from_), part.compiled()) for part in self.labels),
            replicated=self.replicated is True,
        )


def _expression(text: str | None) -> Any:
    return compiled(text) if text else None


def _time(described: TimeDescription | None) -> Any:
    return (compiled(described.from_), described.compiled()) if described else None
