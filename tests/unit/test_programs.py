from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.programs import MISSING, program


@pytest.fixture(autouse=True)
def path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.delenv(MISSING, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def test_a_program_is_found_under_any_of_its_names(path: Path) -> None:
    installed = path / "alertmanager"
    installed.touch(0o755)
    assert program("prometheus-alertmanager", "alertmanager", package="p") == str(installed)


def test_a_missing_program_skips_the_test_and_names_its_package() -> None:
    with pytest.raises(pytest.skip.Exception, match=r"chromium .*apt-get install chromium-browser"):
        program("chromium", package="chromium-browser")


def test_in_ci_a_missing_program_fails_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MISSING, "fail")
    with pytest.raises(pytest.fail.Exception, match="chromium is not on PATH"):
        program("chromium", package="chromium-browser")
