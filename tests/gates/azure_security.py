"""Checkov over what the examples in infra/azure deploy.

It cannot be given the templates: its reader of Bicep fails on them, and it does not look into the
nested deployments that modules are compiled to. The snapshots hold every resource, evaluated.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.support.azure_snapshot import EXAMPLES, ROOT, SNAPSHOTS

CHECKOV = ROOT / ".venv-deploy" / "bin" / "checkov"
SUFFIX = ".snapshot.json"

DEV, PROD = "main.dev", "main.prod"
SKIPPED: list[tuple[str, tuple[str, ...], str]] = [
    # The function app
    ("CKV_AZURE_17", (DEV, PROD), "senders prove themselves by signatures, not certificates"),
    ("CKV_AZURE_212", (DEV, PROD), "Flex Consumption counts instances itself; two with zones"),
    ("CKV_AZURE_213", (DEV, PROD), "Flex Consumption has no health check of its instances"),
    ("CKV_AZURE_222", (DEV, PROD), "webhooks come from the internet"),
    ("CKV_AZURE_225", (DEV,), "several zones are paid for with always-ready instances"),
    # Storage
    ("CKV_AZURE_35", (DEV,), "without a private network, identities alone are the lock"),
    ("CKV_AZURE_59", (DEV,), "without a private network, identities alone are the lock"),
    ("CKV_AZURE_59", (PROD,), "the firewall denies everybody but `allowedIpRanges`"),
    ("CKV_AZURE_206", (DEV, PROD), "data stays in its region, in production in all of its zones"),
    # The vault
    ("CKV_AZURE_41", (DEV,), "the credential's own expiry is not known here"),
    ("CKV_AZURE_42", (DEV,), "it is recoverable for a week; the check wants purge protection"),
    ("CKV_AZURE_109", (DEV,), "without a private network, identities alone are the lock"),
    ("CKV_AZURE_110", (DEV,), "an environment for trials can be made again under its name"),
    ("CKV_AZURE_189", (DEV,), "without a private network, identities alone are the lock"),
    # The registry
    ("CKV_AZURE_139", (DEV,), "without a private network, identities alone are the lock"),
    ("CKV_AZURE_139", (PROD,), "the firewall denies everybody but `allowedIpRanges`, who push"),
    ("CKV_AZURE_166", (DEV, PROD), "a scanner of yours has to release images first"),
    ("CKV_AZURE_233", (DEV,), "several zones need the Premium registry"),
]
"""Checks that do not hold, the examples in which they do not, and why."""


def faults(snapshots: Path) -> Iterator[str]:
    """One line for each failed check that is not skipped, and for each skip of one that passes."""
    skipped = {(example, check) for check, examples, _ in SKIPPED for example in examples}
    failed = set()
    for example, check, name, resource in failures(snapshots):
        failed.add((example, check))
        if (example, check) not in skipped:
            yield f"{example}: {check} ({name}) fails for {resource}"
    for example, check in sorted(skipped - failed):
        yield f"{example}: {check} passes: remove its skip"


def failures(snapshots: Path) -> list[tuple[str, str, str, str]]:
    """Example, check, its name and the resource, for each failed check."""
    with TemporaryDirectory() as folder:
        for path in sorted(snapshots.glob(f"*{SUFFIX}")):
            template = as_template(json.loads(path.read_text(encoding="utf-8")))
            example = path.name.removesuffix(SUFFIX)
            (Path(folder) / f"{example}.json").write_text(json.dumps(template), encoding="utf-8")
        options = ("--framework", "arm", "--output", "json", "--quiet", "--skip-download")
        done = subprocess.run(
            [CHECKOV, "--directory", folder, *options], capture_output=True, text=True, check=False
        )
    return failed_in(done.stdout)


def failed_in(printed: str) -> list[tuple[str, str, str, str]]:
    """The failed checks of checkov's report; raises RuntimeError where it has checked nothing."""
    report = json.loads(printed)
    # Where it finds no resource, it prints the numbers alone.
    summary = report.get("summary", report)
    if summary["parsing_errors"] or not summary["passed"]:
        raise RuntimeError(f"checkov could not read the snapshots: {summary}")
    return sorted(
        (
            Path(each["file_path"]).stem,
            each["check_id"],
            each["check_name"],
            each["resource"].removeprefix("Microsoft."),
        )
        for each in report["results"]["failed_checks"]
    )


def as_template(snapshot: dict[str, Any]) -> dict[str, Any]:
    """A plain ARM template of a snapshot's resources.

    Checkov forgets the failed checks of a resource whose name is an expression, and keeps one of
    several resources with a name: each gets a plain name of its own.
    """
    names: set[tuple[str, str]] = set()
    renamed = []
    for index, resource in enumerate(snapshot["predictedResources"]):
        name = "expression" if resource["name"].startswith("[") else resource["name"]
        if name == "expression" or (resource["type"], name) in names:
            name = f"{name}{index}"  # letters and digits: legal for every type
        names.add((resource["type"], name))
        renamed.append({**resource, "name": name})
    return {
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "resources": renamed,
    }


def main() -> int:
    lines = list(faults(SNAPSHOTS))
    checks = len({check for check, _, _ in SKIPPED})
    sys.stdout.write(
        f"Checkov read {len(EXAMPLES)} examples; {checks} checks are skipped in some.\n"
    )
    sys.stderr.writelines(f"{line}\n" for line in lines)
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
