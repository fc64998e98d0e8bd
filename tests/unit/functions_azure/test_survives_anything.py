"""Promise one on Azure: when a function returns, each event of the delivery is started, a duplicate
or quarantined; when it raises, the message is redelivered."""

from __future__ import annotations

import asyncio
import json
import tempfile
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.config.settings import Settings
from core.errors import NotAccepted
from core.formats.registry import read
from core.formats.shared.delivery import Malformed
from core.intake.records import QuarantinedDelivery
from functions_azure import service_bus
from tests.support.azure import fresh_process, function, message
from tests.support.mangled import JSON_VALUES, MANGLED_BODIES, mangled
from tests.support.payloads import recorded_json
from tests.support.quarantines import kept
from tests.support.workflows_port import MemoryWorkflows, fickle

FUNCTIONS = {
    "blob_events_queue": ("event_grid", "BLOB_EVENTS_QUEUE"),
    "messages_queue": ("message", "MESSAGES_QUEUE"),
}
EVENTS = [
    recorded_json(f"webhooks/event_grid/{name}")
    for name in ("blob-created", "blob-created-cloudevents", "batch-with-one-bad-event")
]
BODIES = (
    MANGLED_BODIES
    | (JSON_VALUES | mangled(st.sampled_from(EVENTS))).map(lambda body: json.dumps(body).encode())
    | st.binary(max_size=30)
)
PROPERTIES = st.dictionaries(
    st.text(max_size=8)
    | st.sampled_from(["cloudEvents:specversion", "cloudEvents:id", "tidegate-way", "queue"]),
    JSON_VALUES,
    max_size=4,
)
TYPES = st.none() | st.sampled_from(["application/json", "application/cloudevents-batch+json"])


def deliver(
    name: str, given: Any, workflows: MemoryWorkflows
) -> tuple[bool, list[QuarantinedDelivery]]:
    """Whether the message may be completed, and what is then in quarantine."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            documents=("azure://exampledocs/incidents/",),
            quarantine=f"file://{folder}",
            max_event_bytes=4096,
        )

        async def run() -> tuple[bool, list[QuarantinedDelivery]]:
            try:
                assert await function(name)(given) is None
            except NotAccepted:
                return False, await kept(settings)
            return True, await kept(settings)

        with (
            fresh_process(settings, workflows),
            asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner,
        ):
            return runner.run(run())


@pytest.mark.parametrize("name", FUNCTIONS)
@given(body=BODIES, properties=PROPERTIES, type=TYPES, seed=st.integers(0, 100))
def test_a_message_is_settled_or_abandoned(
    name: str, body: bytes, properties: dict[str, Any], type: str | None, seed: int
) -> None:
    workflows = fickle(seed)
    given = message(body, message_id="5f2e", properties=properties, content_type=type)
    done, records = deliver(name, given, workflows)
    if not done:
        return
    started = {event.key for event in workflows.started.values()}
    is_kept = [record.body for record in records] != [] and records[0].body == body
    format, entity = FUNCTIONS[name]
    delivery = service_bus.delivery(format, given, Settings(), entity=entity)
    for arrival in read(delivery):
        if isinstance(arrival.item, Malformed):
            assert is_kept
        else:
            assert arrival.item.unidentified or arrival.item.key in started or is_kept
