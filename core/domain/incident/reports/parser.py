"""Parses incident reports: JSON, Markdown and text with YAML front matter, plain Markdown.

    {"title": "...", ...}        JSON: by content type, by `.json`, or by its first character
    ---                          front matter: the report's fields in YAML
    title: Checkout is down
    ---
    What we know so far.         the text below it is the description
    # Checkout is down           without a title in front matter, the first heading is the title

Whatever the bytes are, the result is a report or an `InvalidReport` that says why, by field.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final, NoReturn

from core.domain.incident.reports.front_matter import NotFrontMatter, read_front_matter
from core.domain.incident.reports.incident_report import IncidentReport, invalid, parse_fields
from core.domain.text import shortened

_HEADING: Final = re.compile(r" {0,3}#{1,6}[ \t]+")
_FENCE: Final = re.compile(r" {0,3}(```|~~~)")
_TEXT_SUFFIXES: Final = (".md", ".markdown", ".txt", ".text")


def parse_report(body: bytes, *, uri: str, content_type: str | None = None) -> IncidentReport:
    """The report in a document. `uri` names it in errors, and its suffix may tell its format.

    Raises `InvalidReport` with every problem, and nothing else, whatever the bytes are.
    """
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise invalid(uri, [f"the whole: is not UTF-8 text (byte {error.start})"]) from None
    if not text.strip():
        raise invalid(uri, ["the whole: is empty"])
    if _is_json(text, uri, content_type):
        return parse_fields(_read_json(text, uri), where=uri)
    return _read_text(text, uri)


def _is_json(text: str, uri: str, content_type: str | None) -> bool:
    kind = (content_type or "").partition(";")[0].strip().lower()
    name = uri.lower()
    if kind == "application/json" or kind.endswith("+json") or name.endswith(".json"):
        return True
    return text.lstrip().startswith("{") and not name.endswith(_TEXT_SUFFIXES)


def _read_json(text: str, uri: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except RecursionError:
        raise invalid(uri, ["the whole: is nested too deeply"]) from None
    except ValueError as error:
        raise invalid(uri, [f"the whole: is not JSON: {shortened(str(error), 200)}"]) from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        twice = sorted(name for name, count in counts.items() if count > 1)
        raise ValueError(f"given twice: {', '.join(twice)[:100]}")
    return fields


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _read_text(text: str, uri: str) -> IncidentReport:
    try:
        fields, body = read_front_matter(text)
    except NotFrontMatter as error:
        raise invalid(uri, [f"front matter: {error}"]) from None
    title, rest = fields.get("title"), body
    if not title:
        title, rest = _first_heading(body)
        if title:
            fields = {**fields, "title": title}
        else:
            raise invalid(uri, ["title: is missing: give it in front matter or as a heading"])
    if rest.strip():
        if fields.get("description"):
            raise invalid(
                uri, ["description: given both in the front matter and as the text below it"]
            )
        fields = {**fields, "description": rest.strip()}
    return parse_fields(fields, where=uri)


def _first_heading(body: str) -> tuple[str | None, str]:
    """The first heading outside code, shortened to a title's length, and the text without it."""
    lines = body.split("\n")
    for position, line in _prose(lines):
        if title := _heading(line):
            rest = "\n".join(lines[:position] + lines[position + 1 :])
            return shortened(title, 200), rest
    return None, body


def _heading(line: str) -> str:
    """The text of a Markdown heading (`## Text` or `## Text ##`), or nothing."""
    mark = _HEADING.match(line)
    text = line[mark.end() :].strip() if mark else ""
    unclosed = text.rstrip("#")
    return unclosed.rstrip() if unclosed.endswith((" ", "\t")) or not unclosed else text


def _prose(lines: list[str]) -> Iterator[tuple[int, str]]:
    """Lines outside fenced code, with their positions."""
    fence: str | None = None
    for position, line in enumerate(lines):
        mark = _FENCE.match(line)
        if mark and fence in (None, mark[1]):
            fence = mark[1] if fence is None else None
        elif fence is None:
            yield position, line
