from __future__ import annotations

import json

from core.domain.incident.inputs import PageSettled, ReportSettled
from core.domain.incident.postmortem import as_json, as_markdown
from core.domain.incident.timeline import Noted, abridged
from tests.unit.incident.examples import START, Life, acknowledge, opening, resolve


def lived() -> Life:
    life = Life()
    life.give(
        opening(
            service="checkout",
            summary="Payments fail.\n<script>alert(1)</script>",
            started_at="2026-01-02T03:00:00Z",
            labels={"region": "eu|us"},
            links=["https://example.org/runbook"],
        )
    )
    [key] = life.incident.pages
    life.wait(2)
    life.give(PageSettled(key=key))
    life.wait(58)
    life.give(acknowledge(note="looking | now"))
    life.wait(3600)
    life.give(resolve(actor="ben", note="rolled back"))
    return life


def test_the_markdown_report_reads_well() -> None:
    life = lived()
    text = as_markdown(life.incident, life.timeline).decode()
    assert text == EXPECTED


EXPECTED = r"""# Post-incident report: Checkout

|  |  |
|---|---|
| Incident | incident:a |
| Severity | high |
| Service | checkout |
| Began | 2026-01-02 03:00:00 |
| Opened | 2026-01-02 03:04:05 |
| Resolved | 2026-01-02 04:05:05 |
| Events | 1 |
| Document | s3://docs/a |
| region | eu\|us |

## Summary

> Payments fail.
> \<script\>alert(1)\</script\>

## How long it took

|  |  |
|---|---|
| To first page | 2 s |
| To acknowledge | 1 min 00 s |
| To resolve | 1 h 01 min 00 s |
| From beginning to resolve | 1 h 05 min 05 s |

## Who did what

- **ana**: Acknowledged: looking \| now
- **ben**: Resolved: rolled back

## Timeline

| Time (UTC) | Who | What |
|---|---|---|
| 2026-01-02 03:04:05 | tidegate | Opened with severity high on checkout: Checkout |
| 2026-01-02 03:04:05 | tidegate | Paging slack\#00000001 (level 1) |
| 2026-01-02 03:04:07 | tidegate | Page delivered to slack\#00000001 (level 1) |
| 2026-01-02 03:05:05 | ana | Acknowledged: looking \| now |
| 2026-01-02 04:05:05 | ben | Resolved: rolled back |

## Links

- <https://example.org/runbook>

## Action items

- [ ] To be agreed
"""


def test_the_json_report_counts_in_seconds() -> None:
    life = lived()
    report = json.loads(as_json(life.incident, life.timeline))
    assert report["format"] == "tidegate.post-incident-report/1"
    assert report["durations_seconds"] == {
        "to_first_page": 2.0,
        "to_acknowledge": 60.0,
        "to_resolve": 3660.0,
        "from_beginning_to_resolve": 3905.0,
    }
    assert report["people"] == {
        "ana": ["Acknowledged: looking | now"],
        "ben": ["Resolved: rolled back"],
    }
    assert [entry["kind"] for entry in report["timeline"]] == [
        "opened",
        "page_started",
        "page_delivered",
        "acknowledged",
        "resolved",
    ]
    assert report["incident"]["title"] == "Checkout"


def test_what_never_happened_took_no_time() -> None:
    life = Life()
    life.give(opening(started_at="2030-01-01T00:00:00Z"))
    life.give(resolve())
    durations = json.loads(as_json(life.incident, life.timeline))["durations_seconds"]
    assert durations["to_acknowledge"] is None
    assert durations["from_beginning_to_resolve"] is None
    assert "| To acknowledge | never |" in as_markdown(life.incident, life.timeline).decode()


def test_the_same_incident_gives_the_same_bytes_twice() -> None:
    one, two = lived(), lived()
    assert as_json(one.incident, one.timeline) == as_json(two.incident, two.timeline)
    assert as_markdown(one.incident, one.timeline) == as_markdown(two.incident, two.timeline)


def test_a_report_that_was_written_does_not_change_the_next_one() -> None:
    life = lived()
    before = as_json(life.incident, life.timeline)
    events = list(life.timeline)
    life.give(ReportSettled(resolved_at=life.now, uris=("s3://reports/a.md",)))
    assert as_json(life.incident, events) == before


def test_a_long_timeline_keeps_its_ends_and_says_what_is_missing() -> None:
    notes = [Noted(at=START, text=f"note {number}") for number in range(1000)]
    short = abridged(notes, 10_000)
    assert short[0] == notes[0]
    assert short[-1] == notes[-1]
    assert sum(len(event.model_dump_json()) for event in short) < 11_000
    [gap] = [event for event in short if event not in notes]
    assert isinstance(gap, Noted)
    assert gap.text == f"{1000 - len(short) + 1} entries are left out here"
    assert abridged(notes, 10_000_000) == tuple(notes)
