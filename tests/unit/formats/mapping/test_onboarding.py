"""Two senders that nobody supports, from their description to the answers that they get.

A building-management system posts a form whose one field holds JSON in groups, in German, with
local times and severities that count down. A batch scheduler posts an object of jobs by name, with
a summary among them, times in nanoseconds as text, no status and no ID.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import yaml

from core.domain.alert import Alert, AlertStatus
from core.formats.mapping.description import Description
from core.formats.mapping.mapping import Finding
from core.intake.replay import replay
from tests.support.quarantines import originals
from tests.support.webhooks import Harness, answer_of, verdicts
from tests.support.workflows_port import MemoryWorkflows
from tests.unit.formats.mapping.reading import alerts, delivery, refusal

FORM = "application/x-www-form-urlencoded"

BUILDING = yaml.safe_load("""
source: building
body: form
json: meldung
each: "unnest(meldung.gruppen, &meldungen)[*].merge([1], {gruppe: [0].gruppe})"
key: nr
status: {from: zustand, firing: [Gekommen], resolved: [Gegangen], acknowledged: [Quittiert]}
severity: {from: stufe, words: {1: critical, 2: high, 3: medium, 4: low, 5: info}}
title: text
service: gruppe
starts_at: {from: kommt, pattern: "%d.%m.%Y %H:%M", zone: Europe/Vienna}
ends_at: {from: geht, pattern: "%d.%m.%Y %H:%M", zone: Europe/Vienna}
labels:
  - {from: merkmale, shape: tags, between: ";"}
  - "{anlage: $.meldung.anlage}"
