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

UNLESS_SAID: dict[str, Any] = {
    "retries": True,
    "answer_within": None,
    "media_types": (),
    "refusal_headers": {},
    "empty_response": False,
    "handshake": None,
    "reply": None,
}
TABLE: dict[str, dict[str, Any]] = {
    "s3": {"parse": s3.parse, "media_types": ("text/plain",)},
    "message": {"parse": message.parse, "media_types": ("*/*",)},
    "stored_event": {"parse": stored_event.parse},
    "alertmanager": {"parse": alertmanager.parse},
    "grafana": {"parse": grafana.parse},
    "pagerduty": {"parse": pagerduty.parse, "reply": pagerduty.reply},
    "pagerduty_webhook": {"parse": pagerduty_webhook.parse, "answer_within": 4.5},
    "opsgenie": {"parse": opsgenie.parse},
    "datadog": {"parse": datadog.parse, "answer_within": 14.0},
    "azure_monitor": {"parse": azure_monitor.parse},
    "cloudwatch": {"parse": cloudwatch.parse, "media_types": ("text/plain",)},
    "event_grid": {"parse": event_grid.parse, "handshake": event_grid.handshake},
    "github": {"parse": github.parse, "retries": False, "media_types": (FORM,)},
    "sentry": {"parse": sentry.parse, "retries": False, "answer_within": 0.9},
    "slack": {
        "parse": slack.parse,
        "answer_within": 2.5,
        "media_types": (FORM,),
        "refusal_headers": {"x-slack-no-retry": "1"},
        "empty_response": True,
        "handshake": slack.handshake,
    },
}


def properties(format: Format) -> dict[str, Any]:
    return {field.name: getattr(format, field.name) for field in fields(Format)}


def test_these_are_the_formats() -> None:
    assert list(FORMATS) == list(TABLE)


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_has_these_properties(name: str) -> None:
    assert properties(format_of(name)) == {**UNLESS_SAID, **TABLE[name]}


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
