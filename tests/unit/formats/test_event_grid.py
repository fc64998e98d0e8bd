from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.event import DocumentRef, Event
from core.domain.identity import WORKFLOW_ID_BYTES, workflow_id
from core.errors import InvalidEvent
from core.formats.event_grid import handshake
from core.formats.registry import read
from core.formats.shared.delivery import Delivery, Malformed, way_headers
from tests.support.payloads import recorded
from tests.unit.formats import reading
from tests.unit.formats.reading import by_hook, payload, payload_json

URI = "azure://exampledocs/incidents/2026/db-outage.json"
KEY = "blob:exampledocs/incidents/2026/db-outage.json@00000000000004420000000000028963"
ACCOUNT = (
    "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/documents-rg"
    "/providers/Microsoft.Storage/storageAccounts/exampledocs"
)
AWKWARD = "2025 März/C++ build (red) 100% 🔥.md"


BY_QUEUE = way_headers("queue:uploads")


def items(body: object) -> list[Event | Malformed]:
    return reading.items("event_grid", body, **BY_QUEUE)


def event(body: object, **headers: str) -> Event:
    return reading.event("event_grid", body, **(BY_QUEUE | headers))


def recorded_event(name: str) -> Event:
    return event(payload("event_grid", name))


def refusal(body: object) -> str:
    return reading.refusal("event_grid", body)


def created(*, data: dict[str, Any] | None = None, **changes: Any) -> Any:
    """The recorded upload with fields changed; those set to ... are left out."""
    [body] = payload_json("event_grid", "blob-created")
    body["data"] |= data or {}
    body |= changes
    body["data"] = {name: value for name, value in body["data"].items() if value is not ...}
    return {name: value for name, value in body.items() if value is not ...}


def as_cloudevent(body: Any) -> Any:
    names = {"topic": "source", "eventType": "type", "eventTime": "time"}
    kept = {"subject", "id", "data", *names}
    return {names.get(n, n): value for n, value in body.items() if n in kept} | {
        "specversion": "1.0"
    }


def test_an_upload_becomes_a_document_created_event_like_that_of_s3() -> None:
    assert recorded_event("blob-created").to_wire() == {
        "specversion": "1.0",
        "id": "2026/db-outage.json@00000000000004420000000000028963",
        "source": "azure:blob.exampledocs.incidents",
        "type": "tidegate.document.created",
        "subject": "2026/db-outage.json",
        "time": "2026-03-04T09:17:40.522Z",
        "datacontenttype": "application/json",
        "data": {
            "document": {"uri": URI, "size": 1843, "etag": "0x8D4BCC2E4835CD0"},
            "change": "BlobCreated",
        },
        "tidegatekey": KEY,
        "tidegateway": "account:exampledocs",
        "tidegatescope": "account:exampledocs",
    }


def test_its_attributes_are_those_of_an_upload_to_s3() -> None:
    s3 = read(Delivery(format="s3", body=recorded("s3-put"), unique="u"))[0].item
    assert isinstance(s3, Event)
    ours, theirs = recorded_event("blob-created").to_wire(), s3.to_wire()
    assert ours.keys() == theirs.keys()
    assert ours["data"].keys() == theirs["data"].keys()
    assert ours["data"]["document"].keys() == theirs["data"]["document"].keys()
    assert ours["type"] == theirs["type"]


@pytest.mark.parametrize("name", ["blob-created", "blob-deleted"])
def test_a_change_is_the_same_event_by_both_schemas_and_every_trigger(name: str) -> None:
    [grid] = payload_json("event_grid", name)
    cloud = payload_json("event_grid", f"{name}-cloudevents")
    by_grid = [
        event(body, **way_headers("topic:event-grid"))
        for body in (grid, [grid], cloud, as_cloudevent(grid))
    ]
    queued = Delivery(
        format="event_grid",
        body=payload("event_grid", name),
        headers={**BY_QUEUE, "queue": "servicebus:uploads", "message-id": "5f2e"},
        unique="another",
    )
    [by_queue] = [arrival.item for arrival in read(queued)]
    assert all(result == by_queue for result in by_grid)