links: {source: link}
""")

BATCH = yaml.safe_load("""
source: batch
each: "items(results)[?[0] != '_summary'].merge([1], {job: [0]})"
key: [$.scheduler, job, run]
status: {by_end: true}
title: join(' ', [job, message])
starts_at: {from: began, as: epoch-ns}
ends_at: {from: ended, as: epoch-ns}
labels: $.labels
""")


def building(state: str, ended: str = "") -> bytes:
    tower = {
        "nr": "HLK-0017", "zustand": state, "stufe": 1, "text": "Kühlturm 2: Durchfluss zu niedrig",
        "kommt": "03.02.2026 14:05", "geht": ended,
        "merkmale": "gebäude:A; etage:3; nachtbetrieb", "link": "https://bms.example/m/17",
    }  # fmt: skip
    filter = {"nr": "HLK-0020", "zustand": "Quittiert", "stufe": 3, "kommt": "03.02.2026 09:00"}
    door = {
        "nr": "AUF-0002",
        "zustand": state,
        "stufe": "4",
        "text": "Tür klemmt",
        "kommt": "01.07.2025 14:01",
        "geht": ended,
    }
    groups = [
        {"gruppe": "HLK", "meldungen": [tower, filter]},
        {"gruppe": "Aufzug", "meldungen": [door]},
        {"gruppe": "Leer"},
    ]
    message = json.dumps({"anlage": "Wien Süd", "gruppen": groups}, ensure_ascii=False)
    return urlencode({"absender": "BMS 7", "meldung": message}).encode()


def batch(ended: str | None = None, **results: Any) -> dict[str, Any]:
    load = {"run": "2026-02-28", "began": "1772236800123456789", "ended": ended, "message": "rc=3"}
    return {
        "scheduler": "night",
        "labels": json.dumps({"team": "data", "env": "prod"}),
        "results": {"load-orders": load, "_summary": {"count": 1}, **results},
    }


FIRING_TOWER = Alert(
    key="HLK-0017",
    status=AlertStatus.FIRING,
    title="Kühlturm 2: Durchfluss zu niedrig",
    source="building",
    severity="critical",
    service="HLK",
    starts_at=datetime(2026, 2, 3, 13, 5, tzinfo=UTC),
    links={"source": "https://bms.example/m/17"},
    labels={"gebäude": "A", "etage": "3", "nachtbetrieb": "", "anlage": "Wien Süd"},
)
FIRING_DOOR = Alert(
    key="AUF-0002",
    status=AlertStatus.FIRING,
    title="Tür klemmt",
    source="building",
    severity="low",
    service="Aufzug",
    starts_at=datetime(2025, 7, 1, 12, 1, tzinfo=UTC),
    labels={"anlage": "Wien Süd"},
)
FIRING_JOB = Alert(
    key="night:load-orders:2026-02-28",
    status=AlertStatus.FIRING,
    title="load-orders rc=3",
    source="batch",
    starts_at=datetime(2026, 2, 28, 0, 0, 0, 123_000, tzinfo=UTC),
    labels={"team": "data", "env": "prod"},
)


def resolved(alert: Alert, at: datetime) -> Alert:
    return alert.model_copy(update={"status": AlertStatus.RESOLVED, "ends_at": at})


def test_the_building_fires_and_what_is_acknowledged_gives_no_alert() -> None:
    body = building("Gekommen")
    assert alerts(BUILDING, body, content_type=FORM) == [FIRING_TOWER, FIRING_DOOR]


def test_the_building_recovers() -> None:
    at = datetime(2026, 2, 3, 14, 20, tzinfo=UTC)
    found = alerts(BUILDING, building("gegangen ", "03.02.2026 15:20"), content_type=FORM)
    assert found == [resolved(FIRING_TOWER, at), resolved(FIRING_DOOR, at)]


def test_a_job_fires_while_it_has_no_end_and_the_summary_gives_no_alert() -> None:
    assert alerts(BATCH, batch()) == [FIRING_JOB]


def test_a_job_is_over_when_it_has_an_end() -> None:
    at = datetime(2026, 2, 28, 1, tzinfo=UTC)
    assert alerts(BATCH, batch("1772240400000000000")) == [resolved(FIRING_JOB, at)]


@pytest.mark.parametrize(
    ("description", "body", "reason"),
    [
        ({"each": "results"}, batch(), "`each` (results) finds an object, not a list of alerts"),
        ({}, {"results": []}, "finds nothing, not a list of alerts (items() takes object"),
        ({}, batch(odd="text"), "finds nothing, not a list of alerts (merge() takes object"),
        ({"key": "keys(job)"}, batch(), "`key` (keys(job)) finds nothing (keys() takes object"),
        (
            {"status": "keys(job)"},
            batch(),
            "`status` (keys(job)) finds nothing (keys() takes object, and finds string), and its",
        ),
        ({"title": "$.results"}, batch(), "finds an object, where one value is want"),
        (
            {"each": "[@]", "key": ["job"]},
            b"absender=BMS+7&meldung=%7B%7D",
            "it looks like a form, and its content type is 'application/json'",
        ),
        (
            {"each": "[@]", "key": ["job"]},
            b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--b--',
            "it looks like a form, and its content type is 'application/json'",
        ),
    ],
)
def test_a_mistake_in_the_description_is_named(
    description: dict[str, Any], body: object, reason: str
) -> None:
    assert reason in refusal({**BATCH, **description}, body)


def test_the_end_is_shown_as_what_the_status_is_read_from() -> None:
    trace: list[Finding] = []
    one = delivery(BATCH, batch())
    assert one.mapping is not None
    one.mapping.read(one, trace)
    [status] = [finding for finding in trace if finding.field == "status"]
    assert (status.expression, status.read_as) == ("by_end", "firing")


@pytest.fixture
def receiver(tmp_path: Path) -> Harness:
    hooks = {
        "bms": {"format": "mapped", "mapping": BUILDING},
        "batch": {"format": "mapped", "mapping": BATCH},
    }
    return Harness(MemoryWorkflows(), tmp_path, hooks)


@pytest.mark.parametrize(
    ("hook", "body", "status", "expected"),
    [
        ("bms", building("Gekommen"), 202, ["started", "started"]),
        ("bms", building("Gegangen", "03.02.2026 15:20"), 202, ["started", "started"]),
        ("bms", building("Quittiert"), 200, []),
        ("bms", building("Spinnt"), 400, ["quarantined"]),
        ("bms", b"absender=BMS+7", 400, ["quarantined"]),
        ("bms", b"meldung=%7B%22gruppen%22", 400, ["quarantined"]),
        ("batch", batch(), 202, ["started"]),
        ("batch", batch("1772240400000000000"), 202, ["started"]),
        ("batch", {**batch(), "results": {"_summary": {}}}, 200, []),
        ("batch", {**batch(), "results": {}}, 200, []),
        ("batch", batch(odd={}), 202, ["started", "quarantined"]),
        ("batch", [], 400, ["quarantined"]),
    ],
)
async def test_each_body_is_answered(
    receiver: Harness, hook: str, body: object, status: int, expected: list[str]
) -> None:
    outcome = await receiver.post(body, hook=hook, content_type=FORM if hook == "bms" else "")
    assert (outcome.response.status, verdicts(outcome)) == (status, expected)
    assert len(await originals(receiver.quarantine)) == expected.count("quarantined")


async def test_a_test_button_shows_the_field_the_expression_and_what_was_found(
    receiver: Harness,
) -> None:
    outcome = await receiver.post(building("Spinnt"), hook="bms", content_type=FORM)
    [receipt] = answer_of(outcome)["receipts"]
    assert (
        "[0]: the mapping's `status` (zustand) finds 'Spinnt', and its words are"
        in (receipt["reason"])
    )


async def test_a_form_is_replayed_by_the_corrected_mapping_as_it_was_sent(
    receiver: Harness,
) -> None:
    await receiver.post(building("Spinnt"), hook="bms", content_type=FORM)
    [record] = await originals(receiver.quarantine)
    corrected = {key: value for key, value in BUILDING.items() if key != "body"}
    corrected["status"] = {**BUILDING["status"], "firing": ["Gekommen", "Spinnt"]}
    mapping = Description.model_validate(corrected).compiled()
    receipts = await replay(
        receiver.quarantine, receiver.intake, record.id, mapping_of=lambda _: mapping
    )
    assert [receipt.verdict for receipt in receipts] == ["started", "started"]


@pytest.mark.parametrize("text", ["inf", "nan", "1e999999999"])
def test_a_number_that_is_infinite_is_named(text: str) -> None:
    assert "is infinite or none at all" in refusal(
        {"key": "to_number(id)"}, {"id": text, "state": "firing"}
    )
