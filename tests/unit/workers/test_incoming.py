"""What an incident keeps of an event is bounded, whatever its sender writes."""

from __future__ import annotations

import pytest

from core.domain.event import ALERT, DOCUMENT_CREATED, Event
from core.domain.incident.alert_counts import fingerprint_of
from core.domain.incident.inputs import AlertReceived, FurtherEvent
from core.domain.signalled import signalled
from workers.incident.workflow.incoming import compact, further

HUGE = "x" * 900_000


@pytest.mark.parametrize("type", ["com.example", f"{HUGE}.incident.reported", DOCUMENT_CREATED])
def test_a_further_event_takes_little_room_in_the_timeline(type: str) -> None:
    data = {"document": {"uri": f"s3://docs/{HUGE}"}}
    event = Event(id="1", source="/s", type=type, key=HUGE, data=data)
    assert len(further(event.to_wire()).model_dump_json()) < 3000


def test_two_events_with_long_keys_stay_two() -> None:
    kept = {
        further(
            Event(id="1", source="/s", type=type, key=HUGE + end, data={"key": "a"}).to_wire()
        ).event_key
        for end in ("1", "2")
        for type in ("com.example", ALERT)
    }
    assert len(kept) == 2


def test_what_is_short_is_kept_as_it_is() -> None:
    data = {"document": {"uri": "s3://docs/a.md"}}
    event = Event(id="1", source="/s", type=DOCUMENT_CREATED, key="s3:docs/a@00AB", data=data)
    assert further(event.to_wire()) == FurtherEvent(
        event_key="s3:docs/a@00AB", event_type=DOCUMENT_CREATED, document="s3://docs/a.md"
    )


DIGESTED = signalled(Event(id="1", source="/s", type=ALERT, key="k", data={"key": "k" * 300})).get(
    "data", {}
)["key"]


@pytest.mark.parametrize("key", ["disk", "d" * 130, "k" * 300, "two  blanks", HUGE, DIGESTED])
@pytest.mark.parametrize("cut", [[], ["key"]])
def test_an_alert_that_has_to_wait_is_still_the_same_alert(key: str, cut: list[str]) -> None:
    data = {"key": key, "original": {"a": HUGE}, "cut": cut}
    wire = Event(id="1", source="/s", type=ALERT, key="k", data=data).to_wire()
    waiting = compact(wire)
    now, later, again = further(wire), further(waiting), further(compact(waiting))
    assert isinstance(now, AlertReceived)
    assert isinstance(later, AlertReceived)
    assert isinstance(again, AlertReceived)
    names = {fingerprint_of(received.alert.key) for received in (now, later, again)}
    assert len(names) == 1
    assert len(str(waiting)) < 4500