def test_the_sender_of_a_webhook_cannot_speak_for_an_account() -> None:
    result = reading.event("event_grid", payload("event_grid", "blob-created"))
    assert (result.key, result.way) == (f"webhook:prod/{KEY}", "webhook:prod")
    assert result.data == recorded_event("blob-created").data


def test_a_removal_is_a_document_removed_event() -> None:
    result = recorded_event("blob-deleted")
    assert (result.type, result.document) == ("tidegate.document.removed", DocumentRef(uri=URI))
    assert result.key == (
        "blob:exampledocs/incidents/2026/db-outage.json"
        "@BlobDeleted:0000000000000442000000000002896B"
    )


def test_a_change_of_tier_is_a_document_changed_event() -> None:
    result = recorded_event("blob-tier-changed")
    assert (result.type, result.data["change"]) == ("tidegate.document.changed", "BlobTierChanged")


def test_a_renamed_blob_is_created_under_its_new_name() -> None:
    result = recorded_event("blob-renamed")
    assert (result.type, result.subject) == ("tidegate.document.created", "2026/final.json")
    assert result.data == {
        "document": {"uri": "azure://exampledocs/incidents/2026/final.json"},
        "change": "BlobRenamed",
        "renamed_from": "azure://exampledocs/incidents/draft of Ada.json",
    }


@pytest.mark.parametrize("name", ["data-lake-upload", "sftp-upload"])
def test_an_upload_in_two_steps_is_one_event_once_its_content_is_written(name: str) -> None:
    result = event(payload("event_grid", name))
    assert result.document == DocumentRef(
        uri="azure://exampledocs/incidents/2026/lake.json",
        size=1843,
        etag="0x8D4BCC2E4835CE1" if name == "data-lake-upload" else "0x8D4BCC2E4835CD0",
    )


def test_the_subject_is_the_name_as_it_is() -> None:
    result = recorded_event("blob-created-awkward-name")
    assert result.subject == AWKWARD
    assert result.document is not None
    assert result.document.uri == f"azure://exampledocs/incidents/{AWKWARD}"
    assert result.document.etag == "0x8D4BCC2E4835CD1"


def test_a_subject_that_lost_characters_is_restored_from_the_url() -> None:
    fixed = recorded_event("blob-created-subject-without-emoji")
    assert fixed == recorded_event("blob-created-awkward-name")


@pytest.mark.parametrize(
    "url",
    [
        "https://exampledocs.blob.core.windows.net/incidents/somewhere/else.json",
        "https://another.blob.core.windows.net/other/2026/db-outage.json",
        "no address at all",
        ...,
    ],
)
def test_the_subject_wins_over_the_url(url: object) -> None:
    assert event(created(data={"url": url})) == recorded_event("blob-created")


def test_the_topics_case_does_not_matter() -> None:
    topic = ACCOUNT.replace("storageAccounts/exampledocs", "StorageAccounts/ExampleDocs")
    assert event(created(topic=topic)).key == KEY


@pytest.mark.parametrize(
    "url",
    [
        "https://exampledocs.blob.core.windows.net/incidents/2026/db-outage.json",
        "https://exampledocs.dfs.core.windows.net/incidents/2026/db-outage.json",
        "https://exampledocs.z12.blob.storage.azure.net/incidents/2026/db-outage.json",
        "https://EXAMPLEDOCS.blob.core.chinacloudapi.cn/incidents/2026%2Fdb-outage.json",
        "http://127.0.0.1:10000/exampledocs/incidents/2026/db-outage.json",
        "http://azurite:10000/exampledocs/incidents/2026/db-outage.json",
    ],
)
def test_account_container_and_path_may_come_from_the_url_alone(url: str) -> None:
    assert event(created(topic="/custom", data={"url": url})).key == KEY
    assert event(created(topic="/custom", subject="?", data={"url": url})).key == KEY


NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=1024).filter(
    lambda name: "\ufffd" not in name
)


