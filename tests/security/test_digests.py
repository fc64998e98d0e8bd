"""A digest by which something is told apart cannot be matched by trying: it has 96 bits or more."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from core.domain.incident.alert_counts import fingerprint_of
from core.domain.incident.model import folder_name

CORE: Final = Path(__file__).parents[2] / "core"
HEX: Final = 24
LABELS: Final = {
    "domain/routing/table.py": 12,  # tells operators which table is where
    "adapters/notifiers/apprise.py": 8,  # names the addresses of one target, which operators write
}
"""Digests of what operators write, which are read by people and no identities."""


def test_identities_have_long_digests() -> None:
    short = {
        path.relative_to(CORE).as_posix(): min(lengths)
        for path in CORE.rglob("*.py")
        if (lengths := [*map(int, re.findall(r"hexdigest\(\)\[:(\d+)\]", path.read_text("utf-8")))])
        and min(lengths) < HEX
    }
    assert short == LABELS


def test_the_folder_of_a_report_ends_in_one() -> None:
    assert re.fullmatch(f"a-b-[0-9a-f]{{{HEX}}}", folder_name("a:b"))


def test_a_long_fingerprint_ends_in_one() -> None:
    assert re.fullmatch(f"k+~[0-9a-f]{{{HEX}}}", fingerprint_of("k" * 300))
    assert len(fingerprint_of("k" * 300)) == 120
