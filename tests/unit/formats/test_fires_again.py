"""An alert that fires, recovers and fires again is heard as that, with every format's payloads: a
start that never moves would mute the second firing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

import pytest

from core.domain.alert import Alert, read_alert
from core.domain.alert_state import AlertState, Heard, hear
from core.domain.event import ALERT, Event
from core.formats.registry import FORMATS, format_of
from core.webhooks.decode import Decoded, decode
from core.webhooks.endpoints import Endpoint
from core.webhooks.request import Request
from tests.support.webhook_payloads import FOLDER, PAYLOADS, body_of, changed, payload
from tests.unit.formats.reading import items

PRESETS: Final = FOLDER / "presets"
NOW: Final = datetime(2027, 1, 1, tzinfo=UTC)


class Play(NamedTuple):
    """What the source sends when an alert fires, recovers and fires again."""

    fires: Event
    recovers: Event
    fires_again: Event


def read(format: str, body: object, **headers: str) -> Event:
    """The first event of a delivery."""
    item = items(format, body, **headers)[0]
    assert isinstance(item, Event)
    return item


def plain(format: str, fires: str, recovers: str, *path: str | int, to: object) -> Play:
    """The second firing is the first one, with its own time at the path."""
    first = payload(format, fires)
    return Play(
        read(format, first),
        read(format, payload(format, recovers)),
        read(format, changed(first, *path, to=to)),
    )


def cloudwatch(fires: str, recovers: str) -> Play:
    first, moment = payload("cloudwatch", fires), "2026-07-01T00:00:00.000+0000"
    if "detail" in first:
        again = changed(first, "detail", "state", "timestamp", to=moment)
    elif "Message" in first:
        message = json.loads(first["Message"]) | {"StateChangeTime": moment}
        again = first | {"Message": json.dumps(message)}
    else:
        again = first | {"StateChangeTime": moment}
    bodies = (first, payload("cloudwatch", recovers), again)
    return Play(*(read("cloudwatch", body) for body in bodies))


def datadog(again: str) -> Play:
    bodies = [payload("datadog", name) for name in ("triggered", "recovered", again)]
    bodies[2]["last_updated"] = "1767330000000"
    return Play(*(read("datadog", body) for body in bodies))


def pagerduty(first: Mapping[str, Any] | None, again: Mapping[str, Any] | None) -> Play:
    trigger = payload("pagerduty", "trigger")
    bodies = [
        trigger | {"payload": trigger["payload"] | (first or {})},
        payload("pagerduty", "resolve"),
        trigger | {"payload": trigger["payload"] | (again or {})},
    ]
    return Play(*(read("pagerduty", body) for body in bodies))


def sentry(*bodies: Any) -> Play:
    resources = [next(iter({"issue", "metric_alert"} & body["data"].keys()), "event_alert")
                 for body in bodies]  # fmt: skip
    return Play(
        *(
            read("sentry", body, sentry_hook_resource=resource)
            for body, resource in zip(bodies, resources, strict=True)
        )
    )


def own(**times: Any) -> object:
    data = {"key": "disk", "title": "Disk is full", **times}
    return {"specversion": "1.0", "id": "1", "source": "/own", "type": ALERT, "data": data}


def message(*bodies: object) -> Play:
    return Play(*(read("message", body, tidegate_trusted_types=ALERT) for body in bodies))


def zabbix(first: str, recovers: str, again: str) -> Play:
    """By the shipped mapping, as webhooks read any preset's sender."""
    endpoint = Endpoint.model_validate(
        {"format": "mapped", "preset": "zabbix", "verify": {"scheme": "none"}}
    )
    problem = json.loads((PRESETS / "zabbix" / "problem.json").read_text(encoding="utf-8"))
    recovery = json.loads((PRESETS / "zabbix" / "recovery.json").read_text(encoding="utf-8"))
    bodies = [
        problem | {"event_timestamp": first},
        recovery | {"event_timestamp": first, "recovery_timestamp": recovers},
        problem | {"event_timestamp": again},
    ]
    events = []
    for body in bodies:
        request = Request(
            method="POST",
            path="/hooks/zabbix",
            headers={"content-type": "application/json"},
            body=json.dumps(body).encode(),
        )
        decoded = decode(request, "zabbix", endpoint, NOW)
        assert isinstance(decoded, Decoded)
        [arrival] = decoded.arrivals
        assert isinstance(arrival.item, Event)
        events.append(arrival.item)
    return Play(*events)


RULE = payload("sentry", "event_alert-triggered")
CREATED, RESOLVED = payload("sentry", "issue-created"), payload("sentry", "issue-resolved")
METRIC = payload("sentry", "metric_alert-critical")
NEXT_METRIC = changed(METRIC, "data", "metric_alert", "id", to="43")

