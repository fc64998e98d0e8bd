"""How long each kind of object is kept: for ever, unless a parameter says otherwise."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.cloudformation import FRONT_DOOR
from tests.support.deployed_stack import Stack

Days = dict[str, tuple[str, str]]
"""Days after which something is deleted, and the prefix of its key, by the rule's name."""


def kept(bucket: str, **given: str) -> Days:
    """The rules by which current objects of a bucket expire."""
    return {
        rule["Id"]: (rule["ExpirationInDays"], rule.get("Prefix", ""))
        for rule in rules(bucket, **given)
        if "ExpirationInDays" in rule
    }


def rules(bucket: str, **given: str) -> list[dict[str, Any]]:
    found = Stack(FRONT_DOOR, given).resources("S3::Bucket")[bucket]
    listed: list[dict[str, Any]] = found["LifecycleConfiguration"]["Rules"]
    return listed


@pytest.mark.parametrize("bucket", ["DocumentsBucket", "RecordsBucket"])
def test_by_default_nothing_that_is_current_is_deleted(bucket: str) -> None:
    assert kept(bucket) == {}


def test_each_kind_of_object_has_a_retention_of_its_own() -> None:
    given = {
        "DocumentRetentionDays": "30",
        "QuarantineRetentionDays": "60",
        "ReportRetentionDays": "400",
    }
    assert kept("DocumentsBucket", **given) == {"documents": ("30", "")}
    assert kept("RecordsBucket", **given) == {
        "quarantine": ("60", "quarantine/"),
        "reports": ("400", "reports/"),
    }


@pytest.mark.parametrize("bucket", ["DocumentsBucket", "RecordsBucket"])
def test_versions_that_were_replaced_or_deleted_expire_or_are_kept(bucket: str) -> None:
    """What expires in a versioned bucket only becomes an old version: without this rule nothing
    would ever be deleted."""
    [old] = [rule for rule in rules(bucket) if rule["Id"] == "old-versions"]
    assert old["NoncurrentVersionExpiration"] == {"NoncurrentDays": "90"}
    assert old["ExpiredObjectDeleteMarker"] is True
    names = [rule["Id"] for rule in rules(bucket, OldVersionRetentionDays="0")]
    assert "old-versions" not in names
