"""Secrets in variables and files, which need no cloud's SDK."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from core import bootstrap
from core.adapters.secrets.files import MAX_BYTES
from core.config.secrets import Secrets
from core.config.settings import Settings
from core.errors import SettingsError


@pytest.fixture
def kept() -> Secrets:
    return bootstrap.secrets(Settings())


async def test_a_variable_is_a_secret_as_it_is(
    kept: Secrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK", " ünter2 \n")
    assert await kept.get("env:HOOK") == " ünter2 "


async def test_a_variable_that_is_not_set_is_named(kept: Secrets) -> None:
    with pytest.raises(SettingsError) as caught:
        await kept.get("env:NO_SUCH_HOOK")
    assert str(caught.value) == (
        "the secret env:NO_SUCH_HOOK does not exist: the variable is not set "
        "(set it in this process's environment)"
    )


async def test_a_variable_that_is_not_text_is_refused(
    kept: Secrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK", os.fsdecode(b"hunter2\xff"))
    with pytest.raises(SettingsError, match="the secret env:HOOK is not UTF-8"):
        await kept.get("env:HOOK")


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"hunter2", "hunter2"),
        (b"hunter2\n", "hunter2"),
        (b"hunter2\r\n", "hunter2"),
        (b"hunter2\r\n\n", "hunter2"),
        (b"hunter2\r", "hunter2"),
        (b"hunter\n2\n", "hunter\n2"),
        (b" hunter2 \n", " hunter2 "),
        ("ünter2".encode(), "ünter2"),
    ],
)
async def test_a_file_is_a_secret_but_for_the_line_breaks_at_its_end(
    kept: Secrets, tmp_path: Path, content: bytes, value: str
) -> None:
    file = tmp_path / "hook"
    file.write_bytes(content)
    assert await kept.get(f"file:{file}") == value


async def test_a_secret_behind_links_is_read_as_kubernetes_mounts_it(
    kept: Secrets, tmp_path: Path
) -> None:
    (tmp_path / "..2026").mkdir()
    (tmp_path / "..2026" / "hook").write_text("hunter2")
    (tmp_path / "..data").symlink_to("..2026")
    (tmp_path / "hook").symlink_to("..data/hook")
    assert await kept.get(f"file:{tmp_path}/hook") == "hunter2"


async def test_what_is_not_a_file_is_refused(kept: Secrets, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "nowhere", tmp_path, tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(SettingsError, match="there is no such file"):
            await kept.get(f"file:{path}")


@pytest.fixture
def nobody() -> Iterator[None]:
    """Root may read everything, so as root this continues as another user."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    yield
    os.seteuid(user)


@pytest.fixture
def locked() -> Iterator[Path]:
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        file = Path(folder, "hook")
        file.write_text("hunter2")
        file.chmod(0)
        yield file


async def test_a_file_without_read_permission_is_named(
    kept: Secrets, locked: Path, nobody: None
) -> None:
    with pytest.raises(SettingsError, match="this process may not read"):
        await kept.get(f"file:{locked}")


async def test_bytes_that_are_not_text_are_refused_and_not_shown(
    kept: Secrets, tmp_path: Path
) -> None:
    (tmp_path / "hook").write_bytes(b"hunter2\xff")
    with pytest.raises(SettingsError, match=r"is not UTF-8 \(keep it as text") as caught:
        await kept.get(f"file:{tmp_path}/hook")
    assert caught.value.__context__ is None


async def test_a_file_that_is_too_large_is_refused(kept: Secrets, tmp_path: Path) -> None:
    file = tmp_path / "hook"
    file.write_bytes(b"x" * MAX_BYTES)
    assert len(await kept.get(f"file:{file}")) == MAX_BYTES
    (tmp_path / "larger").write_bytes(b"x" * (MAX_BYTES + 1))
    with pytest.raises(SettingsError, match="is larger than 65536 bytes"):
        await kept.get(f"file:{tmp_path}/larger")


def test_a_secret_in_a_variable_loads_no_cloud_and_no_pydantic() -> None:
    code = (
        "import asyncio, sys\n"
        "from core import bootstrap\n"
        "from core.config.settings import Settings\n"
        "kept = bootstrap.secrets(Settings())\n"
        "assert asyncio.run(kept.get('env:HOOK')) == 'hunter2'\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env={**os.environ, "HOOK": "hunter2"},
    )
    assert "core" in done.stdout.split()
    clouds = {"boto3", "botocore", "azure", "msal", "requests", "aiohttp", "pydantic"}
    assert set(done.stdout.split()) & clouds == set()
