"""Every registered format with all its properties: whoever changes one changes its line here."""

from __future__ import annotations

import sys
from dataclasses import fields
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from core.formats import (
    alertmanager,
    azure_monitor,
    cloudwatch,
    datadog,
    event_grid,
    github,
    grafana,
    heartbeat,
    mapped,
    message,
    opsgenie,
    pagerduty,
    pagerduty_webhook,
    registry,
    s3,
    sentry,
    slack,
    stored_event,
)
from core.formats.registry import FORMATS, format_of, registered
from core.formats.shared.format import Format

FORM = "application/x-www-form-urlencoded"

DEFAULTS: dict[str, Any] = {
    "headers": (),
    "without_secrets": None,
    "timed": False,
    "replicated": False,
    "retries": True,
    "methods": ("POST",),
    "answer_within": None,
    "media_types": (),
    "refusal_headers": {},
    "empty_response": False,
    "handshake": None,
    "reply": None,
}
TABLE: dict[str, tuple[Format, dict[str, Any]]] = {
    "s3": (s3.FORMAT, {"parse": s3.parse, "media_types": ("text/plain",)}),
    "message": (message.FORMAT, {"parse": message.parse, "media_types": ("*/*",)}),
    "stored_event": (stored_event.FORMAT, {"parse": stored_event.parse}),
    "alertmanager": (alertmanager.FORMAT, {"parse": alertmanager.parse, "replicated": True}),
    "grafana": (
        grafana.FORMAT,
        {"parse": grafana.parse, "replicated": True, "methods": ("POST", "PUT")},
    ),
    "pagerduty": (
        pagerduty.FORMAT,
        {
            "parse": pagerduty.parse,
            "reply": pagerduty.reply,
            "without_secrets": pagerduty.without_secrets,
        },
    ),
    "pagerduty_webhook": (
        pagerduty_webhook.FORMAT,
        {
            "parse": pagerduty_webhook.parse,
            "reply": pagerduty_webhook.reply,
            "answer_within": 4.5,
        },
    ),
    "opsgenie": (opsgenie.FORMAT, {"parse": opsgenie.parse, "reply": opsgenie.reply}),
    "datadog": (datadog.FORMAT, {"parse": datadog.parse, "answer_within": 14.0}),
    "azure_monitor": (azure_monitor.FORMAT, {"parse": azure_monitor.parse}),
    "cloudwatch": (cloudwatch.FORMAT, {"parse": cloudwatch.parse, "media_types": ("text/plain",)}),
    "event_grid": (
        event_grid.FORMAT,
        {"parse": event_grid.parse, "handshake": event_grid.handshake},
    ),
    "github": (
        github.FORMAT,
        {
            "parse": github.parse,
            "headers": ("x-github-delivery", "x-github-event"),
            "retries": False,
            "media_types": (FORM,),
        },
    ),
    "sentry": (
        sentry.FORMAT,
        {
            "parse": sentry.parse,
            "headers": ("request-id", "sentry-hook-resource"),
            "retries": False,
            "answer_within": 0.9,
        },
    ),
    "slack": (
        slack.FORMAT,
        {
            "parse": slack.parse,
            "answer_within": 2.5,
            "without_secrets": slack.without_secrets,
            "media_types": (FORM,),
            "refusal_headers": {"x-slack-no-retry": "1"},
            "empty_response": True,
            "handshake": slack.handshake,
        },
    ),
    "heartbeat": (
        heartbeat.FORMAT,
        {
            "parse": heartbeat.parse,
            "reply": heartbeat.reply,
            "timed": True,
            "media_types": ("*/*",),
        },
    ),
    "mapped": (
        mapped.FORMAT,
        {"parse": mapped.parse, "timed": True, "media_types": ("*/*",)},
    ),
}


def properties(format: Format) -> dict[str, Any]:
    return {field.name: getattr(format, field.name) for field in fields(Format)}


def test_these_are_the_formats() -> None:
    assert list(FORMATS) == list(TABLE)


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_has_these_properties(name: str) -> None:
    format, changes = TABLE[name]
    assert format_of(name) is format
    assert properties(format) == {**DEFAULTS, **changes}


def test_every_file_beside_the_registry_is_a_registered_format() -> None:
    folder = Path(registry.__file__).parent
    files = {path.stem for path in folder.glob("*.py")} - {"__init__", "registry"}
    assert files == set(FORMATS), "add each file's name to FORMATS in core/formats/registry.py"


def test_a_format_that_is_registered_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="registered twice") as refusal:
        registered("s3", "github", "s3")
    assert str(refusal.value) == (
        "registered twice in core/formats/registry.py: s3; remove one line, or rename the file of "
        "the newer format and register that name"
    )


@pytest.mark.parametrize("result", [{}, {"FORMAT": s3.parse}, {"Format": s3.FORMAT}])
def test_a_file_without_a_format_is_refused(
    result: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    module = ModuleType("core.formats.zabbix")
    vars(module).update(result)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    with pytest.raises(TypeError) as refusal:
        format_of("zabbix")
    assert str(refusal.value) == (
        "core/formats/zabbix.py has no FORMAT that is a Format; end it with "
        "`FORMAT: Final = Format(parse=parse)`"
    )