@given(NAMES)
def test_every_name_is_the_same_in_both_schemas(name: str) -> None:
    body = created(subject=f"/blobServices/default/containers/incidents/blobs/{name}")
    result = event(body)
    assert event(as_cloudevent(body)) == result
    assert result.subject == name
    assert result.document is not None
    assert result.document.uri == f"azure://exampledocs/incidents/{name}"
    assert len(workflow_id(result.key).encode()) <= WORKFLOW_ID_BYTES


def test_the_longest_name_keeps_its_own_identity() -> None:
    one, other = (
        event(created(subject=f"/blobServices/default/containers/c/blobs/{'ü' * 1023}{tail}"))
        for tail in "ab"
    )
    assert workflow_id(one.key) != workflow_id(other.key)


def test_an_upload_without_a_sequencer_is_identified_by_etag_request_or_id() -> None:
    keys = [
        event(created(data=dict.fromkeys(names, ...))).key
        for names in (
            ("sequencer",),
            ("sequencer", "eTag"),
            ("sequencer", "eTag", "requestId"),
        )
    ]
    assert [key.rpartition("@")[2] for key in keys] == [
        "e.0x8D4BCC2E4835CD0",
        "r.831e1650-001e-001b-66ab-eeb76e000000",
        "i.831e1650-001e-001b-66ab-eeb76e069631",
    ]


def test_a_change_that_keeps_the_etag_is_not_identified_by_it() -> None:
    [tier] = payload_json("event_grid", "blob-tier-changed")
    del tier["data"]["sequencer"]
    assert event(tier).key.endswith("@BlobTierChanged:r.0fdefc06-b01e-0034-39f6-401661000000")


def test_two_uploads_and_a_removal_are_three_events() -> None:
    later = created(data={"sequencer": "00000000000004420000000000028964"})
    removal = created(eventType="Microsoft.Storage.BlobDeleted")
    assert len({event(body).key for body in (created(), later, removal)}) == 3


def test_an_event_of_another_service_is_an_event_of_its_own_type() -> None:
    grid, cloud = (
        recorded_event(f"key-vault-secret-near-expiry{suffix}") for suffix in ("", "-cloudevents")
    )
    assert grid.type == cloud.type == "Microsoft.KeyVault.SecretNearExpiry"
    assert (
        grid.key
        == cloud.key
        == f"queue:uploads/ce:{grid.source}#b170d582-4a3c-4d5e-9f60-718293a4b5c6"
    )
    assert (grid.subject, grid.data) == (cloud.subject, cloud.data)
    assert grid.data["VaultName"] == "example-vault"
    assert grid.extensions == {"dataversion": "1", "metadataversion": "1"}


def test_a_storage_event_that_is_not_about_a_blob_is_an_event_of_its_own_type() -> None:
    assert recorded_event("directory-created").type == "Microsoft.Storage.DirectoryCreated"


def test_a_malformed_event_does_not_affect_the_others() -> None:
    first, bad, last = items(payload("event_grid", "batch-with-one-bad-event"))
    assert isinstance(first, Event)
    assert isinstance(last, Event)
    assert isinstance(bad, Malformed)
    assert bad.error.fix == InvalidEvent.fix
    assert bad.error.message == (
        "event 1: topic is missing: it is neither in the Event Grid schema nor a CloudEvent"
    )


def test_an_empty_array_has_no_events() -> None:
    assert items([]) == []


def test_the_handshake_is_answered_with_its_code_and_is_not_an_event() -> None:
    body = payload_json("event_grid", "subscription-validation")
    for shape in (body, body[0]):
        assert handshake(by_hook("event_grid", shape)) == {
            "validationResponse": "512d38b6-c7b8-40c8-89fe-f46f9e9622b6"
        }
        assert items(shape) == []


def test_a_handshake_without_a_code_is_refused() -> None:
    [body] = payload_json("event_grid", "subscription-validation")
    with pytest.raises(InvalidEvent, match=r"no data\.validationCode"):
        handshake(by_hook("event_grid", body | {"data": None}))


