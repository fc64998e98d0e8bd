"""One verified delivery takes bounded memory and time, whatever small items it is made of.

Each body has the largest size that an endpoint accepts, or is as costly as the bounds let pass.
Memory is what tracemalloc counts above the body itself, from the verified request to its receipts.
"""

from __future__ import annotations

import gzip
import time
import tracemalloc
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any, Final

import pytest

from core.formats.registry import EXTERNAL, read
from core.formats.shared.bounds import MAX_EVENTS, MAX_MEMORY, estimated_memory
from core.formats.shared.delivery import Delivery
from core.webhooks.pipeline import Outcome
from tests.support.soak import sampled
from tests.support.webhooks import Harness, answer_of
from tests.support.workflows_port import MemoryWorkflows

BODY: Final = 5_000_000
MEMORY: Final = 64 * 1024 * 1024
SECONDS: Final = 5.0
"""Of CPU; on an idle machine it takes less than one."""
PRESET: Final = {"mapped": {"preset": "uptime-kuma"}}
BATCH: Final = {"content_type": "application/cloudevents-batch+json"}

ITEMS: Final = ("1,", "{},", "[[1]],")
LISTS: Final = {
    "alertmanager": ('{"alerts":[', "]}", {}),
    "message": ("[", "]", BATCH),
    "event_grid": ("[", "]", {}),
    "s3": ('{"Records":[', "]}", {}),
}


def filled(before: str, item: str, after: str, *, size: int = BODY) -> bytes:
    count = (size - len(before) - len(after)) // len(item)
    return f"{before}{item * (count - 1)}{item.rstrip(',')}{after}".encode()


def affordable(before: str, item: str, after: str) -> bytes:
    """As many items as the estimate lets pass."""
    count = MAX_MEMORY // estimated_memory(item) - 10
    size = min(len(before) + count * len(item) + len(after), BODY)
    return filled(before, item, after, size=size)


async def measured(
    folder: Path, format: str, body: bytes, headers: dict[str, Any], *, size: int
) -> Outcome:
    """The answer to a body of this decompressed size, which took no more than it may."""
    hook = format.replace("_", "-")
    harness = Harness(
        MemoryWorkflows(), folder, {hook: {"format": format} | PRESET.get(format, {})}
    )
    await harness.post(b"[]", hook=hook, **headers)  # loads what is loaded once
    tracemalloc.start()
    try:
        outcome = await harness.post(body, hook=hook, **headers)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < MEMORY + (size - len(body))  # decompressed, the body is not there before
    return outcome


@pytest.mark.soak
@pytest.mark.parametrize(
    "format", sampled(EXTERNAL, ["alertmanager", "mapped", "message", "slack"])
)
async def test_five_megabytes_of_small_items_are_refused_unread(
    format: str, tmp_path: Path
) -> None:
    body = filled("[", "[],", "]")
    outcome = await measured(tmp_path, format, body, {}, size=len(body))
    assert outcome.response.status == 400
    assert "too many small values" in answer_of(outcome)["receipts"][0]["reason"]


@pytest.mark.soak
@pytest.mark.parametrize(
    ("format", "item"),
    sampled(
        list(product(LISTS, ITEMS)),
        [("alertmanager", "1,"), ("message", "{},"), ("event_grid", "[[1]],"), ("s3", "1,")],
    ),
)
async def test_as_many_items_as_are_affordable_are_one_refusal(
    format: str, item: str, tmp_path: Path
) -> None:
    before, after, headers = LISTS[format]
    body = affordable(before, item, after)
    outcome = await measured(tmp_path, format, body, headers, size=len(body))
    [receipt] = answer_of(outcome)["receipts"]
    assert receipt["verdict"] == "quarantined"
    assert f"one delivery may hold {MAX_EVENTS:,}" in receipt["reason"]


@pytest.mark.soak
@pytest.mark.parametrize("format", sampled(list(LISTS), ["alertmanager"]))
async def test_a_run_of_malformed_items_is_one_refusal(format: str, tmp_path: Path) -> None:
    before, after, headers = LISTS[format]
    body = f"{before}{'{},' * (MAX_EVENTS - 1)}{{}}{after}".encode()
    outcome = await measured(tmp_path, format, body, headers, size=len(body))
    [receipt] = answer_of(outcome)["receipts"]
    assert receipt["reason"].count(f"{MAX_EVENTS - 1:,} more in a row") == 1


@pytest.mark.soak
@pytest.mark.parametrize("format", sampled(list(LISTS), ["event_grid"]))
def test_what_is_affordable_is_read_in_little_time(format: str) -> None:
    before, after, headers = LISTS[format]
    delivery = Delivery(
        format=format,
        body=affordable(before, "[[1]],", after),
        headers={name.replace("_", "-"): text for name, text in headers.items()},
        unique="u",
    )
    read(delivery)
    begun = time.process_time()
    read(delivery)
    assert time.process_time() - begun < SECONDS


async def test_a_small_request_that_gzip_unfolds_costs_no_more(tmp_path: Path) -> None:
    body = gzip.compress(filled('{"alerts":[', "1,", "]}"))
    assert len(body) < 8_000
    headers = {"content_encoding": "gzip"}
    outcome = await measured(tmp_path, "alertmanager", body, headers, size=BODY)
    assert outcome.response.status == 400


async def test_a_form_of_escapes_costs_no_more(tmp_path: Path) -> None:
    body = b"payload=" + b"%7B" * ((BODY - 8) // 3)
    headers = {"content_type": "application/x-www-form-urlencoded", "x_github_event": "push"}
    outcome = await measured(tmp_path, "github", body, headers, size=len(body))
    assert outcome.response.status in (202, 400)


async def test_a_text_that_one_character_makes_four_times_as_wide_costs_no_more(
    tmp_path: Path,
) -> None:
    body = b'{"a":"\xf0\x9f\x94\xa5' + b"x" * (BODY - 12) + b'"}'
    outcome = await measured(tmp_path, "message", body, {}, size=len(body))
    assert "over the limit" in answer_of(outcome)["receipts"][0]["reason"]


def alert(n: int) -> str:
    return (
        f'{{"status":"firing","labels":{{"alertname":"DiskFull","instance":"host-{n:05d}",'
        f'"job":"node"}},"annotations":{{"summary":"{"x" * 280}"}},'
        f'"startsAt":"2026-01-01T00:00:00Z","fingerprint":"{n:016x}"}},'
    )


def cloudevent(n: int) -> str:
    return (
        f'{{"specversion":"1.0","id":"{n}","source":"/a","type":"t","data":{{"a":"{"x" * 400}"}}}},'
    )


REAL: Final = [("alertmanager", alert), ("message", cloudevent)]


@pytest.mark.soak
@pytest.mark.parametrize(("format", "item"), sampled(REAL, [("message", cloudevent)]))
async def test_the_largest_delivery_of_real_events_fits(
    format: str, item: Callable[[int], str], tmp_path: Path
) -> None:
    before, after, headers = LISTS[format]
    count = min(MAX_EVENTS, BODY // len(item(0)) - 1)
    body = f"{before}{''.join(map(item, range(count))).rstrip(',')}{after}".encode()
    outcome = await measured(tmp_path, format, body, headers, size=len(body))
    assert answer_of(outcome)["counts"] == {"started": count}
