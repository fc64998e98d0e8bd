"""The contract of every document store: a folder, S3 and Azure Blob Storage over HTTP."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import Mock
from uuid import uuid4

import boto3
import pytest
from botocore.exceptions import ClientError

from core import bootstrap
from core.adapters.documents.multipart import PART_BYTES
from core.adapters.documents.s3 import S3DocumentStore
from core.config.settings import Settings
from core.domain.event import DocumentRef
from core.errors import (
    DocumentChanged,
    DocumentExists,
    DocumentNotFound,
    DocumentRefused,
    StoreUnavailable,
)
from core.ports.documents import CHUNK_BYTES
from infra.local.azure.azurite import ACCOUNT, Azurite
from tests.support.documents import (
    CHUNK,
    Place,
    blob_service,
    new_bucket,
    new_container,
    place,
    stream,
)


@pytest.fixture
def folder(tmp_path: Path) -> Place:
    return place(f"file://{tmp_path}/docs/")


@pytest.fixture
def bucket(aws_settings: None) -> Place:
    return place(f"{new_bucket()}/docs/")


@pytest.fixture
def container(azure_settings: None) -> Place:
    return place(f"{new_container()}/docs/")


@pytest.fixture(params=["folder", "bucket", "container"])
def docs(request: pytest.FixtureRequest) -> Place:
    docs: Place = request.getfixturevalue(request.param)
    return docs


@pytest.mark.parametrize(
    "content",
    [b"", b"x", b"\x00\xff\r\n\xed\xa0\x80", CHUNK * 5],
    ids=["nothing", "one byte", "no text", "more than a chunk"],
)
async def test_what_is_written_is_read_back_byte_for_byte(docs: Place, content: bytes) -> None:
    written = await docs.write("a.bin", content)
    assert written.size == len(content)
    assert await docs.read(written) == content
    assert await docs.read("a.bin") == content


async def test_a_document_is_read_in_chunks_of_bounded_size(docs: Place) -> None:
    written = await docs.write("a.bin", *[CHUNK] * 12)
    sizes = [len(chunk) async for chunk in docs.store.read(written)]
    assert max(sizes) <= CHUNK_BYTES
    assert sum(sizes) == 12 * len(CHUNK)


@pytest.mark.parametrize("size", [0, 15, 16, 17, PART_BYTES], ids=str)
async def test_the_beginning_of_a_document_is_read(docs: Place, size: int) -> None:
    written = await docs.write("a.bin", b"x" * size)
    chunks = [chunk async for chunk in docs.store.read(written, first=16)]
    assert b"".join(chunks) == b"x" * min(size, 16)


async def test_s3_sends_no_more_than_the_beginning(bucket: Place) -> None:
    written = await bucket.write("a.bin", CHUNK)
    sent: list[int] = []
    client = boto3.client("s3")
    client.meta.events.register(
        "after-call.s3.GetObject", lambda parsed, **_: sent.append(parsed["ContentLength"])
    )
    assert [chunk async for chunk in S3DocumentStore(client).read(written, first=16)] == [
        CHUNK[:16]
    ]
    assert sent == [16]


async def test_azure_sends_no_more_than_the_beginning(
    container: Place, caplog: pytest.LogCaptureFixture
) -> None:
    written = await container.write("a.bin", CHUNK)
    with caplog.at_level("INFO", logger="azure.core.pipeline.policies.http_logging_policy"):
        chunks = [chunk async for chunk in container.store.read(written, first=16)]
    assert chunks == [CHUNK[:16]]
    assert re.findall(
        r"Response status.*\n(?:.*\n)*?\s*'Content-Length': '(\d+)'", caplog.text
    ) == ["16"]


@pytest.mark.parametrize("extra", [0, 1, len(CHUNK)])
async def test_a_document_larger_than_one_part_is_written_whole(docs: Place, extra: int) -> None:
    chunks = [CHUNK] * (PART_BYTES // len(CHUNK)) + [b"x" * extra]
    written = await docs.write("large.bin", *chunks)
    assert written.size == PART_BYTES + extra
    assert await docs.read(written) == b"".join(chunks)


@pytest.mark.parametrize(
    "name",
    [
        "a b+c%20.txt",
        "100%.txt",
        "%2520%2F.txt",
        "ümläut/日本🔥.md",
        "deep/er/and/deeper.txt",
        "..a",
        "a#b?c=d&e.txt",
        "/".join(["long" * 25] * 10),
    ],
)
async def test_names_are_not_encoded(docs: Place, name: str) -> None:
    written = await docs.write(name, b"content")
    assert written.uri == docs.root + name
    assert await docs.read(name) == b"content"
    assert await docs.names() == [name]


async def test_stat_returns_the_reference_that_write_returned(docs: Place) -> None:
    written = await docs.write("a.txt", b"content")
    assert await docs.store.stat(docs.root + "a.txt") == written
    assert written.size == 7
    assert written.etag
    assert '"' not in written.etag


async def test_a_document_is_overwritten_unless_the_write_is_conditional(docs: Place) -> None:
    await docs.write("a.txt", b"one")
    await docs.write("a.txt", b"two")
    with pytest.raises(DocumentExists):
        await docs.write("a.txt", b"three", if_absent=True)
    assert await docs.read("a.txt") == b"two"


async def test_of_many_concurrent_conditional_writes_one_succeeds(docs: Place) -> None:
    writes = [docs.write("a.txt", b"%d" % n, if_absent=True) for n in range(8)]
    outcomes = await asyncio.gather(*writes, return_exceptions=True)
    [winner] = [n for n, outcome in enumerate(outcomes) if isinstance(outcome, DocumentRef)]
    assert sum(isinstance(outcome, DocumentExists) for outcome in outcomes) == 7
    assert await docs.read("a.txt") == b"%d" % winner


async def test_a_conditional_write_of_several_parts_overwrites_nothing(docs: Place) -> None:
    await docs.write("a.bin", b"one")
    with pytest.raises(DocumentExists):
        await docs.write("a.bin", *[CHUNK] * 40, if_absent=True)
    assert await docs.read("a.bin") == b"one"


@pytest.mark.parametrize("chunks", [1, 40])
async def test_a_write_that_fails_halfway_leaves_nothing(docs: Place, chunks: int) -> None:
    async def breaks_off() -> AsyncIterator[bytes]:
        for _ in range(chunks):
            yield CHUNK
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await docs.store.write(docs.root + "a.bin", breaks_off(), content_type="text/plain")
    assert await docs.names() == []


async def test_a_reference_with_an_etag_reads_that_content_or_fails(docs: Place) -> None:
    one = await docs.write("a.txt", b"one")
    pinned = replace(one, version=None)
    assert await docs.read(pinned) == b"one"
    await docs.write("a.txt", b"two")
    with pytest.raises(DocumentChanged):
        await docs.read(pinned)


async def test_a_missing_document_is_not_found(docs: Place) -> None:
    await docs.write("folder/a.txt", b"one")
    for name in ("nowhere.txt", "folder/a.txt/b", "folder"):
        with pytest.raises(DocumentNotFound):
            await docs.read(name)
    with pytest.raises(DocumentNotFound):
        await docs.store.stat(docs.root + "nowhere.txt")


async def test_a_listing_has_all_documents_under_the_prefix_sorted(docs: Place) -> None:
    for name in ("b/2.txt", "a.txt", "b/10.txt", "b.txt", "c/d/e.txt"):
        await docs.write(name, name.encode())
    assert await docs.names() == ["a.txt", "b.txt", "b/10.txt", "b/2.txt", "c/d/e.txt"]
    assert await docs.names("b") == ["b.txt", "b/10.txt", "b/2.txt"]
    assert await docs.names("b/") == ["b/10.txt", "b/2.txt"]
    assert await docs.names("nowhere/") == []


async def test_a_listing_has_the_references_that_stat_returns(docs: Place) -> None:
    await docs.write("a.txt", b"one")
    [listed] = [document async for document in docs.store.list(docs.root)]
    now = await docs.store.stat(docs.root + "a.txt")
    assert (listed.uri, listed.size, listed.etag) == (now.uri, now.size, now.etag)


async def test_a_listing_says_when_each_document_was_written(docs: Place) -> None:
    before = datetime.now(UTC).replace(microsecond=0)  # S3 and Azure have whole seconds
    await docs.write("a.txt", b"one")
    [listed] = [document async for document in docs.store.list(docs.root)]
    assert before <= listed.modified <= datetime.now(UTC)


async def test_a_document_is_deleted_alone_and_what_is_not_there_is_no_error(docs: Place) -> None:
    written = await docs.write("a.txt", b"one")
    await docs.write("b.txt", b"one")
    for document in (written, written, DocumentRef(uri=docs.root + "nowhere/c.txt")):
        await docs.store.delete(document)
        assert await docs.names() == ["b.txt"]
    await docs.store.delete(DocumentRef(uri=docs.root + "b.txt"))
    assert await docs.names() == []


async def test_a_document_that_was_overwritten_since_is_not_deleted(docs: Place) -> None:
    await docs.write("a.txt", b"one")
    [listed] = [document async for document in docs.store.list(docs.root)]
    await docs.write("a.txt", b"another")
    with pytest.raises(DocumentChanged):
        await docs.store.delete(listed)
    assert await docs.read("a.txt") == b"another"


async def test_a_versioned_bucket_keeps_what_is_deleted_as_an_old_version(
    aws_settings: None,
) -> None:
    docs = place(f"{new_bucket(versioned=True)}/docs/")
    written = await docs.write("a.txt", b"one")
    await docs.store.delete(replace(written, version=None))
    assert await docs.names() == []
    assert await docs.read(written) == b"one"


async def test_documents_outside_the_roots_are_refused(docs: Place) -> None:
    outside = [
        docs.root.removesuffix("/") + "2/a.txt",
        docs.root + "../a.txt",
        docs.root + "b/../../a.txt",
        "s3://another-bucket/docs/a.txt",
        "azure://another/docs/a.txt",
        "file:///etc/passwd",
        "https://example.com/docs/a.txt",
        "a.txt",
    ]
    for uri in outside:
        with pytest.raises(DocumentRefused):
            await docs.store.stat(uri)
        with pytest.raises(DocumentRefused):
            await docs.read(DocumentRef(uri=uri))
        with pytest.raises(DocumentRefused):
            await docs.store.write(uri, stream(b"x"), content_type="text/plain")
        with pytest.raises(DocumentRefused):
            _ = [document async for document in docs.store.list(uri)]
        with pytest.raises(DocumentRefused):
            await docs.store.delete(DocumentRef(uri=uri))


async def test_a_scheme_without_a_store_is_refused_by_name() -> None:
    store = bootstrap.documents(Settings(documents=("ftp://docs/",)))
    with pytest.raises(
        DocumentRefused, match=r"no store for ftp:// \(there are: azure, file, s3\)"
    ):
        await store.stat("ftp://docs/a.txt")


async def test_reports_may_be_written_under_the_root_for_reports(tmp_path: Path) -> None:
    store = bootstrap.documents(Settings(reports=f"file://{tmp_path}/reports/"))
    await store.write(f"file://{tmp_path}/reports/a.md", stream(b"x"), content_type="text/markdown")
    assert (tmp_path / "reports" / "a.md").read_bytes() == b"x"


# ------------------------------------------------------------------------------- folders


async def test_a_symbolic_link_is_not_followed(folder: Place, tmp_path: Path) -> None:
    await folder.write("a.txt", b"one")
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "docs" / "link.txt").symlink_to(tmp_path / "secret.txt")
    (tmp_path / "docs" / "link").symlink_to(tmp_path)
    for name in ("link.txt", "link/secret.txt"):
        with pytest.raises(DocumentRefused, match="leads elsewhere through a symbolic link"):
            await folder.read(name)
        with pytest.raises(DocumentRefused):
            await folder.write(name, b"overwritten")
    assert (tmp_path / "secret.txt").read_text() == "secret"
    assert await folder.names() == ["a.txt"]


async def test_a_folder_that_cannot_be_created_is_transient(tmp_path: Path) -> None:
    (tmp_path / "docs").write_text("a file where the folder should be")
    folder = place(f"file://{tmp_path}/docs/")
    for name in ("a.txt", "b/a.txt"):
        with pytest.raises(StoreUnavailable):
            await folder.write(name, b"one", if_absent=True)


@pytest.mark.parametrize("uri", ["file://docs/a.txt", "file:///docs/a\x00.txt"])
async def test_an_invalid_path_is_refused(uri: str) -> None:
    store = bootstrap.documents(Settings(documents=("file://",)))
    with pytest.raises(DocumentRefused):
        await store.stat(uri)


# -------------------------------------------------------------------------------- clouds


@pytest.fixture
def clouds(aws_settings: None, azure_settings: None) -> None:
    """Settings for both in the environment."""


@pytest.mark.parametrize(
    ("root", "code"),
    [("s3://nowhere-", "NoSuchBucket"), (f"azure://{ACCOUNT}/nowhere-", "ContainerNotFound")],
)
async def test_a_missing_bucket_is_transient(clouds: None, root: str, code: str) -> None:
    docs = place(f"{root}{uuid4().hex}/")
    with pytest.raises(StoreUnavailable, match=code):
        await docs.read("a.txt")
    for chunks in ([b"one"], [CHUNK] * 40):
        with pytest.raises(StoreUnavailable, match=code):
            await docs.write("a.txt", *chunks)
    with pytest.raises(StoreUnavailable, match=code):
        await docs.names()


@pytest.mark.parametrize(
    "uri",
    [
        "s3://bucket/",
        "s3://bucket",
        "s3:///a.txt",
        "s3://Bad Name/a",
        "azure://account/container/",
        "azure://account/container",
        "azure://account",
        "azure:///container/a.txt",
        "azure://example.com#/container/a.txt",
        "azure://account/Bad Name/a.txt",
        "azure://account/co--ntainer/a.txt",
        "azure://account/container/a\x00.txt",
        "azure://account/container/\udc80.txt",
        "azure://account/container/" + "a" * 1025,
    ],
)
async def test_an_invalid_name_is_refused(clouds: None, uri: str) -> None:
    store = bootstrap.STORES[uri.partition("://")[0]]()
    with pytest.raises(DocumentRefused):
        await store.stat(uri)
    with pytest.raises(DocumentRefused):
        await store.write(uri, stream(b"x"), content_type="text/plain")


@pytest.mark.parametrize(
    ("root", "says"),
    [
        ("s3://docs/", "Could not connect to the endpoint"),
        (f"azure://{ACCOUNT}/docs/", "Cannot co"),
    ],
)
async def test_a_server_that_does_not_answer_is_transient(
    clouds: None, monkeypatch: pytest.MonkeyPatch, root: str, says: str, closed_port: int
) -> None:
    stopped = Azurite(closed_port)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{stopped.port}")
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", stopped.connection)
    docs = place(root)
    with pytest.raises(StoreUnavailable, match=says):
        await docs.read("a.txt")
    with pytest.raises(StoreUnavailable):
        await docs.write("a.txt", b"one")


# ------------------------------------------------------------------------------------ S3


async def test_a_reference_with_a_version_reads_that_version(aws_settings: None) -> None:
    docs = place(f"{new_bucket(versioned=True)}/")
    one = await docs.write("a.txt", b"one")
    two = await docs.write("a.txt", b"two")
    assert one.version != two.version
    assert await docs.read(one) == b"one"
    assert await docs.read(two) == b"two"
    assert await docs.store.stat(two.uri) == two
    with pytest.raises(DocumentNotFound):
        await docs.read(replace(one, uri=docs.root + "b.txt"))


async def test_missing_credentials_are_transient(
    aws_settings: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(StoreUnavailable, match="Unable to locate credentials"):
        await place("s3://docs/").read("a.txt")


# ----------------------------------------------------------- whether documents can be written


async def test_the_check_for_writing_leaves_nothing(docs: Place) -> None:
    await docs.write("kept.txt", b"x")
    await docs.store.check_writable(docs.root)
    await docs.store.check_writable(f"{docs.root}not/yet/there/")
    assert await docs.names() == ["kept.txt"]


async def test_nor_does_it_leave_what_lists_do_not_show(
    folder: Place, azure_settings: None, aws_settings: None
) -> None:
    await folder.store.check_writable(folder.root)
    assert not await asyncio.to_thread(Path(folder.root.removeprefix("file://")).exists)

    container = new_container()
    await place(f"{container}/").store.check_writable(f"{container}/")
    with blob_service() as service:
        name = container.rpartition("/")[2]
        seen = ["snapshots", "versions", "uncommittedblobs", "deleted"]
        assert list(service.get_container_client(name).list_blobs(include=seen)) == []

    bucket = new_bucket(versioned=True)
    await place(f"{bucket}/").store.check_writable(f"{bucket}/")
    s3, name = boto3.client("s3"), bucket.removeprefix("s3://")
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=name)
    versions = s3.list_object_versions(Bucket=name)
    assert {"Versions", "DeleteMarkers"} & set(versions) == set()
    s3.close()


@pytest.mark.parametrize("root", ["s3://nowhere-", f"azure://{ACCOUNT}/nowhere-"])
async def test_the_check_for_writing_fails_where_there_is_no_bucket(
    clouds: None, root: str
) -> None:
    docs = place(f"{root}{uuid4().hex}/")
    with pytest.raises(StoreUnavailable):
        await docs.store.check_writable(docs.root)


async def test_the_check_for_writing_fails_where_a_folder_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    docs = place(f"file://{tmp_path}/file/docs/")
    with pytest.raises(StoreUnavailable, match="Not a directory"):
        await docs.store.check_writable(docs.root)


async def test_the_check_for_writing_fails_without_the_permission() -> None:
    denied: Any = {"Error": {"Code": "AccessDenied", "Message": "no s3:PutObject"}}
    client: Any = Mock(
        create_multipart_upload=Mock(side_effect=ClientError(denied, "CreateMultipartUpload"))
    )
    with pytest.raises(StoreUnavailable, match="AccessDenied"):
        await S3DocumentStore(client).check_writable("s3://bucket/quarantine/")
