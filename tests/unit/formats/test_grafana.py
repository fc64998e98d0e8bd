from __future__ import annotations

from datetime import UTC, datetime

from core.domain.alert import AlertStatus
from tests.support.webhook_payloads import (
    NEXT_PERIOD,
    alert,
    body_of,
    changed,
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
        "link": "https://grafana.example.com/alerting/grafana/1afz29v7z/view?orgId=1",
        "labels": FIRING["alerts"][0]["labels"],
        "truncated": 0,
        "remarks": (),
    }


def test_a_resolved_alert_has_an_end_and_the_same_key() -> None:
    read = alert(sent("grafana", RESOLVED))
    assert (read.key, read.status) == ("a1f34cbb23ee4db1", AlertStatus.RESOLVED)
    assert read.ends_at == datetime(2026, 1, 2, 3, 21, tzinfo=UTC)


def test_a_rule_without_data_fires_under_its_own_name() -> None:
    read = alert(sent("grafana", body_of("grafana", "no-data")))
    assert (read.status, read.title) == (AlertStatus.FIRING, "DatasourceNoData")
    assert read.labels["rulename"] == "High memory usage"
    assert read.severity is None
    assert read.service is None


def test_what_only_grafana_sends_is_kept() -> None:
    original = event(sent("grafana", FIRING)).data["original"]
    [one] = original["alerts"]
    assert original["orgId"] == 1
    assert one["values"] == {"B": 94.23943737541908, "C": 1}
    assert one["silenceURL"].startswith("https://grafana.example.com/alerting/silence/")
    assert one["imageURL"].endswith("7fbe.png")


def test_the_message_about_all_alerts_is_not_repeated_with_each() -> None:
    assert "message" not in event(sent("grafana", FIRING)).data["original"]


def test_repeats_are_one_event_and_changes_are_not() -> None:
    again = changed(FIRING, "alerts", 0, "startsAt", to="2026-01-02T04:30:00+01:00")
    deliveries = [
        sent("grafana", FIRING, unique="1"),
        sent("grafana", FIRING, unique="2"),
        sent("grafana", FIRING, period=NEXT_PERIOD),
        sent("grafana", again),
        sent("grafana", RESOLVED, unique="3"),
        sent("grafana", RESOLVED, unique="4", period=NEXT_PERIOD),
    ]
    first, repeat, later, anew, over, over_again = [event(delivery).key for delivery in deliveries]
    assert first == repeat
    assert over == over_again
    assert len({first, later, anew, over}) == 4


def test_it_is_not_mistaken_for_an_alert_of_alertmanager() -> None:
    assert event(sent("grafana", FIRING)).key.startswith("grafana:webhook:prod/a1f34cbb23ee4db1@")


def test_a_body_of_another_shape_is_refused_with_what_was_expected() -> None:
    assert "not a webhook of grafana" in refusal(sent("grafana", {"title": "x"})).message
    assert items(sent("grafana", {**FIRING, "alerts": []})) == []
