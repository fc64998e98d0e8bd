"""npm's packages, such as Azurite, are installed from our own pins, completely or not at all."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from infra.local import npm
from infra.local.azure.azurite import PACKAGES
from infra.local.npm import Packages
from infra.local.processes import LocalStackError
from tests.support.npm_packages import CONSOLE, TYPESCRIPT


@pytest.mark.parametrize("packages", [PACKAGES, CONSOLE, TYPESCRIPT], ids=lambda each: each.title)
def test_every_package_is_pinned_by_its_hash_without_a_registry(packages: Packages) -> None:
    pinned = json.loads((packages.pins / "package-lock.json").read_text())["packages"]
    manifest = json.loads((packages.pins / "package.json").read_text())
    asked, root = (
        {**each["dependencies"], **each.get("devDependencies", {})}
        for each in (manifest, pinned.pop(""))
    )
    assert asked == root == {name: pinned[f"node_modules/{name}"]["version"] for name in asked}
    assert all(package["integrity"].startswith("sha512-") for package in pinned.values())
    assert not [name for name, package in pinned.items() if "resolved" in package]


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
