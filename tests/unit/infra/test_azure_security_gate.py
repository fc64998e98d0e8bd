"""The security gate of the Azure templates finds what is wrong, and a skip that nothing needs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.gates import azure_security
from tests.gates.azure_security import DEV, PROD
from tests.support.azure_snapshot import SNAPSHOTS
from tests.support.programs import missing

ACCOUNT = "Microsoft.Storage/storageAccounts"
EXPRESSION = "[take(format('st{0}', uniqueString(resourceGroup().id)), 24)]"


def seed(example: Path, name: str) -> None:
    """Gives the first storage account old TLS and another name, and the first container readers."""
    snapshot = json.loads(example.read_text(encoding="utf-8"))
    account = next(each for each in snapshot["predictedResources"] if each["type"] == ACCOUNT)
    account["properties"]["minimumTlsVersion"] = "TLS1_0"
    account["name"] = name
    container = next(
        each
        for each in snapshot["predictedResources"]
        if each["type"] == f"{ACCOUNT}/blobServices/containers"
    )
    container["properties"]["publicAccess"] = "Blob"
    container["name"] = f"[format('{{0}}/default/documents', {name.strip('[]')})]"
    example.write_text(json.dumps(snapshot), encoding="utf-8")


def test_old_tls_and_public_blobs_are_found(tmp_path: Path) -> None:
    """Also where the name is an expression, for which checkov alone would report nothing."""
    if not azure_security.CHECKOV.exists():
        missing("There is no checkov: run `make .deploy-tools`")
    copy = Path(shutil.copytree(SNAPSHOTS, tmp_path / "snapshots"))
    seed(copy / f"{DEV}.snapshot.json", "stplain")
    seed(copy / f"{PROD}.snapshot.json", EXPRESSION)
    found = list(azure_security.faults(copy))
    assert [line.partition(" (")[0] for line in found] == [
        f"{DEV}: CKV_AZURE_34",
        f"{DEV}: CKV_AZURE_44",
        f"{PROD}: CKV_AZURE_34",
        f"{PROD}: CKV_AZURE_44",
    ]


def test_a_skip_that_nothing_needs_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    skips = [("CKV_1", (DEV, PROD), "a reason")]
    monkeypatch.setattr(azure_security, "SKIPPED", skips)
    failed = [(DEV, "CKV_1", "a check", "a vault"), (PROD, "CKV_2", "another", "a site")]
    monkeypatch.setattr(azure_security, "failures", lambda _: failed)
    assert list(azure_security.faults(SNAPSHOTS)) == [
        f"{PROD}: CKV_2 (another) fails for a site",
        f"{PROD}: CKV_1 passes: remove its skip",
    ]


def test_every_skip_has_a_reason() -> None:
    assert all(len(reason) > 10 for _, _, reason in azure_security.SKIPPED)


@pytest.mark.parametrize(
    "counts", [{"parsing_errors": 1, "passed": 9}, {"parsing_errors": 0, "passed": 0}]
)
def test_snapshots_that_cannot_be_read_are_an_error(counts: dict[str, int]) -> None:
    for printed in (counts, {"summary": counts, "results": {"failed_checks": []}}):
        with pytest.raises(RuntimeError, match="checkov could not read the snapshots"):
            azure_security.failed_in(json.dumps(printed))


def test_every_resource_has_a_plain_name_of_its_own() -> None:
    given: list[dict[str, Any]] = [
        {"type": "a", "name": "[guid('x')]"},
        {"type": "a", "name": "[guid('y')]"},
        {"type": "a", "name": "same"},
        {"type": "a", "name": "same"},
        {"type": "b", "name": "same"},
    ]
    template = azure_security.as_template({"predictedResources": given})
    names = [each["name"] for each in template["resources"]]
    assert names == ["expression0", "expression1", "same", "same3", "same"]
