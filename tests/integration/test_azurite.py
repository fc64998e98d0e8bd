"""Azurite is installed from our own pins, completely or not at all."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from infra.local import npm
from infra.local.azure.azurite import PACKAGES
from infra.local.processes import LocalStackError


def test_every_package_is_pinned_by_its_hash_without_a_registry() -> None:
    packages = json.loads((PACKAGES.pins / "package-lock.json").read_text())["packages"]
    assert packages.pop("")["dependencies"] == {
        "azurite": packages["node_modules/azurite"]["version"]
    }
    assert all(package["integrity"].startswith("sha512-") for package in packages.values())
    assert not [name for name, package in packages.items() if "resolved" in package]


def test_an_installation_is_not_repeated() -> None:
    before = PACKAGES.install().stat()
    assert PACKAGES.installed
    assert PACKAGES.install().stat() == before


def test_a_failed_installation_reports_why_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, closed_port: int
) -> None:
    stopped = f"127.0.0.1:{closed_port}"
    monkeypatch.setenv("npm_config_registry", f"http://{stopped}/")
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "cache"))
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert not PACKAGES.installed
    with pytest.raises(LocalStackError, match="npm ci failed for Azurite") as failed:
        PACKAGES.install()
    assert stopped in failed.value.message
    assert "\n" not in failed.value.message
    assert "registry" in failed.value.fix
    with pytest.raises(SystemExit, match=r"npm ci failed for Azurite: .*\n  next: make npm's"):
        npm.main(PACKAGES, [])
    assert list((tmp_path / "share" / "tidegate").iterdir()) == []
