"""What makes a description valid; every problem names file, line and field."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import get_args

import pytest

from core.config.files import load_webhooks
from core.domain.severity import Severity
from core.errors import ConfigFileError
from core.formats.mapping import description
from core.webhooks import presets

LEAST = "key: id\nstatus: state\n"


def load(tmp_path: Path, mapping: str, *, endpoint: str = "format: mapped") -> None:
    file = tmp_path / "webhooks.yaml"
    body = textwrap.indent(mapping, "      ")
    file.write_text(
        f"version: 1\nhooks:\n  it:\n    {endpoint}\n    verify: {{scheme: none}}\n"
        + (f"    mapping:\n{body}" if mapping else ""),
        encoding="utf-8",
    )
    load_webhooks(file)


def problem(tmp_path: Path, mapping: str, *, endpoint: str = "format: mapped") -> str:
    with pytest.raises(ConfigFileError) as refusal:
        load(tmp_path, mapping, endpoint=endpoint)
    [line] = refusal.value.problems
    return line.removeprefix(f"{tmp_path}/webhooks.yaml:")


@pytest.mark.parametrize(
    ("mapping", "expected"),
    [
        ("key: id[\nstatus: state", "7:12: hooks.it.mapping.key: not a JMESPath expression"),
        ("key: [id, 'lenght(a)']\nstatus: s", "7:17: hooks.it.mapping.key[1]: JMESPath has no"),
        (LEAST + "title: 'a b'", "9:14: hooks.it.mapping.title: not a JMESPath expression"),
        (LEAST + "title: 'a || a." + "b" * 1000 + "'", "9:14: hooks.it.mapping.title: "),
        (LEAST + "titel: a", "9:7: hooks.it.mapping.titel: there is no such field"),
        (LEAST + "links: {runbook: '.'}", "9:24: hooks.it.mapping.links.runbook: not a JMES"),
        (LEAST + "links: {runbook: '\"\\ud800\"'}", "9:24: hooks.it.mapping.links.runbook: it has"),
        ("status: state", "4:5: hooks.it: the mapping has no `key`"),
        ("key: id", "4:5: hooks.it: the mapping has no `status`"),
        ("key: {labels: all}\nstatus: s", "4:5: hooks.it: the mapping's `key` is made of labels"),
        ("key: {}\nstatus: s", "7:12: hooks.it.mapping.key: a key is made either of"),
        ("key: id\nstatus: {firing: [a]}", "8:15: hooks.it.mapping.status: a status has either"),
        ("key: id\nstatus: {by_end: true}", "4:5: hooks.it: the mapping's `status` is by its end"),
        (
            "key: id\nstatus: {from: s, firing: [on]}",
            "8:34: hooks.it.mapping.status.firing[0]: write it in quotes: YAML reads on, off",
        ),
        (
            "key: id\nstatus: {from: s, firing: [a], resolved: [A]}",
            "8:15: hooks.it.mapping.status: the word 'A' is both in firing and in resolved",
        ),
        (
            "key: id\nstatus: {from: s, resolved: [a]}",
            "8:15: hooks.it.mapping.status: no word fires",
        ),
        (
            LEAST + "severity: {from: s, words: {a: bad}}",
            "9:38: hooks.it.mapping.severity.words.a: Input should be 'critical', 'high'",
        ),
        (
            LEAST + "starts_at: {from: s, as: seconds}",
            "9:32: hooks.it.mapping.starts_at.as: Input should be 'auto', 'rfc3339', 'epoch'",
        ),
        (
            LEAST + "starts_at: {from: s, pattern: '%Y-%Q', zone: UTC}",
            "9:37: hooks.it.mapping.starts_at.pattern: not a strptime pattern",
        ),
        (
            LEAST + "starts_at: {from: s, pattern: '%Y', zone: Berlin}",
            "9:49: hooks.it.mapping.starts_at.zone: there is no time zone 'Berlin'",
        ),
        (
            LEAST + "starts_at: {from: s, pattern: '%Y'}",
            "9:18: hooks.it.mapping.starts_at: a pattern has either %z in it or a `zone`",
        ),
        (LEAST + "starts_at: {from: s, zone: UTC}", "9:18: hooks.it.mapping.starts_at: `zone` has"),
        (
            LEAST + "labels: {from: s, separator: '='}",
            "9:15: hooks.it.mapping.labels: `separator` has no meaning with `shape: object`",
        ),
        (LEAST + "path: alerts", "9:13: hooks.it.mapping.path: String should match"),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path: Path, mapping: str, expected: str) -> None:
    assert problem(tmp_path, mapping).startswith(expected)


@pytest.mark.parametrize(
    ("endpoint", "mapping", "expected"),
    [
        ("format: mapped", "", "hooks.it: `format: mapped` needs a `preset`, a `mapping`"),
        ("format: sentry", LEAST, "hooks.it: `preset` and `mapping` have no meaning without"),
        (
            "{format: mapped, preset: zabix}",
            "",
            "hooks.it.preset: there is no preset 'zabix'; did you mean zabbix?",
        ),
        ("{format: mapped, preset: ../x}", "", "hooks.it.preset: there is no preset '../x'"),
    ],
)
def test_a_preset_or_a_mapping_belongs_to_the_format(
    tmp_path: Path, endpoint: str, mapping: str, expected: str
) -> None:
    endpoint = endpoint.strip("{}").replace(", ", "\n    ")
    assert expected in problem(tmp_path, mapping, endpoint=endpoint)


def test_an_endpoint_changes_single_fields_of_a_preset(tmp_path: Path) -> None:
    file = tmp_path / "webhooks.yaml"
    file.write_text(
        "version: 1\nhooks:\n  it:\n    format: mapped\n    preset: uptime-kuma\n"
        "    mapping: {severity: \"'critical'\"}\n    verify: {scheme: none}\n"
    )
    endpoint = load_webhooks(file).hooks["it"]
    shipped = presets.preset("uptime-kuma").mapping.compiled()
    mapping = endpoint.compiled_mapping
    assert mapping is not None
    assert mapping.severity is not None
    assert str(mapping.severity.expression) == "'critical'"
    assert (mapping.key, mapping.status, mapping.source) == (
        shipped.key,
        shipped.status,
        "uptime-kuma",
    )
    assert not endpoint.sender.retries


def test_mappings_with_different_keys_share_no_scope(tmp_path: Path) -> None:
    file = tmp_path / "webhooks.yaml"
    common = "format: mapped, scope: both, verify: {scheme: none}"
    file.write_text(
        "version: 1\nhooks:\n"
        f"  one: {{{common}, mapping: {{key: id, status: s}}}}\n"
        f"  two: {{{common}, mapping: {{key: ref, status: s}}}}\n"
    )
    with pytest.raises(ConfigFileError, match="one and two share the scope 'both', and their map"):
        load_webhooks(file)
    file.write_text(file.read_text().replace("ref", "id"))
    load_webhooks(file)


def test_the_severities_are_those_of_incidents() -> None:
    assert get_args(description.Severity) == tuple(Severity)
