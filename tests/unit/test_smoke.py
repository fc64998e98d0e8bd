"""The smoke event: every way takes it, whatever is configured there, and nothing comes of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from core import bootstrap
from core.config.files import load_webhooks
from core.config.settings import Settings
from core.domain.event import DOCUMENT_CREATED, DOCUMENT_REMOVED, Event
from core.domain.smoke import (
    MAX_BYTES,
    SMOKE,
    body,
    document_name,
    event_in,
    is_smoke,
    is_smoke_wire,
    smoke_key,
)
from core.formats.registry import EXTERNAL, MAPPED, read
from core.formats.shared.delivery import Delivery, Malformed, way_headers
from core.formats.shared.queue_format import QueueFormat, queue_format
from core.webhooks import presets
from core.webhooks.request import Request
from core.webhooks.verifiers.base import Signer
from infra.local.environment import HOOK_SECRETS, WEBHOOKS
from tests.support.payloads import delivery, put
from tests.support.webhooks import NOW, Harness
from tests.support.workflows_port import MemoryWorkflows

ID = "0123456789abcdef" * 2
FORMATS = [
    *(name for name in EXTERNAL if name != MAPPED),
    *(f"mapped:{n}" for n in presets.names()),
]
ANYTHING = """\
version: 1
routes:
  - name: all
    match: {exact: {specversion: "1.0"}}
    deliver: start
    workflow: Theirs
    task_queue: theirs
    child_id: "theirs:{tidegatekey}"
