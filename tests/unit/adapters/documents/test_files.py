"""Temporary files of the file store: what a killed write leaves behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.documents import Place, place

UNFINISHED_WRITE = """
import asyncio, sys
from core.adapters.documents.files import FileDocumentStore

async def chunks():
    yield b"half of it"
    print("written", flush=True)
    await asyncio.Event().wait()

asyncio.run(FileDocumentStore().write(sys.argv[1], chunks(), content_type="text/plain"))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Place:
    return place(f"file://{tmp_path}/")


@pytest.fixture
def abandoned(folder: Place, tmp_path: Path) -> Path:
    """The temporary file of a write whose process was killed."""
    command = [sys.executable, "-c", UNFINISHED_WRITE, f"{folder.root}a.txt"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"written\n"
        process.send_signal(signal.SIGKILL)
    [left] = tmp_path.iterdir()
    return left


def on_disk(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def age(file: Path, *, minutes: int) -> None:
    moment = time.time() - 60 * minutes
    os.utime(file, (moment, moment))


async def test_a_temporary_file_is_not_listed(
    folder: Place, abandoned: Path, tmp_path: Path
) -> None:
    await folder.write("b.txt", b"b")
    assert on_disk(tmp_path) == [abandoned.name, "b.txt"]
    assert await folder.names() == ["b.txt"]


async def test_the_first_write_to_a_folder_deletes_temporary_files_older_than_an_hour(
    folder: Place, abandoned: Path, tmp_path: Path
) -> None:
    age(abandoned, minutes=61)
    await folder.write("b.txt", b"b")
    assert on_disk(tmp_path) == ["b.txt"]


async def test_a_temporary_file_that_may_still_be_written_is_kept(
    folder: Place, abandoned: Path, tmp_path: Path
) -> None:
    age(abandoned, minutes=59)
    await folder.write("b.txt", b"b")
    assert on_disk(tmp_path) == [abandoned.name, "b.txt"]


async def test_a_document_is_never_swept(folder: Place, tmp_path: Path) -> None:
    for name in ("a.txt", ".hidden", "tidegate-a"):
        await folder.write(name, b"a")
        age(tmp_path / name, minutes=600)
    again = place(folder.root)  # as after a restart
    await again.write("b.txt", b"b")
    assert await again.names() == [".hidden", "a.txt", "b.txt", "tidegate-a"]
