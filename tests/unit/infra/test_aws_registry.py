"""The repository of the workers' image: what is pushed is scanned, stays as it is, and is kept."""

from __future__ import annotations

import json
from typing import Any

from tests.support.cloudformation import REGISTRY, WORKERS, resources, template, text

[(ID, REPOSITORY)] = resources(REGISTRY, "ECR::Repository").items()
RULES: list[dict[str, Any]] = json.loads(
    REPOSITORY["LifecyclePolicy"]["LifecyclePolicyText"]["Fn::Sub"].replace("${KeepImages}", "100")
)["rules"]


def test_an_image_is_scanned_and_its_tag_never_moves() -> None:
    assert REPOSITORY["ImageScanningConfiguration"] == {"ScanOnPush": True}
    assert REPOSITORY["ImageTagMutability"] == "IMMUTABLE"
    assert REPOSITORY["EncryptionConfiguration"]["EncryptionType"] == "KMS"


def test_the_repository_outlives_its_stack() -> None:
    resource = template(REGISTRY)["Resources"][ID]
    assert resource["DeletionPolicy"] == resource["UpdateReplacePolicy"] == "Retain"


def test_the_newest_images_are_kept_and_unfinished_uploads_are_not() -> None:
    unfinished, old = sorted(RULES, key=lambda rule: int(rule["rulePriority"]))
    assert unfinished["selection"]["tagStatus"] == "untagged"
    assert old["selection"] == {
        "tagStatus": "any",
        "countType": "imageCountMoreThan",
        "countNumber": 100,
    }
    assert template(REGISTRY)["Parameters"]["KeepImages"]["MinValue"] >= 10


def test_the_workers_take_the_outputs() -> None:
    outputs = {
        name: text(output["Value"]) for name, output in template(REGISTRY)["Outputs"].items()
    }
    assert outputs == {
        "RepositoryUri": "Repository.RepositoryUri",
        "RepositoryArn": "Repository.Arn",
    }
    assert "ImageRepositoryArn" in template(WORKERS)["Parameters"]
