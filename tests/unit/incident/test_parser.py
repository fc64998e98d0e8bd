from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.domain.incident.reports.incident_report import IncidentReport, json_schema, parse_fields
from core.domain.incident.reports.parser import parse_report
from core.errors import InvalidReport

SCHEMA = Path(__file__).parents[3] / "docs" / "schemas" / "incident-report.schema.json"


def read(text: str | bytes, uri: str = "s3://docs/a.md") -> IncidentReport:
    return parse_report(text.encode() if isinstance(text, str) else text, uri=uri)


def refused(text: str | bytes, uri: str = "s3://docs/a.md") -> str:
    with pytest.raises(InvalidReport) as invalid:
        read(text, uri)
    assert invalid.value.message.startswith(f"{uri} is not an incident report: ")
    return invalid.value.message.partition(": ")[2]


def test_json_with_every_field() -> None:
    fields = {
        "title": "Checkout answers 500",
        "severity": "high",
        "service": "checkout",
        "summary": "Since the deploy.",
        "description": "Everything.\nMore.",
        "started_at": "2026-01-02T03:04:05+01:00",
        "reporter": "ana",
        "labels": {"region": "eu", "build": 7},
        "links": ["https://example.org/runbook"],
    }
    report = read(json.dumps(fields), "s3://docs/a.json")
    assert report.started_at == datetime(2026, 1, 2, 2, 4, 5, tzinfo=UTC)
    assert report.labels == {"region": "eu", "build": "7"}
    assert report.links == ("https://example.org/runbook",)
    assert report.description == "Everything.\nMore."


def test_markdown_with_front_matter_has_its_text_as_description() -> None:
    report = read(
        "---\ntitle: Checkout answers 500\nseverity: high\nlabels: {build: 1.10, ok: no}\n"
        "links:\n  - https://example.org\n---\n\n# What we know\n\nNot much.\n"
    )
    assert (report.title, report.severity) == ("Checkout answers 500", "high")
    assert report.labels == {"build": "1.10", "ok": "no"}
    assert report.description == "# What we know\n\nNot much."


def test_front_matter_without_a_title_takes_the_first_heading() -> None:
    assert read("---\nseverity: low\n---\n## Disk full ##\nrest\n").title == "Disk full"


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("# Checkout is down\n\nSince ten.", "Checkout is down"),
        ("Intro\n\n### C# is down\n", "C# is down"),
        ("```\n# not this\n```\n# this\n", "this"),
        ("\ufeff# After a byte order mark", "After a byte order mark"),
        ("# Windows\r\n\r\nlines\r\n", "Windows"),
        ("#\n# \n# Third\n", "Third"),
    ],
)
def test_plain_markdown_has_its_first_heading_as_title(text: str, title: str) -> None:
    assert read(text).title == title


def test_a_document_with_an_unknown_suffix_is_json_if_it_begins_like_json() -> None:
    assert read('  {"title": "x"}', "s3://docs/report").title == "x"
    assert parse_report(b'{"title": "x"}', uri="s3://d/r", content_type="text/plain").title == "x"
    assert "is not JSON" in refused("# x", "s3://docs/a.JSON")
    with pytest.raises(InvalidReport, match="not JSON"):
        parse_report(b"# x", uri="s3://d/r", content_type="application/json; charset=utf-8")


def test_unknown_fields_are_left_out_and_named() -> None:
    report = read('{"title": "x", "severty": "high", "team": {"a": [1]}}', "a.json")
    assert report.severity is None
    assert report.ignored == ("severty", "team")


def test_empty_fields_count_as_absent() -> None:
    assert read('{"title": "x", "service": " ", "links": null}', "a.json") == read("# x")
    assert read("---\ntitle: x\nservice:\nreporter: ~\n---\n") == read("# x")


def test_control_characters_are_removed() -> None:
    report = read(json.dumps({"title": "a\x1b[31m \n b\u202e", "summary": "1\r\n2\x00"}), "a.json")
    assert report.title == "a[31m b"
    assert report.summary == "1\n2"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"", "is empty"),
        (b" \n ", "is empty"),
        (b"\xff\xfea", "is not UTF-8 text (byte 0)"),
        ("Just text, no heading.", "title: is missing: give it in front matter or as a heading"),
        ("---\ntitle: x\n", "front matter: is opened by `---` and never closed"),
        ("---\n- x\n---\n", "front matter: is not a list of `name: value` lines"),
        ("---\ntitle: x\ntitle: y\n---\n", "front matter: gives 'title' twice (line 3)"),
        ("---\ntitle: &a x\nservice: *a\n---\n", "(line 3): aliases are refused"),
        ("---\ntitle: [\n---\n", "front matter: is not YAML (line "),
        ("---\ntitle: " + "[" * 30 + "\n---\n", "nested more than 20 deep"),
        ("---\n[a]: b\n---\n", "has a name that is not text (line 2)"),
        ("---\na: b\n" + "# \n" * 30_000 + "---\n", "characters; at most 65,536 are read"),
        ('---\ntitle: "\\UFFFFFFFF"\n---\n', "front matter: is not YAML"),
        ("---\ntitle: x\ndescription: y\n---\nz", "description: given both in the front matter"),
        ("---\ntitle: {a: b}\n---\n", "title: Input should be a valid string"),
        ("---\ntitle: x\nstarted_at: 2026-13-45\n---\n", "started_at: "),
    ],
)
def test_an_invalid_text_says_why(text: str | bytes, problem: str) -> None:
    assert problem in refused(text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "is not JSON"),
        ("[]", "is not an object with at least a title"),
        ("null", "is not an object with at least a title"),
        ('{"title": "x", "title": "y"}', "given twice: title"),
        ('{"title": NaN}', "NaN is not a JSON number"),
        ("[" * 100_000, "is nested too deeply"),
        ('{"title": ' + "1" * 5000 + "}", "is not JSON"),
        ("{}", "title: is missing"),
        ('{"title": ""}', "title: is missing"),
        ('{"title": "\\ud800"}', "title: String should have at least 1 character"),
        (json.dumps({"title": "x" * 201}), "title: String should have at most 200 characters"),
        ('{"title": "x", "started_at": "2026-01-02T03:04:05"}', "started_at: Input should have"),
        ('{"title": "x", "started_at": "0001-01-01T00:00:00+14:00"}', "started_at: not a moment"),
        ('{"title": "x", "links": ["javascript:alert(1)"]}', "links[0]: not an http or https"),
        ('{"title": "x", "labels": {"a": true}}', "labels.a: Input should be a valid string"),
        (json.dumps({"title": "x", "labels": {str(n): "" for n in range(51)}}), "labels: "),
    ],
)
def test_invalid_json_says_why(text: str, problem: str) -> None:
    assert problem in refused(text, "s3://docs/a.json")