@pytest.mark.parametrize("body", [created(), [created()], [], [7], {}, "text"])
def test_nothing_else_is_a_handshake(body: object) -> None:
    assert handshake(by_hook("event_grid", body)) is None


def test_the_end_of_a_subscription_is_not_an_event() -> None:
    assert items(created(eventType="Microsoft.EventGrid.SubscriptionDeletedEvent")) == []


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"7", "event 0: it is not a JSON object"),
        (
            {"id": "1", "topic": "/t"},
            "event 0: eventType is missing: "
            "it is neither in the Event Grid schema nor a CloudEvent",
        ),
        (
            as_cloudevent(created()) | {"source": None},
            "event 0: not a CloudEvents 1.0 event: source is missing",
        ),
        (
            created(eventTime="yesterday"),
            "event 0: not a CloudEvents 1.0 event: time: Invalid isoformat string: 'yesterday'",
        ),
        (
            {**created(), "data": "text"},
            "event 0: its data is not a JSON object",
        ),
        (
            created(subject="/queueServices/default", data={"url": ...}),
            "event 0: neither its subject and topic nor data.url name a blob",
        ),
        (
            created(subject=None, data={"url": "https://exampledocs.blob.core.windows.net/a"}),
            "event 0: 'https://exampledocs.blob.core.windows.net/a' is not the URL of a blob",
        ),
        (
            created(subject=None, data={"url": "https://[/"}),
            "event 0: 'https://[/' is not the URL of a blob: Invalid IPv6 URL",
        ),
        (created(data={"sequencer": 7}), "event 0: data.sequencer is not a string"),
        (created(data={"eTag": {}}), "event 0: data.eTag is not a string"),
        (
            created(data={"contentLength": -1}),
            "event 0: data.contentLength is not a number of bytes",
        ),
        (
            created(data={"contentLength": True}),
            "event 0: data.contentLength is not a number of bytes",
        ),
    ],
)
def test_an_event_out_of_shape_is_refused_by_name(body: object, message: str) -> None:
    assert refusal(body) == message


def test_a_signature_in_a_url_is_not_quoted() -> None:
    body = payload_json("event_grid", "blob-created")
    first = body[0] if isinstance(body, list) else body
    first["subject"] = "/elsewhere"
    first["data"]["url"] = "https://acct.blob.core.windows.net/x.md?sv=2025&sig=SECRETSIG"
    assert "SECRETSIG" not in refusal(body)


def test_a_url_cannot_move_a_blob_to_another_container() -> None:
    body = payload_json("event_grid", "blob-created")
    first = body[0] if isinstance(body, list) else body
    first["subject"] = "/blobServices/default/containers/documents/blobs/a\ufffd.md"
    first["data"]["url"] = "https://acct.blob.core.windows.net/other/secret.md"
    assert "data.url about another" in refusal(body)


def test_a_time_without_a_zone_is_in_utc() -> None:
    assert (
        event(created(eventTime="2026-03-04T09:15:27.1234567")).time
        == event(created(eventTime="2026-03-04T09:15:27.1234567Z")).time
    )


@pytest.mark.parametrize(
    ("name", "size", "document"),
    [
        ("incidents/sub/", 0, False),
        ("incidents/sub/", 7, True),
        ("incidents/.DS_Store", 6148, False),
        ("Thumbs.db", 4096, False),
        ("incidents/empty.md", 0, True),
    ],
)
def test_markers_of_folders_and_leftovers_of_file_managers_are_no_events(
    name: str, size: int, document: bool
) -> None:
    subject = f"/blobServices/default/containers/uploads/blobs/{name}"
    body = created(subject=subject, data={"contentLength": size})
    assert bool(reading.items("event_grid", body)) is document


def test_what_to_do_about_one_event_of_several_is_said() -> None:
    body = payload_json("event_grid", "key-vault-secret-near-expiry-cloudevents")
    [item] = items([body | {"type": "tidegate.alert"}])
    assert isinstance(item, Malformed)
    assert item.error.message.startswith("event 0: its type 'tidegate.alert' is one of")
    assert "`trusted_types` of its webhook" in item.error.fix
