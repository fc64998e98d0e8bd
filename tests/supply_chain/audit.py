"""Looks every pinned package up in an index of advisories: `make audit`.

Exit code 0: no advisory is known for any of them. 1: there are advisories, which are listed. 2:
not every package could be looked up, so that nothing is known of the rest; pip-audit itself calls
that a success. Arguments are passed on to pip-audit, e.g. `-s osv` for another index.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from tests.supply_chain.pins import ROOT, Pin, files, pins

CLEAN: Final = 0
ADVISORIES: Final = 1
UNKNOWN: Final = 2


def batches(pinned: Iterable[Pin]) -> list[str]:
    """Requirements files in which no package has two versions, for all environments alike."""
    lines: list[list[str]] = []
    seen: Counter[str] = Counter()
    for pin in sorted({str(each): each for each in pinned}.values(), key=str):
        if seen[pin.name] == len(lines):
            lines.append([])
        hashes = " ".join(f"--hash={algorithm}:{digest}" for algorithm, digest in pin.digests)
        lines[seen[pin.name]].append(f"{pin} {hashes}\n")
        seen[pin.name] += 1
    return ["".join(each) for each in lines]


def verdict(reports: Iterable[str], expected: int) -> tuple[int, list[str]]:
    """The exit code for pip-audit's reports on so many packages, and the lines that say why."""
    try:
        found: list[dict[str, Any]] = [
            each for report in reports for each in json.loads(report)["dependencies"]
        ]
    except (ValueError, KeyError, TypeError):
        return UNKNOWN, ["error: pip-audit gave no report, so nothing is known of any package"]
    faults = [
        f"{each['name']}=={each['version']}: {advisory['id']}, fixed in "
        f"{', '.join(advisory['fix_versions']) or 'no version yet'}"
        for each in found
        for advisory in each.get("vulns", [])
    ]
    missing = expected - sum("vulns" in each for each in found)
    if missing > 0:
        return UNKNOWN, [
            *faults,
            f"error: {missing} of {expected} packages could not be looked up, so nothing is known "
            "of them: run this where an index of advisories can be reached",
        ]
    if faults:
        return ADVISORIES, faults
    return CLEAN, [f"{expected} packages, no known advisory"]


def _report(requirements: str, arguments: Sequence[str]) -> str:
    """What pip-audit says of the packages of a requirements file, as JSON."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
        file.write(requirements)
        file.flush()
        ran = subprocess.run(
            [Path(sys.executable).with_name("uv"), "run", "--quiet", "--isolated", "--no-project",
             "--with-requirements", "requirements/audit.txt", "python", "-m", "pip_audit",
             "--disable-pip", "--progress-spinner", "off", "--format", "json",
             "-r", file.name, *arguments],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
    if not ran.stdout:
        sys.stderr.write(ran.stderr)
    return ran.stdout


def main(arguments: Sequence[str]) -> int:
    pinned = [pin for file in files() for pin in pins(file)]
    reports = [_report(each, arguments) for each in batches(pinned)]
    code, lines = verdict(reports, len(set(map(str, pinned))))
    for line in lines:
        (sys.stderr if code else sys.stdout).write(f"{line}\n")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
