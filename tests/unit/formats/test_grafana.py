from __future__ import annotations

from datetime import UTC, datetime

import pytest

from core.domain.alert import AlertStatus
from tests.support.webhook_payloads import (
    alert,
    body_of,
    event,
    items,
    payload,
    refusal,
    sent,
)

FIRING = payload("grafana", "firing")
RESOLVED = payload("grafana", "resolved")


def test_a_firing_alert_is_read_whole() -> None:
    read = alert(sent("grafana", body_of("grafana", "firing")))
    assert read.model_dump() == {
        "key": "a1f34cbb23ee4db1",
        "status": AlertStatus.FIRING,
        "title": "Ledger runs out of memory in eu-1",
        "source": "grafana",
        "severity": "critical",
        "service": "ledger",
        "summary": "The ledger has used more than 90 % of its memory for 10 minutes.",
        "starts_at": datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
        "ends_at": None,
        "links": {
            "source": "https://grafana.example.com/alerting/grafana/1afz29v7z/view?orgId=1",
            "runbook": "https://runbooks.example.com/ledger-memory",
            "dashboard": "https://grafana.example.com/d/ledger?orgId=1",
            "panel": "https://grafana.example.com/d/ledger?orgId=1&viewPanel=4",
            "silence": (
                "https://grafana.example.com/alerting/silence/new?alertmanager=grafana"
                "&matcher=alertname%3DHigh+memory+usage&orgId=1"
            ),
            "image": "https://grafana.example.com/public/img/attachments/7fbe.png",
        },
        "labels": FIRING["alerts"][0]["labels"],
        "truncated": 0,
        "replicated": True,
        "remarks": (),
    }


def test_a_resolved_alert_has_an_end_and_the_same_key() -> None:
    read = alert(sent("grafana", RESOLVED))
    assert (read.key, read.status) == ("a1f34cbb23ee4db1", AlertStatus.RESOLVED)
    assert read.ends_at == datetime(2026, 1, 2, 3, 21, tzinfo=UTC)


def test_a_rule_without_data_fires_under_its_own_name() -> None:
    read = alert(sent("grafana", body_of("grafana", "no-data")))
    assert (read.status, read.title) == (
        AlertStatus.FIRING,
        "High memory usage (DatasourceNoData)",
    )
    assert read.labels["rulename"] == "High memory usage"
    assert read.severity is None
    assert read.service is None
    assert set(read.links) == {"source", "silence"}


@pytest.mark.parametrize(
    ("labels", "annotations", "title", "summary"),
    [
        ({"alertname": "DatasourceError", "rulename": "R"}, {}, "R (DatasourceError)", None),
        ({"alertname": "DatasourceNoData"}, {}, "DatasourceNoData", None),
        ({"alertname": "A", "rulename": "R"}, {}, "A", None),
        ({"alertname": "DatasourceNoData", "rulename": "R"}, {"summary": "s"}, "s", None),
        ({"alertname": "A"}, {"title": "t"}, "t", None),
        ({"alertname": "A"}, {"title": "t", "summary": "s"}, "t", "s"),
        ({"alertname": "A"}, {"title": "t", "summary": "s", "description": "d"}, "t", "d"),
        ({"alertname": "A"}, {"summary": "s", "description": "d"}, "s", "d"),
    ],
)
@pytest.mark.parametrize("format", ["grafana", "alertmanager"])
def test_the_title_is_what_the_rule_says_else_its_name(
    format: str,
    labels: dict[str, str],
    annotations: dict[str, str],
    title: str,
    summary: str | None,
) -> None:
    read = alert(sent(format, {"alerts": [{"labels": labels, "annotations": annotations}]}))
    assert (read.title, read.summary) == (title, summary)


def test_what_only_grafana_sends_is_kept() -> None:
    original = event(sent("grafana", FIRING)).data["original"]
    [one] = original["alerts"]
    assert original["orgId"] == 1
    assert one["values"] == {"B": 94.23943737541908, "C": 1}
    assert one["silenceURL"].startswith("https://grafana.example.com/alerting/silence/")
    assert one["imageURL"].endswith("7fbe.png")


def test_the_message_about_all_alerts_is_not_repeated_with_each() -> None:
    assert "message" not in event(sent("grafana", FIRING)).data["original"]


def test_each_delivery_is_an_event_of_its_own() -> None:
    first, again = (event(sent("grafana", FIRING, unique=unique)) for unique in ("1", "2"))
    assert first.key != again.key
    assert first.subject == again.subject == "a1f34cbb23ee4db1"


def test_it_is_not_mistaken_for_an_alert_of_alertmanager() -> None:
    result = event(sent("grafana", FIRING, id="d-1"))
    assert (result.key, result.data["source"]) == ("grafana:webhook:prod#d-1.0", "grafana")


def test_a_body_of_another_shape_is_refused_with_what_was_expected() -> None:
    assert "not a webhook of grafana" in refusal(sent("grafana", {"title": "x"})).message
    assert items(sent("grafana", {**FIRING, "alerts": []})) == []
