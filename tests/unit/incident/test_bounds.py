"""An incident may run for a year and receive 100,000 alerts: its state stays small."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from core.domain.incident.alert_counts import MAX_HELD, MAX_TRACKED
from core.domain.incident.inputs import FollowedUp, PageSettled
from core.domain.incident.model import (
    KEPT_PAGES,
    KEPT_POSTS,
    REMEMBERED_EVENTS,
    Incident,
    PageStatus,
)
from core.domain.incident.policies.policy import Policy
from core.domain.incident.status import Status
from core.domain.targets import Post
from tests.support.soak import sampled
from tests.unit.incident.examples import (
    alert,
    cleared,
    command,
    further,
    levels,
    opened,
    policy,
)
from workers.incident.workflow.continue_as_new import LARGEST, WAITING_BYTES

BYTES = 400_000
"""Temporal takes payloads of 2 MB; continue-as-new carries the state and a tail of the timeline."""


COMMANDS = 2_000


@pytest.mark.slow
@pytest.mark.soak
@pytest.mark.parametrize("alerts", sampled([10_000, 100_000], [10_000]))
def test_alerts_without_end_and_two_thousand_commands_fit_into_one_state(alerts: int) -> None:
    life = opened(policy(auto_resolve_acknowledged=False, reopen_window=3600))
    visible = 0
    for number in range(alerts):
        life.give(
            alert(f"fingerprint {number % 700}", links={"source": f"https://x.example/{'y' * 100}"})
        )
        if number % (alerts // COMMANDS) == 0:
            life.give(command("comment", f"person {number}", note="z" * 2000))
        visible += sum(event.visible for event in life.events)
        life.events.clear()
        life.effects.clear()
    assert life.incident.alerts.fired == alerts + 1
    assert life.incident.comments == COMMANDS
    encoded = life.incident.model_dump_json()
    assert len(encoded) < BYTES
    assert visible < COMMANDS + 300
    assert Incident.model_validate_json(encoded) == life.incident


def test_the_largest_incident_fits_into_a_payload_with_the_events_that_wait() -> None:
    life = opened(policy(auto_resolve_acknowledged=False))
    life.do("acknowledge")
    wide = "\N{FIRE}"  # four bytes in UTF-8
    links = {f"{n}{wide * 35}": f"https://{wide * 24}" for n in range(8)}
    for number in range(2 * MAX_TRACKED):
        key = f"{number} {wide * 200}"
        fields: dict[str, Any] = {
            "starts_at": life.now,
            "replicated": True,
            "links": links,
            "title": wide * 200,
        }
        life.give(alert(key, labels={"a": wide * 2000}, **fields))
        if number < 2 * MAX_HELD:
            life.give(cleared(key, starts_at=life.now, ends_at=life.now + timedelta(seconds=1)))
            life.give(alert(key, labels={"a": wide * 2000}, **fields))
    assert len(life.incident.alerts.states) == MAX_TRACKED
    assert len(life.incident.alerts.held) == MAX_HELD
    for number in range(2 * KEPT_POSTS):
        life.give(FollowedUp(posts={f"{wide * 60} {number}": Post(channel="C0123", ts="1.2")}))
    for number in range(REMEMBERED_EVENTS):
        life.give(further(f"{number} {wide * 200}"))
        life.give(command("comment", note=wide * 200))
    size = len(life.incident.model_dump_json().encode())
    assert size + WAITING_BYTES < LARGEST


def test_a_year_of_pages_is_counted_and_only_the_latest_are_known() -> None:
    life = opened(Policy(levels=levels((0, "one two")), repage_every=3600))
    life.wait(timedelta(days=30).total_seconds(), deliver=True)
    assert life.incident.pages_delivered == len(life.pages()) > 1_400
    assert len(life.incident.pages) == KEPT_PAGES
    assert life.incident.reached == ("one", "two")


def test_a_page_in_flight_is_never_forgotten() -> None:
    life = opened(Policy(levels=levels((0, "one two")), repage_every=3600))
    [stuck, _] = life.pages()
    for _ in range(300):
        life.wait(3600)
        for key, page in list(life.incident.pages.items()):
            if page.status is PageStatus.SENDING and page.target == "two":
                life.give(PageSettled(key=key))
    assert life.incident.pages[stuck.key].status is PageStatus.SENDING
    assert len(life.incident.pages) == KEPT_PAGES


def test_names_are_kept_within_bounds() -> None:
    life = opened()
    for number in range(200):
        life.do("acknowledge", f"person {number}")
    assert len(life.incident.acknowledged_by) == 50
    assert life.incident.acknowledged_by[-1] == "person 199"


def test_a_flapping_incident_keeps_its_size() -> None:
    life = opened(policy(reopen_window=3600))
    for _ in range(300):
        life.give(cleared())
        life.write_report()
        life.wait(60)
        life.give(alert())
    assert life.status == Status.OPEN
    assert life.incident.reopened == 300
    assert len(life.incident.reports) == 50
    assert len(life.incident.model_dump_json()) < 100_000
