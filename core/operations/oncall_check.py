"""What is wrong with an on-call file that is valid: gaps, people without contact, hand-overs that a
change of the clocks breaks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from core import bootstrap
from core.config.settings import Settings
from core.domain.oncall import gaps
from core.domain.oncall.file import OnCallFile
from core.domain.oncall.gaps import Finding
from core.operations.oncall_rota import read_calendars


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What was found. `unset` are the variables that contact methods lack here; `remarks` say what
    could not be read."""

    findings: tuple[Finding, ...]
    remarks: tuple[str, ...]
    unset: Mapping[str, tuple[str, ...]]


async def check(settings: Settings, file: OnCallFile, now: datetime) -> Checked:
    """What is wrong with a file, as far as its calendars can be read here."""
    calendars = await read_calendars(settings, file)
    return Checked(
        findings=tuple(gaps.findings(file, now, calendars)),
        remarks=tuple(
            f"schedule {name}: {remark}"
            for name, remarks in calendars.remarks.items()
            for remark in remarks
        ),
        unset=gaps.unset(file, bootstrap.target_variables(settings)),
    )