"""


def message(text: bytes, read_as: QueueFormat | None = None) -> Delivery:
    read_as = read_as or QueueFormat("message")
    headers = way_headers("queue:theirs") | read_as.headers("2026-03-01T12:00:00Z")
    return Delivery(
        format=read_as.format,
        body=text,
        headers=headers | {"message-id": "1"},
        unique="u",
        mapping=read_as.mapping,
    )


def smoke_of(item: Any) -> tuple[str, str]:
    assert isinstance(item.item, Event)
    return item.item.key, item.item.way


@pytest.mark.parametrize("format", FORMATS)
def test_a_queue_of_any_format_takes_it(format: str) -> None:
    read_as = queue_format(format, lambda name: presets.preset(name).mapping.compiled())
    [arrival] = read(message(body(ID), read_as))
    assert smoke_of(arrival) == (f"smoke:{ID}", "queue:theirs")


def test_it_is_taken_out_of_an_envelope_of_sns() -> None:
    envelope = {
        "Type": "Notification",
        "TopicArn": "arn:aws:sns:eu-west-1:1:t",
        "MessageId": "m",
        "Message": body(ID).decode(),
    }
    [arrival] = read(message(json.dumps(envelope).encode()))
    assert smoke_of(arrival) == (f"smoke:{ID}", "queue:theirs")


@pytest.mark.parametrize("folder", ["", "incidents/", "a/b/"])
def test_an_upload_of_its_name_is_one_in_any_folder(folder: str) -> None:
    [arrival] = read(delivery("s3", put(f"{folder}{document_name(ID)}", "00AB")))
    assert smoke_of(arrival) == (f"smoke:{ID}", "bucket:example-documents")
    assert isinstance(arrival.item, Event)
    assert arrival.item.type == DOCUMENT_CREATED
    assert arrival.item.document, "so that it is validated like any upload"


def test_the_removal_of_its_document_is_the_same_event() -> None:
    removal = put(f"incidents/{document_name(ID)}", "00AC")
    removal["Records"][0]["eventName"] = "ObjectRemoved:Delete"
    [arrival] = read(delivery("s3", removal))
    assert isinstance(arrival.item, Event)
    assert (arrival.item.type, arrival.item.key) == (DOCUMENT_REMOVED, smoke_key(ID))


@pytest.mark.parametrize(
    "name",
    [
        f"{document_name(ID)}.txt",
        f"x{document_name(ID)}",
        document_name(ID)[:-1],
        document_name(ID.upper()),
        f"{document_name(ID)}\n",
        f"{document_name(ID)}/report.md",
    ],
)
def test_an_upload_of_almost_its_name_is_like_any_other(name: str) -> None:
    [arrival] = read(delivery("s3", put(f"incidents/{name}", "00AB")))
    assert isinstance(arrival.item, Event)
    assert not is_smoke(arrival.item.key)


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "1"},
        {"id": ID.upper()},
        {"id": 7},
        {"id": [ID]},
        {"source": "/elsewhere"},
        {"data": {"title": "It burns"}},
        {"subject": "checkout"},
        {"specversion": "0.3"},
        {"tidegatekey": "another"},
        {"time": "2026-03-01T12:00:00Z" + " " * MAX_BYTES},
    ],
    ids=str,
)
def test_whoever_says_more_or_less_than_that_is_not_trusted_with_the_type(
    changes: dict[str, Any],
) -> None:
    other = json.loads(body(ID)) | changes
    [arrival] = read(message(json.dumps(other).encode()))
    assert isinstance(arrival.item, Malformed)


@pytest.mark.parametrize("text", [b"", b"null", b'"tidegate.smoke"', b'["tidegate.smoke"', b"\xff"])
def test_no_other_body_is_one(text: bytes) -> None:
    assert event_in(text) is None


def test_nobody_can_be_trusted_with_its_type() -> None:
    [arrival] = read(
        Delivery(
            format="message",
            body=json.dumps({**json.loads(body(ID)), "data": 1}).encode(),
            headers=way_headers("queue:theirs", trusted=(SMOKE,)),
            unique="u",
        )
    )
    assert isinstance(arrival.item, Event)
    assert not is_smoke(arrival.item.key), "even so it is a message like any other"


@pytest.mark.parametrize(
    "wire", [None, 1, [], {}, {"tidegatekey": 1}, {"tidegatekey": "s3:smoke:"}]
)
def test_what_is_no_smoke_event_in_its_wire_form(wire: object) -> None:
    assert not is_smoke_wire(wire)


# ------------------------------------------------------------------- where it goes


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    routes = tmp_path / "routes.yaml"
    routes.write_text(ANYTHING)
    return Settings(
        routes=routes,
        documents=("s3://example-documents/incidents/",),
        quarantine=f"file://{tmp_path}/quarantine/",
    )


async def test_no_route_has_a_say_in_where_it_goes(settings: Settings) -> None:
    workflows = MemoryWorkflows()
    intake = bootstrap.intake(settings, workflows=workflows)
    uploads = read(delivery("s3", put(f"incidents/{document_name(ID)}", "00AB")))
    messages = read(message(body("f" * 32)))
    receipts = await intake.accept([*uploads, *messages, *messages])
    assert [each.workflow_id for each in receipts] == [
        smoke_key(ID),
        smoke_key("f" * 32),
        smoke_key("f" * 32),
    ]
    assert [each.verdict for each in receipts] == ["started", "started", "duplicate"]
    assert set(workflows.started) == {smoke_key(ID), smoke_key("f" * 32)}


async def test_an_upload_outside_of_the_documents_is_quarantined(settings: Settings) -> None:
    intake = bootstrap.intake(settings, workflows=MemoryWorkflows())
    elsewhere = read(delivery("s3", put(f"elsewhere/{document_name(ID)}", "00AB")))
    [receipt] = await intake.accept(elsewhere)
    assert (receipt.verdict, receipt.code) == ("quarantined", "DocumentRefused")
    assert receipt.key == smoke_key(ID)


HOOKS = load_webhooks(WEBHOOKS).hooks


@pytest.mark.parametrize("hook", HOOKS)
async def test_every_webhook_takes_it_signed_and_none_unsigned(hook: str, tmp_path: Path) -> None:
    workflows = MemoryWorkflows()
    endpoint = HOOKS[hook].model_dump(mode="json", exclude_unset=True)
    secrets = {f"env:{name}": text for name, text in HOOK_SECRETS.items()}
    harness = Harness(workflows, tmp_path, {hook: endpoint}, secrets)
    verifier = harness.table.hooks[hook].verify
    request = Request(
        method="POST",
        path=f"/hooks/{hook}",
        headers={"content-type": "application/json"},
        body=body(ID),
    )
    assert (await harness.send(request)).response.status == 401
    assert workflows.started == {}
    assert isinstance(verifier, Signer)
    keys = [secrets[reference] for reference in verifier.references]
    outcome = await harness.send(verifier.sign(request, keys, NOW))
    assert outcome.response.status in (200, 202)
    assert list(workflows.started) == [smoke_key(ID)]
    [event] = workflows.calls
    assert event.way == f"webhook:{hook}"