PLAYS: Final[Mapping[str, Sequence[Play]]] = {
    "alertmanager": [
        plain("alertmanager", "firing", "resolved", "alerts", 0, "startsAt",
              to="2026-01-02T05:00:00Z"),
    ],
    "grafana": [
        plain("grafana", "firing", "resolved", "alerts", 0, "startsAt",
              to="2026-01-02T06:00:00+01:00"),
    ],
    "azure_monitor": [
        plain("azure_monitor", "metric-fired", "metric-resolved",
              "data", "essentials", "firedDateTime", to="2026-03-04T12:17:40.3713213Z"),
    ],
    "cloudwatch": [
        cloudwatch("sns-alarm", "sns-ok"),
        cloudwatch("eventbridge-alarm", "eventbridge-ok"),
        cloudwatch("sns-contributor-alarm", "sns-contributor-ok"),
    ],
    "datadog": [datadog("triggered"), datadog("re-triggered"), datadog("no-data")],
    "opsgenie": [
        plain("opsgenie", "create", "close", "alert", "createdAt", to=1767330000000),
        plain("opsgenie", "create", "delete", "alert", "createdAt", to=1767330000000),
    ],
    "pagerduty": [
        pagerduty(None, {"timestamp": "2026-01-02T03:09:00.000+0000"}),
        pagerduty({"timestamp": None}, {"timestamp": None}),
    ],
    "pagerduty_webhook": [
        Play(*(read("pagerduty_webhook", body_of("pagerduty_webhook", name))
               for name in ("triggered", "resolved", "reopened"))),
    ],
    "sentry": [
        sentry(CREATED, RESOLVED, RESOLVED | {"action": "unresolved"}),
        sentry(RULE, RESOLVED, changed(RULE, "data", "event", "datetime",
                                       to="2026-03-04T12:00:00Z")),
        sentry(changed(RULE, "data", "event", "datetime", to="2026-03-04T09:20:00Z"), RESOLVED,
               RESOLVED | {"action": "unresolved"}),
        sentry(METRIC, payload("sentry", "metric_alert-resolved"), NEXT_METRIC),
    ],
    "mapped": [zabbix("1772366405", "1772366500", "1772366600")],
    "message": [
        message(own(status="firing"), own(status="resolved"), own(status="firing")),
        message(own(status="firing", starts_at="2026-01-02T03:00:00Z"), own(status="resolved"),
                own(status="firing", starts_at="2026-01-02T03:01:00Z")),
    ],
}  # fmt: skip
"""By format. Where the source says times, those of the second firing are its own."""

WITHOUT_ALERTS: Final = ("s3", "stored_event", "event_grid", "github", "slack", "heartbeat")

CASES: Final = [
    pytest.param(play, id=f"{format}-{number}")
    for format, plays in PLAYS.items()
    for number, play in enumerate(plays)
]


def test_every_format_is_here() -> None:
    assert sorted([*PLAYS, *WITHOUT_ALERTS]) == sorted(FORMATS)


def test_no_payload_of_the_formats_without_alerts_is_an_alert() -> None:
    for format, name in PAYLOADS:
        if format in WITHOUT_ALERTS:
            found = items(format, payload(format, name))
            assert not [each for each in found if isinstance(each, Event) and each.type == ALERT]


class Heards:
    """The states of alerts by their keys."""

    def __init__(self) -> None:
        self.states: dict[str, AlertState] = {}
        self.now = NOW

    def hear(self, event: Event) -> Heard:
        alert: Alert = read_alert(event)
        self.now += timedelta(seconds=1)
        state = self.states.get(alert.key, AlertState())
        settle = timedelta(minutes=1) if alert.replicated else None
        self.states[alert.key], heard = hear(state, alert, self.now, settle=settle)
        return heard

    @property
    def firing(self) -> bool:
        return any(state.firing for state in self.states.values())


@pytest.mark.parametrize("play", CASES)
def test_an_alert_fires_recovers_and_fires_again(play: Play) -> None:
    source = Heards()
    assert [source.hear(event) for event in play] == [Heard.FIRED, Heard.RECOVERED, Heard.FIRED]
    assert source.firing
    assert source.hear(play.fires_again) is Heard.REPEATED


@pytest.mark.parametrize("play", CASES)
def test_a_recovery_ends_whatever_fired_before(play: Play) -> None:
    source = Heards()
    for event in (play.fires, play.fires, play.recovers):
        source.hear(event)
    assert not source.firing


@pytest.mark.parametrize(
    "play",
    [case for case in CASES if read_alert(case.values[0].fires).starts_at],  # type: ignore[union-attr]
)
def test_a_redelivery_of_what_recovered_does_not_fire(play: Play) -> None:
    source = Heards()
    for event in (play.fires, play.recovers, play.fires):
        source.hear(event)
    assert not source.firing


def test_a_reopened_incident_of_pagerduty_that_is_resolved_again_is_over() -> None:
    name = "pagerduty_webhook"
    later = changed(payload(name, "resolved"), "event", "occurred_at", to="2026-01-02T06:00:00Z")
    source = Heards()
    for event in (*PLAYS[name][0], read(name, later), PLAYS[name][0].fires_again):
        source.hear(event)
    assert not source.firing


def test_a_renotification_of_datadog_that_its_recovery_overtook_does_not_fire() -> None:
    triggered, renotified, recovered = (
        read("datadog", payload("datadog", name))
        for name in ("triggered", "re-triggered", "recovered")
    )
    source = Heards()
    for event in (triggered, recovered, renotified):
        source.hear(event)
    assert not source.firing


def test_the_formats_whose_replicas_may_disagree() -> None:
    assert [name for name in FORMATS if format_of(name).replicated] == ["alertmanager", "grafana"]
