from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from core.domain.alert import AlertStatus
from core.formats.datadog import TEMPLATE
from tests.support.webhook_payloads import (
    alert,
    body_of,
    changed,
    event,
    payload,
    refusal,
    sent,
    without,
)

TRIGGERED = payload("datadog", "triggered")
PAGE = Path(__file__).parents[3] / "docs/webhooks/datadog.md"


def test_a_triggered_monitor_is_read_whole() -> None:
    read = alert(sent("datadog", body_of("datadog", "triggered")))
    assert read.model_dump() == {
        "key": "9bd4ac313a4d1e8fae2482df7b77628",
        "status": AlertStatus.FIRING,
        "title": "[P1] [Triggered on {host:api-4}] Error rate of the checkout",
        "source": "datadog",
        "severity": "P1",
        "service": "checkout",
        "summary": (
            "%%% @webhook-tidegate More than 5 % of the requests fail. "
            '"checkout" → see the [runbook](https://runbooks.example.com/errors) %%%'
        ),
        "starts_at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        "ends_at": None,
        "links": {
            "source": "https://app.datadoghq.eu/event/event?id=7421932845198273645",
            "snapshot": TRIGGERED["snapshot"],
        },
        "labels": {
            "env": "prod",
            "host": "api-4",
            "monitor": "",
            "service": "checkout",
            "team": "blue,red",
        },
        "truncated": 0,
        "replicated": False,
        "remarks": (),
    }
    assert event(sent("datadog", TRIGGERED)).time == "2026-01-02T03:04:05.000Z"


def test_a_recovered_monitor_is_resolved_under_the_same_key() -> None:
    read = alert(sent("datadog", body_of("datadog", "recovered")))
    assert (read.key, read.status) == ("9bd4ac313a4d1e8fae2482df7b77628", AlertStatus.RESOLVED)
    assert read.ends_at == datetime(2026, 1, 2, 4, 14, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    "transition",
    ["Triggered", "Re-Triggered", "No Data", "Re-No Data", "Warn", "Re-Warn", "Renotify"],
)
def test_every_transition_but_a_recovery_fires_without_a_remark(transition: str) -> None:
    read = alert(sent("datadog", {**TRIGGERED, "transition": transition}))
    assert read.status is AlertStatus.FIRING
    assert not [remark for remark in read.remarks if "status" in remark]


@pytest.mark.parametrize("transition", ["Recovered", "recovered", "Recovered from Warn"])
def test_every_recovery_resolves(transition: str) -> None:
    assert alert(sent("datadog", {**TRIGGERED, "transition": transition})).status is (
        AlertStatus.RESOLVED
    )


def test_a_renotification_fires_as_of_its_own_time() -> None:
    read = alert(sent("datadog", body_of("datadog", "re-triggered")))
    assert read.starts_at == datetime(2026, 1, 2, 4, 4, 5, tzinfo=UTC)


def test_a_variable_without_a_value_is_missing() -> None:
    read = alert(sent("datadog", body_of("datadog", "no-data")))
    assert read.status is AlertStatus.FIRING
    assert (read.severity, read.service, read.labels) == (None, None, {"monitor": ""})


def test_fields_that_the_user_added_are_kept() -> None:
    body = {**TRIGGERED, "runbook": {"url": "https://runbooks.example.com"}}
    assert event(sent("datadog", body)).data["original"] == body


def test_tags_may_be_a_list_as_well() -> None:
    body = {**TRIGGERED, "tags": ["service:ledger", "monitor", 7, ":x", ""]}
    read = alert(sent("datadog", body))
    assert read.labels == {"service": "ledger", "monitor": ""}
    assert read.remarks == ()


def test_a_hundred_thousand_tags_of_one_name_are_read() -> None:
    body = {**TRIGGERED, "tags": "a:b," * 100_000}
    assert len(event(sent("datadog", body)).data["labels"]["a"]) == 199_999


# ------------------------------------------------------------------------------- identity


def test_each_delivery_is_an_event_about_one_alert() -> None:
    names = ["triggered", "re-triggered", "recovered"]
    result = [event(sent("datadog", body_of("datadog", name), unique=name)) for name in names]
    assert len({one.key for one in result}) == 3
    assert len({one.subject for one in result}) == 1


@pytest.mark.parametrize("id", [None, "", "null", "$ID", [], "7421932845198273645"])
def test_datadog_s_own_id_is_not_that_of_the_delivery(id: Any) -> None:
    assert event(sent("datadog", {**TRIGGERED, "id": id})).unidentified


# ------------------------------------------------------------------------------ bad input


@pytest.mark.parametrize("key", [None, "", " ", "null", "$AGGREG_KEY", [], {}])
def test_without_an_aggregation_key_the_event_is_refused(key: Any) -> None:
    assert "has no key" in refusal(sent("datadog", {**TRIGGERED, "aggregation_key": key})).message


def test_an_event_that_does_not_come_from_a_monitor_is_refused_for_its_key() -> None:
    error = refusal(sent("datadog", body_of("datadog", "event-without-monitor")))
    assert "has no key" in error.message


@pytest.mark.parametrize("transition", [None, "", "null", "$ALERT_TRANSITION", "Muted"])
def test_an_unknown_transition_counts_as_firing_with_a_remark(transition: Any) -> None:
    read = alert(sent("datadog", {**TRIGGERED, "transition": transition}))
    assert read.status is AlertStatus.FIRING
    assert any("taken as firing" in remark for remark in read.remarks)


@pytest.mark.parametrize("name", ["title", "priority", "tags", "last_updated", "link", "message"])
@pytest.mark.parametrize("value", [None, 7, "x", ["x"], {"x": [1]}])
def test_no_other_field_that_is_missing_or_wrong_refuses_an_alert(name: str, value: Any) -> None:
    assert alert(sent("datadog", changed(TRIGGERED, name, to=value))).key
    assert alert(sent("datadog", without(TRIGGERED, name))).key


@pytest.mark.parametrize("body", [{}, {"body": "x", "event_type": "metric_alert_monitor"}])
def test_a_payload_of_another_shape_is_refused_with_the_template_to_paste(body: Any) -> None:
    assert " ".join(TEMPLATE.split()) in str(refusal(sent("datadog", body)))


# ------------------------------------------------------------------------------ the template


def test_the_template_of_the_documentation_is_the_one_that_is_read() -> None:
    [block] = re.findall(r"```json\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    assert block == TEMPLATE


def test_the_template_without_values_is_refused_for_its_missing_key() -> None:
    assert "has no key" in refusal(sent("datadog", TEMPLATE.encode())).message