def test_all_problems_are_named_together() -> None:
    problems = refused(
        '{"severity": 3, "labels": [], "links": ["x"], "named_links": {"a": "javascript:x"}}',
        "a.json",
    )
    for field in ("title", "severity", "labels", "links[0]", "named_links.a"):
        assert f"{field}: " in problems


def test_a_thousand_problems_make_a_bounded_message() -> None:
    many = json.dumps(
        {"title": "x", "links": ["y"] * 50, "labels": {str(n): {} for n in range(50)}}
    )
    problems = refused(many, "a.json")
    assert "and " in problems
    assert len(problems) < 5000


@pytest.mark.parametrize(
    "text",
    [
        "{" + ",".join(f'"{n}":1' for n in range(60_000)) + ',"0":1}',
        "# " + "# " * 400_000,
        "# " + " \t" * 400_000 + "x",
        "```\n" * 200_000,
    ],
    ids=["names", "hashes", "blanks", "fences"],
)
def test_long_documents_take_time_in_proportion(text: str) -> None:
    """A quadratic parser would not end within the test run."""
    try:
        read(text, "s3://docs/report")
    except InvalidReport as invalid:
        assert len(str(invalid)) < 1000  # noqa: PT017  # either outcome will do


def test_a_brief_report_keeps_the_beginning_of_the_description_only() -> None:
    brief = read("# Title\n" + "word " * 2000).brief()
    assert brief.description is None
    assert brief.summary is not None
    assert len(brief.summary) <= 2000
    assert brief.summary.endswith("...")


def test_the_published_schema_is_current() -> None:
    assert json.loads(SCHEMA.read_text()) == json_schema(), (
        "regenerate it: python -c 'import json; "
        "from core.domain.incident.reports.incident_report import json_schema; "
        f"print(json.dumps(json_schema(), indent=2))' > {SCHEMA.name}"
    )


TEXTS = st.text(max_size=50)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)
NAMES = st.sampled_from([*IncidentReport.model_fields, "extra"])
YAMLISH = st.text(st.sampled_from("ab:-?!&*[]{}|>'\"#%@`,\\ \t\n~0x.\ud7ff\U0001f600"), max_size=80)
URIS = st.sampled_from(["s3://d/a.json", "s3://d/a.md", "s3://d/a.txt", "s3://d/a"])


@given(st.binary(max_size=200) | TEXTS.map(lambda text: text.encode(errors="replace")), URIS)
@example(b"---\n%\n---\n", "s3://d/a.md")
@example(b"---\n\x85\n---\n", "s3://d/a.md")
def test_any_bytes_are_a_report_or_an_invalid_report(body: bytes, uri: str) -> None:
    must_be_either(body, uri)


@given(YAMLISH, TEXTS, URIS)
@example('"\\x', "", "s3://d/a.md")
@example("!<", "", "s3://d/a.md")
@example("--- !!python/object/apply:os.system [x]", "", "s3://d/a.md")
def test_any_front_matter_is_a_report_or_an_invalid_report(head: str, rest: str, uri: str) -> None:
    must_be_either(f"---\n{head}\n---\n{rest}".encode(errors="replace"), uri)


@given(st.dictionaries(NAMES, JSON), URIS)
def test_any_json_is_a_report_or_an_invalid_report(fields: dict[str, Any], uri: str) -> None:
    must_be_either(json.dumps(fields).encode(), uri)


@given(JSON)
def test_any_data_of_a_message_is_a_report_or_an_invalid_report(data: Any) -> None:
    try:
        parse_fields(data, where="event x")
    except InvalidReport as invalid:
        str(invalid).encode()


def must_be_either(body: bytes, uri: str) -> None:
    try:
        report = parse_report(body, uri=uri)
    except InvalidReport as invalid:
        str(invalid).encode()  # it travels as UTF-8
    else:
        assert 1 <= len(report.title) <= 200
        assert IncidentReport.model_validate_json(report.model_dump_json()) == report
