"""The Azure store beyond the contract: identity, throttling, and concurrent writers."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web
from azure.storage.blob import ContentSettings

from core import bootstrap
from core.adapters.documents.azure_blob import AzureDocumentStore
from core.config.settings import Settings
from core.domain.event import DocumentRef
from core.errors import (
    DocumentChanged,
    DocumentExists,
    DocumentNotFound,
    DocumentRefused,
    NoRoute,
    StoreUnavailable,
)
from infra.local.azure.azurite import ACCOUNT, Azurite
from tests.support.cli import Tidegate
from tests.support.documents import CHUNK, Place, blob_service, new_container, place, stream

KEY = "c2VjcmV0"
LARGE = 40
"""Chunks of a document that is written in several blocks and read in several ranges."""

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture
def container(azure_settings: None) -> Place:
    return place(f"{new_container()}/")


@pytest.fixture
async def wire() -> AsyncIterator[Callable[[Answer], Awaitable[Place]]]:
    """Makes a place without Azurite: the test itself answers the requests."""
    runners: list[web.AppRunner] = []

    async def serve(answer: Answer) -> Place:
        app = web.Application(client_max_size=100 * len(CHUNK))
        app.router.add_route("*", "/{path:.*}", answer)
        runners.append(web.AppRunner(app))
        await runners[-1].setup()
        site = web.TCPSite(runners[-1], "127.0.0.1", 0)
        await site.start()
        port = runners[-1].addresses[0][1]
        return Place(
            AzureDocumentStore(Azurite(port, key=KEY).connection), f"azure://{ACCOUNT}/docs/"
        )

    yield serve
    for runner in runners:
        await runner.cleanup()


def refusal(status: int, code: str) -> web.Response:
    return web.Response(status=status, headers={"x-ms-error-code": code})


# --------------------------------------------------------------------------------- blobs


@pytest.mark.parametrize("character", ["a", "ü", "日", " "])
async def test_a_name_may_have_1024_characters(container: Place, character: str) -> None:
    name = character * 1023 + "x"
    written = await container.write(name, b"content")
    assert await container.read(written) == b"content"
    assert await container.names() == [name]
    assert await container.names(name) == [name]


@pytest.mark.parametrize("size", [1, LARGE])
async def test_the_content_type_is_stored(container: Place, size: int) -> None:
    await container.write("a.txt", *[CHUNK] * size)
    with blob_service() as service:
        name = container.root.split("/")[3]
        blob = service.get_blob_client(name, "a.txt").get_blob_properties()
    assert blob.content_settings.content_type == "text/plain"


async def test_a_blob_is_not_decompressed(container: Place) -> None:
    with blob_service() as service:
        service.get_blob_client(container.root.split("/")[3], "a.gz").upload_blob(
            b"\x1f\x8b not unpacked", content_settings=ContentSettings(content_encoding="gzip")
        )
    document = await container.store.stat(container.root + "a.gz")
    assert await container.read(document) == b"\x1f\x8b not unpacked"
    assert document.size == len(b"\x1f\x8b not unpacked")


async def test_folders_of_a_hierarchical_namespace_are_not_listed(container: Place) -> None:
    with blob_service() as service:
        service.get_blob_client(container.root.split("/")[3], "folder").upload_blob(
            b"", metadata={"hdi_isfolder": "true"}
        )
    await container.write("folder/a.txt", b"one")
    assert await container.names() == ["folder/a.txt"]


async def test_a_root_may_be_a_whole_account(azure_settings: None) -> None:
    containers = sorted(new_container() for _ in range(2))
    account = place(f"azure://{ACCOUNT}/")
    for container in containers:
        await account.store.write(f"{container}/a.txt", stream(b"one"), content_type="text/plain")
    listed = [document.uri async for document in account.store.list(account.root)]
    assert [uri for uri in listed if uri.rpartition("/")[0] in containers] == [
        f"{container}/a.txt" for container in containers
    ]
    assert listed == sorted(listed)


async def test_a_blob_that_is_overwritten_while_it_is_read_is_not_mixed(container: Place) -> None:
    await container.write("a.bin", *[CHUNK] * LARGE)
    chunks = container.store.read(DocumentRef(uri=container.root + "a.bin"))
    await anext(chunks)
    await container.write("a.bin", *[CHUNK[::-1]] * LARGE)
    with pytest.raises(DocumentChanged):
        _ = [chunk async for chunk in chunks]


async def test_writers_of_one_blob_never_commit_each_others_blocks(container: Place) -> None:
    """Azure drops the blocks of the second one, which may retry."""
    staged, finished = asyncio.Event(), asyncio.Event()

    async def first() -> AsyncIterator[bytes]:
        for _ in range(LARGE):
            yield b"a" * len(CHUNK)
        await staged.wait()

    async def second() -> AsyncIterator[bytes]:
        for _ in range(LARGE):
            yield b"b" * len(CHUNK)
        staged.set()
        await finished.wait()

    uri = container.root + "a.bin"
    late = asyncio.create_task(container.store.write(uri, second(), content_type="text/plain"))
    await container.store.write(uri, first(), content_type="text/plain")
    assert set(await container.read("a.bin")) == set(b"a")
    finished.set()
    with pytest.raises(StoreUnavailable, match="it was written concurrently"):
        await late
    assert set(await container.read("a.bin")) == set(b"a")


# ------------------------------------------------------------------------------ versions


async def test_a_version_is_read_and_returned(wire: Any) -> None:
    asked = []

    async def versioned(request: web.Request) -> web.Response:
        asked.append(
            (request.method, request.query.get("versionid"), "If-Match" in request.headers)
        )
        headers = {"ETag": '"0x1"', "x-ms-version-id": "v2", "x-ms-blob-type": "BlockBlob"}
        if request.method == "PUT":
            return web.Response(status=201, headers=headers)
        headers["Content-Range"] = "bytes 0-2/3"
        status = 206 if request.method == "GET" else 200
        return web.Response(status=status, headers=headers, body=b"two")

    docs: Place = await wire(versioned)
    written = await docs.write("a.txt", b"two")
    assert written == DocumentRef(uri=docs.root + "a.txt", size=3, etag="0x1", version="v2")
    assert await docs.store.stat(written.uri) == written
    assert await docs.read(replace(written, version="v1")) == b"two"
    assert asked == [("PUT", None, False), ("HEAD", None, False), ("GET", "v1", False)]


# ------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (404, "BlobNotFound", DocumentNotFound),
        (404, "ContainerNotFound", StoreUnavailable),
        (409, "BlobArchived", DocumentNotFound),
        (412, "ConditionNotMet", DocumentChanged),
        (400, "InvalidUri", DocumentRefused),
        (400, "InvalidResourceName", DocumentRefused),
        (401, "NoAuthenticationInformation", StoreUnavailable),
        (403, "AuthorizationPermissionMismatch", StoreUnavailable),
        (403, "AuthenticationFailed", StoreUnavailable),
        (409, "ContainerBeingDeleted", StoreUnavailable),
    ],
)
async def test_a_failed_read_is_permanent_or_transient(
    wire: Any, status: int, code: str, error: type[Exception]
) -> None:
    async def refuses(request: web.Request) -> web.Response:
        return refusal(status, code)

    docs: Place = await wire(refuses)
    with pytest.raises(error) as refused:
        await docs.read("a.txt")
    assert f"{docs.root}a.txt" in str(refused.value)
    assert ("Storage Blob Data Contributor" in str(refused.value)) == (status in (401, 403))


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (409, "BlobAlreadyExists", DocumentExists),
        (412, "ConditionNotMet", DocumentExists),
        (412, "LeaseIdMissing", StoreUnavailable),
        (409, "BlobImmutableDueToPolicy", StoreUnavailable),
        (400, "InvalidBlockList", StoreUnavailable),
    ],
)
@pytest.mark.parametrize("size", [1, LARGE])
async def test_a_failed_conditional_write_raises_document_exists_only_if_it_exists(
    wire: Any, size: int, status: int, code: str, error: type[Exception]
) -> None:
    async def refuses(request: web.Request) -> web.Response:
        await request.read()
        if request.query.get("comp") == "block":
            return web.Response(status=201)
        assert request.headers["If-None-Match"] == "*"
        return refusal(status, code)

    docs: Place = await wire(refuses)
    with pytest.raises(error):
        await docs.write("a.txt", *[CHUNK] * size, if_absent=True)


@pytest.mark.parametrize("size", [1, LARGE])
async def test_a_throttled_call_is_retried_with_all_its_bytes(wire: Any, size: int) -> None:
    calls = []

    async def busy(request: web.Request) -> web.Response:
        calls.append((request.query.get("comp"), len(await request.read())))
        if len(calls) == 1:
            return refusal(503, "ServerBusy")
        return web.Response(status=201, headers={"ETag": '"0x1"'})

    docs: Place = await wire(busy)
    assert (await docs.write("a.txt", *[CHUNK] * size)).etag == "0x1"
    sent = [length for comp, length in calls if comp != "blocklist"]
    assert sent[0] == sent[1]
    assert sum(sent[1:]) == size * len(CHUNK)


async def test_a_truncated_response_fails(wire: Any) -> None:
    async def breaks_off(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(
            status=206,
            headers={"ETag": '"0x1"', "Content-Range": "bytes 0-99/100", "Content-Length": "100"},
        )
        await answer.prepare(request)
        await answer.write(b"ten bytes.")
        assert request.transport is not None
        request.transport.close()
        return answer

    docs: Place = await wire(breaks_off)
    with pytest.raises(StoreUnavailable):
        await docs.read("a.txt")


# ---------------------------------------------------------------------- keys and identity


async def test_a_wrong_key_is_transient_and_names_the_fix(
    azurite: Azurite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", Azurite(azurite.port).connection)
    with pytest.raises(StoreUnavailable, match="AuthorizationFailure") as refused:
        await place(f"azure://{ACCOUNT}/docs/").read("a.txt")
    assert "AZURE_STORAGE_CONNECTION_STRING" in refused.value.fix


@pytest.mark.parametrize("text", ["secret", "AccountKey=secret", "AccountName=;x"])
async def test_an_invalid_connection_string_is_transient_and_not_quoted(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", text)
    with pytest.raises(StoreUnavailable) as refused:
        await place(f"azure://{ACCOUNT}/docs/").read("a.txt")
    assert "AZURE_STORAGE_CONNECTION_STRING" in str(refused.value)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("connection", [None, "of another account"])
async def test_a_missing_identity_is_transient(
    azurite: Azurite, monkeypatch: pytest.MonkeyPatch, connection: str | None
) -> None:
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")  # ask no network
    if connection:
        monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", azurite.connection)
    with pytest.raises(StoreUnavailable, match="DefaultAzureCredential") as refused:
        await place("azure://another/docs/").read("a.txt")
    assert "Storage Blob Data Contributor" in refused.value.fix


# --------------------------------------------------------------------------------- loops


def test_a_store_works_on_one_loop_after_another_and_leaves_nothing_open(
    container: Place, caplog: pytest.LogCaptureFixture
) -> None:
    for content in (b"one", b"two"):
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            written = runner.run(container.write("a.txt", content))
            assert runner.run(container.read(written)) == content
    gc.collect()  # what is still open would be complained of
    assert not [record for record in caplog.records if "Unclosed" in record.message]


# ------------------------------------------------------------------------------ commands


def test_quarantine_may_be_a_container(
    tidegate: Tidegate, container: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEGATE_QUARANTINE", container.root)
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        quarantine = bootstrap.quarantine(Settings.from_env())
        runner.run(quarantine.keep_event({"not": "an event"}, NoRoute("nobody wants it")))
    [record] = tidegate("quarantine", "list", "--json").json
    assert record["reason"].startswith("nobody wants it")
    shown = tidegate("quarantine", "show", record["id"])
    assert shown.code == 0
    assert shown.err == ""


def test_doctor_lists_containers_and_writes_where_tidegate_writes(
    tidegate: Tidegate, container: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    documents, quarantine = f"azure://{ACCOUNT}", f"{container.root}quarantine/"
    monkeypatch.setenv("TIDEGATE_DOCUMENTS", documents)
    monkeypatch.setenv("TIDEGATE_QUARANTINE", quarantine)
    checks = {check["name"]: check for check in tidegate("doctor", "--json").json["checks"]}
    assert checks[f"TIDEGATE_DOCUMENTS {documents}"]["detail"] == "can be listed"
    assert checks[f"TIDEGATE_QUARANTINE {quarantine}"]["detail"] == "can be listed and written"


def test_doctor_says_which_role_is_missing(
    tidegate: Tidegate, azurite: Azurite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", Azurite(azurite.port).connection)
    monkeypatch.setenv("TIDEGATE_QUARANTINE", f"azure://{ACCOUNT}/quarantine/")
    checks = {check["name"]: check for check in tidegate("doctor", "--json").json["checks"]}
    check = checks[f"TIDEGATE_QUARANTINE azure://{ACCOUNT}/quarantine/"]
    assert check["outcome"] == "failed"
    assert "Storage Blob Data Contributor" in check["fix"]
