"""Whatever is posted, verified or not, is answered, and never with 500."""

from __future__ import annotations

import asyncio
import gzip
import json
import tempfile
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.config.settings import Settings
from core.formats.registry import EXTERNAL, kept_body
from core.formats.shared.delivery import Delivery
from core.webhooks.pipeline import Outcome
from core.webhooks.request import Request
from functions_aws.webhook_listener import handler
from tests.support.lambda_runtime import Context
from tests.support.listeners import fresh_process
from tests.support.mangled import (
    ANY_BODIES,
    JSON_BODIES,
    JSON_VALUES,
    MANGLED_BODIES,
    as_bytes,
    mangled,
)
from tests.support.payloads import EVENTS
from tests.support.quarantines import originals
from tests.support.webhooks import Harness, answer_of
from tests.support.workflows_port import MemoryWorkflows, fickle

HOOKS = {
    name.replace("_", "-"): {
        "format": name,
        "max_bytes": 16_384,
        **({"preset": "uptime-kuma"} if name == "mapped" else {}),
    }
    for name in EXTERNAL
}
PAYLOADS = [path.read_bytes() for path in sorted(EVENTS.glob("webhooks/**/*.json"))]
BODIES = (
    ANY_BODIES
    | JSON_BODIES
    | MANGLED_BODIES
    | st.sampled_from(PAYLOADS)
    | mangled(st.sampled_from(PAYLOADS).map(json.loads)).map(as_bytes)
)
HEADERS = st.dictionaries(
    st.sampled_from(
        [
            "ce-id",
            "ce-source",
            "ce-specversion",
            "ce-type",
            "content-encoding",
            "content-type",
            "message-id",
            "sentry-hook-resource",
            "tidegate-way",
            "x-github-delivery",
            "x-github-event",
        ]
    ),
    st.text(max_size=30)
    | st.sampled_from(
        [
            "1.0",
            "application/cloudevents-batch+json",
            "application/json",
            "application/x-www-form-urlencoded",
            "event_alert",
            "gzip",
            "issues",
            "text/plain; charset=utf-16",
        ]
    ),
    max_size=6,
)


def post(
    hook: str, body: bytes, headers: dict[str, str], *, signed: bool, workflows: MemoryWorkflows
) -> tuple[Outcome, list[bytes]]:
    """The answer, and what is in quarantine after it."""

    async def run() -> tuple[Outcome, list[bytes]]:
        with tempfile.TemporaryDirectory() as folder:
            harness = Harness(workflows, Path(folder), HOOKS)
            request = harness.request(body, hook=hook)
            request = Request(
                method="POST", path=request.path, headers={**request.headers, **headers}, body=body
            )
            outcome = await harness.send(harness.sign(request, hook) if signed else request)
            return outcome, [each.body for each in await originals(harness.quarantine)]

    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        return runner.run(run())


@given(
    hook=st.sampled_from(sorted(HOOKS)),
    body=BODIES,
    packed=st.booleans(),
    headers=HEADERS,
    seed=st.integers(0, 100),
)
@example(hook="pagerduty", body=b'{"a": 1, "a": 2}', packed=False, headers={}, seed=0)
@example(hook="slack", body=b'{"a": 1, "a": 2}', packed=False, headers={}, seed=0)
def test_whatever_a_verified_sender_posts_is_settled_or_to_be_sent_again(
    hook: str, body: bytes, packed: bool, headers: dict[str, str], seed: int
) -> None:
    workflows = fickle(seed)
    if packed:
        headers, sent = {**headers, "content-encoding": "gzip"}, gzip.compress(body)
    else:
        sent = body
    outcome, kept = post(hook, sent, headers, signed=True, workflows=workflows)
    status = outcome.response.status
    if hook == "slack" and not outcome.response.body:  # success has an empty body
        assert status == 200
        return
    answer = answer_of(outcome)
    assert status in (200, 202, 400, 413, 415, 503)
    receipts = answer.get("receipts", [])
    verdicts = [receipt["verdict"] for receipt in receipts]
    assert verdicts.count("started") == len(workflows.started)
    assert bool(kept) == ("quarantined" in verdicts)
    format = hook.replace("-", "_")
    without_secrets = kept_body(Delivery(format=format, body=body, headers=headers, unique=""))
    assert set(kept) <= {sent, body, without_secrets}
    if status == 400:
        assert set(verdicts) == {"quarantined"}
    if status == 503:
        assert "retry" in verdicts
    if status in (200, 202):
        assert "retry" not in verdicts


@given(hook=st.sampled_from(sorted(HOOKS)), body=BODIES, headers=HEADERS)
def test_whatever_is_posted_without_verification_starts_nothing_and_leaves_nothing(
    hook: str, body: bytes, headers: dict[str, str]
) -> None:
    workflows = MemoryWorkflows()
    outcome, kept = post(hook, body, headers, signed=False, workflows=workflows)
    assert outcome.response.status in (401, 413)
    assert (workflows.calls, kept) == ([], [])


@given(event=JSON_VALUES)
def test_whatever_lambda_passes_is_answered(event: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "webhooks.yaml"
        file.write_text("{version: 1, hooks: {}}")
        settings = Settings(quarantine=f"file://{folder}", webhooks=file)
        with fresh_process(settings, MemoryWorkflows()):
            answer = handler(event, Context())
    assert answer["statusCode"] in (400, 404, 503)  # 503: it stands behind another gateway
    assert json.loads(answer["body"])["status"] == answer["statusCode"]


BOMB = gzip.compress(b"[" * 200_000_000)
DEEP = b'{"a":' * 2500 + b"1" + b"}" * 2500


@pytest.mark.parametrize("hook", sorted(HOOKS))
@pytest.mark.parametrize(
    ("body", "headers", "statuses"),
    [
        pytest.param(b" " * 20_000_000, {}, {413}, id="a large body"),
        pytest.param(BOMB[:16_000], {"content-encoding": "gzip"}, {413}, id="a bomb"),
        pytest.param(b"[" * 16_000, {}, {400}, id="brackets"),
        pytest.param(DEEP, {}, {400}, id="deep nesting"),
        pytest.param(b'{"n": ' + b"9" * 16_000 + b"}", {}, {200, 202, 400}, id="a long number"),
    ],
)
def test_nothing_that_is_posted_takes_more_memory_than_a_few_times_the_limit(
    hook: str, body: bytes, headers: dict[str, str], statuses: set[int]
) -> None:
    def peak() -> int:
        tracemalloc.start()
        try:
            outcome, _ = post(hook, body, headers, signed=True, workflows=MemoryWorkflows())
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert outcome.response.status in statuses
        return most

    # The first loads what is loaded once; other threads of this process may allocate meanwhile.
    assert min(peak() for _ in range(3)) < 4_000_000
