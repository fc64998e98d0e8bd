"""Quarantine records are found by what people type, easy to read, and handled with care."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from core import bootstrap
from core.cli.completion import newest_records
from core.cli.quarantine_view import record_lines, shown_record
from core.config.settings import Settings
from core.domain.event import Event
from core.domain.handles import handle_of
from core.errors import InvalidEvent, NoRoute, PermanentError, StoreUnavailable, TemporalUnavailable
from core.formats.registry import read
from core.formats.shared.delivery import Delivery, way_headers
from core.intake.quarantine import Quarantine
from core.intake.receipts import Receipt
from core.intake.records import QuarantinedDelivery, QuarantineRecord
from core.intake.replay import items_of
from core.operations import replays
from core.operations.outcome import OpenedIncident, Outcome, Result, of_receipt
from tests.support.cli import Tidegate
from tests.support.quarantines import no_mapping
from tests.support.workflows_port import MemoryWorkflows

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
BATCH = "application/cloudevents-batch+json"

Keep = Callable[..., str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty quarantine."""
    folder = tmp_path / "quarantine"
    monkeypatch.setenv("TIDEGATE_QUARANTINE", f"file://{folder}/")
    monkeypatch.delenv("TIDEGATE_WEBHOOKS", raising=False)
    return folder


@pytest.fixture
def keep(folder: Path) -> Keep:
    """Keeps a delivery of as many events, or of a body; returns the record's ID."""

    def keep(
        body: int | bytes = 1,
        *,
        error: PermanentError | None = None,
        way: str = "queue:orders",
        format: str = "message",
        hours_ago: float = 0,
    ) -> str:
        number = len(list(folder.glob("*"))) if folder.exists() else 0
        if isinstance(body, int):
            body = json.dumps([event(f"{number}-{n}") for n in range(1, body + 1)]).encode()
        headers = {**way_headers(way), "content-type": BATCH, "message-id": str(number)}
        delivery = Delivery(format=format, body=body, headers=headers, unique="u")
        quarantine = bootstrap.quarantine(Settings.from_env())
        error = error or InvalidEvent("the body is not JSON")
        uri = asyncio.run(quarantine.keep(read(delivery)[0], error))
        written = (datetime.now(UTC) - timedelta(hours=hours_ago)).timestamp()
        os.utime(uri.removeprefix("file://"), (written, written))
        return uri.rpartition("/")[2].removesuffix(".json")

    return keep


def event(id: str) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": id,
        "source": "/a",
        "type": "com.example.incident.reported",
        "subject": f"order/{id}",
        "data": {"title": "It burns"},
    }


@pytest.fixture
def workflows(monkeypatch: pytest.MonkeyPatch) -> MemoryWorkflows:
    """Stands for Temporal."""
    workflows = MemoryWorkflows()
    monkeypatch.setattr(bootstrap, "temporal_workflows", lambda settings: workflows)
    return workflows


@pytest.fixture
def settles(monkeypatch: pytest.MonkeyPatch) -> dict[str, Outcome]:
    """What becomes of events by their IDs, after their receipts."""
    outcomes: dict[str, Outcome] = {}

    async def connect(settings: Settings) -> None:
        return None

    async def follow(client: Any, receipts: Sequence[Receipt], *, timeout: float) -> list[Outcome]:
        return [outcomes.get(str(each.event_id)) or of_receipt(each) for each in receipts]

    monkeypatch.setattr(bootstrap, "connect", connect)
    monkeypatch.setattr(replays, "follow", follow)
    return outcomes


def record(**changes: Any) -> QuarantinedDelivery:
    known: dict[str, Any] = {
        "id": "message-0123456789abcdef01234567",
        "uri": "s3://records/quarantine/message-0123456789abcdef01234567.json",
        "format": "message",
        "source": "queue:orders",
        "code": "NoRoute",
        "reason": "event '/a#1' of type order.created: no route matches it (add a route for it)",
        "key": "queue:orders/ce:/a#1",
        "kept_at": "2026-11-27T08:48:00.000Z",
        "headers": {"tidegate-way": "queue:orders", "message-id": "5f2e"},
        "sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "body": json.dumps({**event("1"), "data": {}}).encode(),
    }
    return QuarantinedDelivery(**known | changes)


