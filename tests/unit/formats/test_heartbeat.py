"""Beats as senders write them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from core.domain.event import HEARTBEAT, encode
from core.domain.signalled import EVENTS_BYTES, signalled
from core.formats.heartbeat import reply
from core.formats.shared.delivery import HEARTBEAT_HEADER, RECEIVED_HEADER, Malformed
from tests.unit.formats.reading import by_hook, event, items

NAMED = {HEARTBEAT_HEADER: "prometheus"}
AT = "2026-03-01T12:00:00Z"


@pytest.mark.parametrize("body", [b"backup", b" backup\r\n"])
def test_the_bare_name_is_a_beat(body: bytes) -> None:
    beat = event("heartbeat", body, **{RECEIVED_HEADER: AT})
    assert (beat.type, beat.subject, beat.time) == (HEARTBEAT, "backup", AT)
    assert beat.data == {"status": "ok"}
    assert beat.unidentified


def test_json_says_how_a_command_ended() -> None:
    said = {"status": "failed", "exit_code": 3, "duration": 12.5, "output": "disk full"}
    beat = event("heartbeat", {"heartbeat": "backup", "id": "4711", **said})
    assert (beat.subject, beat.data) == ("backup", said)
    assert beat.key == "heartbeat:webhook:prod#backup.4711"
    assert not beat.unidentified


@pytest.mark.parametrize(
    "details",
    [
        {"exit_code": "3"},
        {"exit_code": True},
        {"exit_code": 2**31},
        {"duration": -1},
        {"duration": "long"},
        {"output": 7},
        {"output": ""},
    ],
)
def test_a_detail_that_cannot_be_read_costs_no_beat(details: dict[str, Any]) -> None:
    assert event("heartbeat", {"heartbeat": "backup", **details}).data == {"status": "ok"}


@pytest.mark.parametrize("character", ["x", "ä", "\u2028", "\x01", "😀"])
def test_of_a_long_output_the_end_is_kept_and_fits_into_a_signal(character: str) -> None:
    name, id = "b" * 63, "i" * 200
    output = character * 1_000_000 + "the end"
    beat = event("heartbeat", {"heartbeat": name, "id": id, "output": output})
    assert beat.data["output"].endswith("the end")
    assert len(encode([signalled(beat)])) <= EVENTS_BYTES


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "neither the name of a heartbeat nor a JSON object: ''"),
        (b"Backup", "neither the name of a heartbeat nor a JSON object: 'Backup'"),
        (b"two words", "neither the name"),
        (b"-", "neither the name"),
        (b"a" * 64, "neither the name"),
        (b"\xff", "neither the name"),
        (b"[]", "neither the name"),
        (b"{", "neither the name"),
        ({}, "its `heartbeat` is None, not the name of one"),
        ({"heartbeat": "Two"}, "its `heartbeat` is 'Two', not the name of one"),
        ({"heartbeat": 7}, "its `heartbeat` is 7, not the name of one"),
        ({"heartbeat": "b", "status": "good"}, "its `status` is 'good', not ok or failed"),
    ],
)
def test_what_is_no_beat_is_refused(body: object, why: str) -> None:
    [item] = items("heartbeat", body)
    assert isinstance(item, Malformed)
    assert why in item.error.message


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"anything",
        b"\xff\x00",
        b"[1, 2]",
        b"{",
        {"status": "firing", "alerts": []},
        {"heartbeat": "other", "msg": "Uptime Kuma says so"},
    ],
)
def test_whatever_an_endpoint_with_a_heartbeat_receives_is_a_beat_of_it(body: object) -> None:
    beat = event("heartbeat", body, **NAMED)
    assert (beat.subject, beat.data) == ("prometheus", {"status": "ok"})


def test_an_endpoint_with_a_heartbeat_reads_how_a_command_ended() -> None:
    beat = event("heartbeat", {"status": "failed", "exit_code": 1}, **NAMED)
    assert beat.data == {"status": "failed", "exit_code": 1}


def test_that_an_alert_has_resolved_is_no_beat() -> None:
    body = json.dumps({"status": "resolved", "alerts": []}).encode()
    assert items("heartbeat", body, **NAMED) == []
    delivery = by_hook("heartbeat", body, **NAMED)
    assert reply(delivery) == {"ignored": "its status is resolved: what was heard has stopped"}
    assert reply(by_hook("heartbeat", b"backup")) == {}


def test_a_redelivery_is_the_same_event() -> None:
    first, second = (event("heartbeat", b"backup", message_id="d1", unique=u) for u in "ab")
    assert (first.key, first.id) == (second.key, second.id)