OTHERS = [
    record(
        id="s3-0123456789abcdef01234567",
        format="s3",
        source="",
        code="ChildAlreadyRunning",
        reason="it runs",
        kept_at="2026-11-15T11:00:00.000Z",
    ),
    record(
        id="alertmanager-0123456789abcdef01234567",
        format="alertmanager",
        source="webhook:production-eu",
        code="InvalidEvent",
        reason="3 of its records cannot be accepted: \x1b[2Jalerts[0] has no labels " * 4,
        kept_at="2026-11-27T11:59:18.000Z",
        replayed={"kept_at": "2026-11-27T11:59:18.000Z", "items": 3, "accepted": [[1, 2]]},
    ),
]


def plain(records: Sequence[QuarantineRecord], width: int | None) -> str:
    return "\n".join(each.plain.rstrip() for each in record_lines(records, width, NOW))


# ----------------------------------------------------------------------------------- list


def test_a_list_has_two_lines_for_a_record_at_80_columns() -> None:
    assert plain([record(), *OTHERS], 80) == (
        "8tzh2k  event '/a#1' of type order.created: no route matches it (add a route fo…\n"
        "  NoRoute  3 h 12 min  queue:orders  message\n"
        "4zxwt2  it runs\n"
        "  ChildAlreadyRunning  12 d 1 h  s3\n"
        "c5wn3j  3 of its records cannot be accepted: \\x1b[2Jalerts[0] has no labels 3 o…\n"
        "  InvalidEvent  42 s  webhook:production-eu  alertmanager  2 of 3 replayed"
    )


def test_a_list_is_readable_at_45_columns() -> None:
    assert plain([record(), *OTHERS], 45) == (
        "8tzh2k  event '/a#1' of type order.created: …\n"
        "  NoRoute  3 h 12 min  queue:orders  message\n"
        "4zxwt2  it runs\n"
        "  ChildAlreadyRunning  12 d 1 h  s3\n"
        "c5wn3j  3 of its records cannot be accepted:…\n"
        "  InvalidEvent  42 s  webhook:production-eu …"
    )


def test_a_list_is_empty_settled_or_does_not_match(
    tidegate: Tidegate, keep: Keep, workflows: MemoryWorkflows, folder: Path
) -> None:
    assert tidegate("quarantine", "list").out == "The quarantine is empty.\n"
    keep()
    assert tidegate("quarantine", "list", "--code", "NoRoute").out == "No record matches.\n"
    tidegate("quarantine", "replay", "--all", "--no-wait")
    assert tidegate("quarantine", "list").out == "All 1 records are settled; --all lists them.\n"
    [listed] = tidegate("quarantine", "list", "--all", "--json").json
    assert listed["settled"]


def listed(tidegate: Tidegate, *options: str) -> list[str]:
    return [each["id"] for each in tidegate("quarantine", "list", "--json", *options).json]


def test_a_list_is_filtered_by_code_source_and_age(tidegate: Tidegate, keep: Keep) -> None:
    new = keep(error=NoRoute("none"), way="webhook:prod", format="message")
    old = keep(way="queue:prod", hours_ago=50)
    other = keep(b"{}", way="topic:orders/billing", format="s3", hours_ago=5)
    assert listed(tidegate) == [new, other, old]
    assert listed(tidegate, "--code", "NoRoute") == [new]
    assert listed(tidegate, "--code", "NoRoute", "--code", "InvalidEvent") == [new, other, old]
    assert listed(tidegate, "--source", "prod") == [new, old]
    assert listed(tidegate, "--source", "webhook:prod") == [new]
    assert listed(tidegate, "--source", "s3", "--source", "queue:prod") == [other, old]
    assert listed(tidegate, "--older-than", "2d") == [old]
    assert listed(tidegate, "--younger-than", "2d", "--older-than", "1h") == [other]
    assert listed(tidegate, "--source", "pro") == []


def test_a_list_says_when_there_are_more_than_its_limit(tidegate: Tidegate, keep: Keep) -> None:
    ids = [keep(hours_ago=n) for n in range(4)]
    assert listed(tidegate, "--limit", "4") == ids
    limited = tidegate("quarantine", "list", "--limit", "3", "--json")
    assert [each["id"] for each in limited.json] == ids[:3]
    assert limited.err == "There are more than 3: narrow the filters, or raise --limit.\n"


def test_ages_are_decided_without_reading_and_heads_are_read_up_to_the_limit(
    tidegate: Tidegate, keep: Keep, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(40):
        keep(hours_ago=n)
    heads: list[str] = []
    original = Quarantine._read

    async def noted(self: Any, listed: Any) -> Any:
        heads.append(listed.id)
        return await original(self, listed)

    monkeypatch.setattr(Quarantine, "_read", noted)
    assert len(listed(tidegate, "--older-than", "37h")) == len(heads) == 3
    heads.clear()
    listed(tidegate, "--limit", "2")
    assert len(heads) <= 11


# ----------------------------------------------------------------------------------- show


def test_a_record_is_shown_at_80_columns(in_utc: None) -> None:
    kept = record()
    items = items_of(kept, mapping_of=no_mapping)
    lines = shown_record(kept, items, 80, NOW)
    assert "\n".join(each.plain.rstrip() for each in lines) == (
        "8tzh2k  NoRoute\n"
        "  reason       event '/a#1' of type order.created: no route matches it (add a\n"
        "               route for it)\n"
        "  kept         08:48 UTC, 3 h 12 min ago\n"
        "  source       queue:orders\n"
        "  format       message\n"
        "  key          queue:orders/ce:/a#1\n"
        "  id           message-0123456789abcdef01234567\n"
        "  stored as    s3://records/quarantine/message-0123456789abcdef01234567.json\n"
        "  sha256       e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n"
        "\n"
        "  tidegate-way queue:orders\n"
        "  message-id   5f2e\n"
        "\n"
        "  item 1       com.example.incident.reported about order/1, key /ce:/a#1\n"
        "\n"
        "original, 124 bytes\n"
        "{\n"
        '  "specversion": "1.0",\n'
        '  "id": "1",\n'
        '  "source": "/a",\n'
        '  "type": "com.example.incident.reported",\n'
        '  "subject": "order/1",\n'
        '  "data": {}\n'
        "}"
    )


def test_a_record_is_shown_at_45_columns(in_utc: None) -> None:
    kept = record()
    items = items_of(kept, mapping_of=no_mapping)
    lines = shown_record(kept, items, 45, NOW)
    assert "\n".join(each.plain.rstrip() for each in lines) == (
        "8tzh2k  NoRoute\n"
        "  reason       event '/a#1' of type\n"
        "               order.created: no route\n"
        "               matches it (add a route for\n"
        "               it)\n"
        "  kept         08:48 UTC, 3 h 12 min ago\n"
        "  source       queue:orders\n"
        "  format       message\n"
        "  key          queue:orders/ce:/a#1\n"
        "  id\n"
        "    message-0123456789abcdef01234567\n"
        "  stored as\n"
        "    s3://records/quarantine/message-0123456789abcdef01234567.json\n"
        "  sha256\n"
        "    e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n"
        "\n"
        "  tidegate-way queue:orders\n"
        "  message-id   5f2e\n"
        "\n"
        "  item 1       com.example.incident.reported\n"
        "               about order/1, key /ce:/a#1\n"
        "\n"
        "original, 124 bytes\n"
        "{\n"
        '  "specversion": "1.0",\n'
        '  "id": "1",\n'
        '  "source": "/a",\n'
        '  "type": "com.example.incident.reported",\n'
        '  "subject": "order/1",\n'
        '  "data": {}\n'
        "}"
    )


def test_a_record_is_named_by_its_handle_its_id_or_the_beginning_of_that(
    tidegate: Tidegate, keep: Keep
) -> None:
    id = keep()
    keep(b"{}", format="s3")
    for name in (handle_of(id), id, id[:-1], "mes"):
        assert tidegate("quarantine", "show", name, "--json").json["id"] == id


def test_a_name_that_fits_several_exits_with_2_and_says_which(
    tidegate: Tidegate, keep: Keep
) -> None:
    ids = [keep() for _ in range(7)]
    result = tidegate("quarantine", "show", "message-")
    assert result.code == 2
    error, next = result.err.splitlines()
    assert error.startswith("AmbiguousId: 'message-' fits several: ")
    assert sum(handle_of(id) in error for id in ids) == 5
    assert error.endswith(" and others")
    assert next.startswith("  next: type the handle")


@pytest.mark.parametrize(
    ("command", "name"),
    [
        *(("show", name) for name in ("bcdfgh", "message-0", "", "../x", "a b", "\x1b[2J")),
        ("replay", "x" * 5000),
        ("delete", "bcdfgh"),
    ],
)
def test_a_name_that_fits_none_exits_with_1_and_a_next_step(
    tidegate: Tidegate, keep: Keep, workflows: MemoryWorkflows, command: str, name: str
) -> None:
    keep()
    result = tidegate("quarantine", command, "--", name)
    assert result.code == 1
    assert result.err.startswith("DocumentNotFound: no quarantine record ")
    assert (
        result.err.splitlines()[-1] == "  next: `tidegate quarantine list --all` has their handles"
    )
    assert len(result.err) < 1000


def test_shells_complete_the_newest_records(keep: Keep) -> None:
    ids = [keep(hours_ago=n) for n in range(60)]
    assert [named.id for named in asyncio.run(newest_records())] == ids[:50]


def test_an_original_is_written_byte_for_byte(
    tidegate: Tidegate,
    keep: Keep,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    body = b"\xff\x00 not text \r\n"
    id = keep(body)
    file = tmp_path / "original"
    result = tidegate("quarantine", "show", id, "--output", str(file))
    assert (result.code, result.out) == (0, "")
    assert file.read_bytes() == body
    written = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr(sys, "stdout", written)
    tidegate("quarantine", "show", id, "--body")
    assert written.buffer.getvalue() == body


class Screen(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("body", "code"), [(b'{"a": "\xc3\xbc"}\n', 0), (b"\x1b[2J", 2), (b"\xff", 2)]
)
def test_a_terminal_gets_no_original_that_it_would_obey(
    tidegate: Tidegate, keep: Keep, monkeypatch: pytest.MonkeyPatch, body: bytes, code: int
) -> None:
    id = keep(body)
    screen = Screen(io.BytesIO())
    monkeypatch.setattr(sys, "stdout", screen)
    assert tidegate("quarantine", "show", id, "--body").code == code
    assert screen.buffer.getvalue() == (b"" if code else body)  # type: ignore[attr-defined]


def test_a_long_original_is_shown_in_part(tidegate: Tidegate, keep: Keep) -> None:
    id = keep(b"x" * 1_000_000)
    shown = tidegate("quarantine", "show", id).out
    assert len(shown) < 6_000
    assert (
        f"original, 1,000,000 bytes, of which this is the beginning; `tidegate quarantine show "
        f"{handle_of(id)} --body` has all of it\n"
    ) in shown


def test_a_record_whose_mapping_is_not_here_is_shown_without_its_items(
    tidegate: Tidegate, keep: Keep
) -> None:
    id = keep(b"{}", format="mapped", way="webhook:prod")
    result = tidegate("quarantine", "show", id)
    assert result.code == 0
    assert "original, 2 bytes" in result.out
    assert "What it holds cannot be read here: TIDEGATE_WEBHOOKS is not set" in result.err


# --------------------------------------------------------------------------------- replay


def test_a_replay_says_what_became_of_the_event(
    tidegate: Tidegate, keep: Keep, workflows: MemoryWorkflows, settles: dict[str, Outcome]
) -> None:
    id = keep()
    first = tidegate("quarantine", "replay", handle_of(id))
    assert first.code == 0
    assert first.out.startswith(f"{handle_of(id)}  accepted: workflow ")
    second = tidegate("quarantine", "replay", id)
    assert second.code == 0
    assert second.out.startswith(f"{handle_of(id)}  duplicate: workflow ")


def test_a_replay_that_a_workflow_refuses_afterwards_exits_with_1(
    tidegate: Tidegate, keep: Keep, workflows: MemoryWorkflows, settles: dict[str, Outcome]
) -> None:
    id = keep(2)
    refused = Outcome(result=Result.REFUSED, code="InvalidReport", reason="no title", record="s3-1")
    opened = OpenedIncident(id="incident:a@1", title="Down", status="open")
    settles["0-1"] = Outcome(result=Result.ACCEPTED, incident=opened)
    settles["0-2"] = refused
    result = tidegate("quarantine", "replay", id)
    assert result.code == 1
    assert result.out.splitlines() == [
        f"{handle_of(id)}  2 items: 1 accepted, 1 refused",
        f"  item 2: refused: InvalidReport: no title; quarantined as {handle_of('s3-1')}",
        f"  next: tidegate quarantine show {handle_of('s3-1')}",
    ]


def test_a_replay_of_which_nothing_is_known_in_time_exits_with_3(
    tidegate: Tidegate, keep: Keep, workflows: MemoryWorkflows, settles: dict[str, Outcome]
) -> None:
    id = keep()
    settles["0-1"] = Outcome(result=Result.UNKNOWN, reason="no worker has taken it")
    result = tidegate("quarantine", "replay", id)
    assert (result.code, result.out.splitlines()) == (
        3,
        [f"{handle_of(id)}  not known yet: no worker has taken it", "  next: tidegate doctor"],
    )


def test_a_replay_that_temporal_does_not_take_exits_with_3_and_waits_for_nothing(
    tidegate: Tidegate, keep: Keep, workflows: MemoryWorkflows, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unavailable(event: Event) -> None:
        raise TemporalUnavailable("unavailable")

    monkeypatch.setattr(workflows, "before", unavailable)
    keep()
    assert tidegate("quarantine", "replay", "--all").code == 3


def test_one_item_of_a_record_is_replayed(
    tidegate: Tidegate, keep: Keep, workflows: MemoryWorkflows
) -> None:
    id = keep(3)
    replayed = tidegate("quarantine", "replay", id, "--item", "2", "--no-wait", "--json")
    [receipt] = replayed.json[id]
    assert (receipt["item"], receipt["event_id"], receipt["verdict"]) == (2, "0-2", "started")
    assert receipt["outcome"]["result"] == "accepted"
    assert [event.id for event in workflows.calls] == ["0-2"]
    [listed] = tidegate("quarantine", "list", "--json").json
    assert not listed["settled"]
    assert "1 of 3 replayed" in tidegate("quarantine", "list").out


def test_an_item_that_is_not_there_exits_with_1(
    tidegate: Tidegate, keep: Keep, workflows: MemoryWorkflows
) -> None:
    id = keep(3)
    result = tidegate("quarantine", "replay", id, "--item", "4")
    assert result.code == 1
    assert f"{handle_of(id)} has no item 4: it has 3" in result.err
    assert workflows.calls == []


def test_all_are_replayed_the_oldest_first_but_for_what_the_filters_leave_out(
    tidegate: Tidegate, keep: Keep, workflows: MemoryWorkflows
) -> None:
    ids = [keep(hours_ago=n, error=NoRoute("none") if n % 2 else None) for n in range(6)]
    result = tidegate("quarantine", "replay", "--code", "NoRoute", "--no-wait")
    assert result.code == 0
    assert [event.id for event in workflows.calls] == ["5-1", "3-1", "1-1"]
    assert result.out.splitlines()[-1] == "3 records, 3 events: 3 accepted"
    tidegate("quarantine", "replay", "--all", "--no-wait")
    assert [event.id for event in workflows.calls[3:]] == ["4-1", "2-1", "0-1"]
    assert tidegate("quarantine", "replay", "--all").out == "Nothing to replay.\n"
    assert len(ids) == 6


def test_a_dry_run_says_what_would_become_of_each_item_and_does_nothing(
    tidegate: Tidegate, keep: Keep, workflows: MemoryWorkflows
) -> None:
    good = keep(2)
    bad = keep(b"{no json")
    result = tidegate("quarantine", "replay", good, bad, "--dry-run")
    assert result.code == 1
    lines = result.out.splitlines()
    assert lines[0] == f"{handle_of(good)}  2 items: 2 would be accepted"
    assert lines[2].startswith("  item 2: would be accepted: route incident-event, orchestrate ")
    assert lines[3].startswith(f"{handle_of(bad)}  would be refused: InvalidEvent: ")
    assert workflows.calls == []
    assert not any(each["replayed"] for each in tidegate("quarantine", "list", "--json").json)


def test_ctrl_c_ends_a_replay_after_the_record_in_flight(
    tidegate: Tidegate, keep: Keep, workflows: MemoryWorkflows, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [keep(hours_ago=5 - n) for n in range(5)]

    def interrupt(event: Event) -> None:
        if event.id == "1-1":
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(workflows, "before", interrupt)
    result = tidegate("quarantine", "replay", "--all", "--no-wait")
    assert result.code == 130
    assert "Stopped: 2 of 5 records replayed" in result.err
    assert [event.id for event in workflows.calls] == ["0-1", "1-1"]
    assert listed(tidegate) == [ids[4], ids[3], ids[2]]


@pytest.mark.parametrize(
    "arguments",
    [
        ["replay"],
        ["replay", "bcdfgh", "--all"],
        ["replay", "bcdfgh", "--code", "NoRoute"],
        ["replay", "--all", "--item", "1"],
        ["replay", "bcdfgh", "bcdfgj", "--item", "1"],
        ["replay", "bcdfgh", "--item", "0"],
        ["replay", "--all", "--rate", "20"],
        ["replay", "--all", "--rate", "0/s"],
        ["replay", "--all", "--rate", "-1/s"],
        ["replay", "--all", "--rate", "1/d"],
        ["replay", "--all", "--timeout", "-1"],
        ["replay", "--all", "--timeout", "nan"],
        ["replay", "--all", "--timeout", "inf"],
        ["list", "--older-than", "yesterday"],
        ["list", "--limit", "0"],
        ["show", "bcdfgh", "--json", "--body"],
        ["show", "bcdfgh", "--output", "."],
        ["show", "message", "--output", "/nowhere/original"],
        ["delete"],
        ["delete", "--code", "NoRoute", "--yes"],
        ["delete", "bcdfgh", "--all", "--yes"],
        ["delete", "bcdfgh", "--settled", "--yes"],
    ],
    ids=" ".join,
)
def test_wrong_usage_exits_with_2_and_does_nothing(
    tidegate: Tidegate, keep: Keep, workflows: MemoryWorkflows, arguments: list[str]
) -> None:
    keep()
    result = tidegate("quarantine", *arguments)
    assert result.code == 2, result
    assert "Traceback" not in result.err
    assert workflows.calls == []
    assert len(listed(tidegate)) == 1


# --------------------------------------------------------------------------------- delete


def test_records_are_deleted_with_their_notes(
    tidegate: Tidegate, keep: Keep, workflows: MemoryWorkflows, folder: Path
) -> None:
    id, other = keep(), keep()
    tidegate("quarantine", "replay", id, "--no-wait")
    result = tidegate("quarantine", "delete", handle_of(id), "--yes")
    assert (result.code, result.out) == (0, f"{handle_of(id)} deleted\n")
    assert [path.name for path in folder.iterdir()] == [f"{other}.json"]


def test_delete_all_takes_what_the_filters_leave(
    tidegate: Tidegate, keep: Keep, workflows: MemoryWorkflows
) -> None:
    new, old = keep(), keep(hours_ago=50)
    other = keep(hours_ago=60, error=NoRoute("none"))
    tidegate("quarantine", "replay", other, "--no-wait")
    options = ["--all", "--older-than", "2d", "--yes", "--json"]
    assert tidegate("quarantine", "delete", "--settled", *options).json["deleted"] == [other]
    assert tidegate("quarantine", "delete", *options).json == {"deleted": [old], "kept": []}
    assert listed(tidegate) == [new]


def test_a_dry_run_deletes_nothing(tidegate: Tidegate, keep: Keep) -> None:
    ids = [keep(hours_ago=n) for n in range(2)]
    result = tidegate("quarantine", "delete", "--all", "--dry-run")
    assert result.out.splitlines()[-1] == "2 records would be deleted."
    assert tidegate("quarantine", "delete", "--all", "--dry-run", "--json").json == {
        "would_delete": ids
    }
    assert listed(tidegate) == ids


def test_without_a_terminal_nobody_is_asked_and_nothing_deleted(
    tidegate: Tidegate, keep: Keep
) -> None:
    id = keep()
    result = tidegate("quarantine", "delete", id)
    assert result.code == 2
    assert "--yes" in result.err
    assert listed(tidegate) == [id]


@pytest.mark.parametrize(("answer", "code", "left"), [("y", 0, 0), ("n", 1, 3), ("", 1, 3)])
def test_a_person_is_shown_what_would_go_and_asked(
    tidegate: Tidegate,
    keep: Keep,
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
    code: int,
    left: int,
) -> None:
    handles = [handle_of(keep()) for _ in range(3)]
    monkeypatch.setattr("core.cli.quarantine_delete._asks", lambda: True)
    result = tidegate("quarantine", "delete", "--all", stdin=f"{answer}\n".encode())
    assert result.code == code
    assert all(handle in result.err for handle in handles)
    assert "Delete 3 records for good? [y/N] " in result.err
    assert len(listed(tidegate)) == left


def test_a_record_that_is_refused_again_meanwhile_is_kept(
    tidegate: Tidegate, keep: Keep, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    id = keep(hours_ago=1)
    keep()

    def asks() -> bool:
        os.utime(folder / f"{id}.json")
        return True

    monkeypatch.setattr("core.cli.quarantine_delete._asks", asks)
    result = tidegate("quarantine", "delete", "--all", stdin=b"y\n")
    assert (result.code, result.out) == (1, "1 record deleted\n")
    assert f"{handle_of(id)} kept: it was refused again in the meantime\n" in result.err
    assert listed(tidegate) == [id]


def test_a_store_that_fails_in_the_middle_exits_with_3_and_says_what_was_deleted(
    tidegate: Tidegate, keep: Keep, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [keep(hours_ago=n) for n in range(3)]
    original = Quarantine.delete

    async def delete(self: Quarantine, record: QuarantineRecord) -> None:
        if record.id == ids[1]:
            raise StoreUnavailable("unavailable")
        await original(self, record)

    monkeypatch.setattr(Quarantine, "delete", delete)
    result = tidegate("quarantine", "delete", "--all", "--yes")
    assert (result.code, result.out) == (3, "1 record deleted\n")
    assert result.err.startswith("StoreUnavailable: unavailable\n  next: ")
    assert listed(tidegate) == ids[1:]


def test_a_store_that_fails_in_the_middle_of_a_replay_says_what_was_replayed(
    tidegate: Tidegate, keep: Keep, workflows: MemoryWorkflows, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [keep(hours_ago=3 - n) for n in range(3)]
    original = Quarantine.get

    async def get(self: Quarantine, id: str) -> QuarantinedDelivery:
        if id == ids[1]:
            raise StoreUnavailable("unavailable")
        return await original(self, id)

    monkeypatch.setattr(Quarantine, "get", get)
    result = tidegate("quarantine", "replay", "--all", "--no-wait", "--json")
    assert (result.code, list(result.json)) == (3, [ids[0]])
    assert "StoreUnavailable" in result.err
