"""The events of `infra/aws/events`: their expected effects, and the comparison with the real ones.

`infra/aws/expected.json` lists for each how many workflows it starts, how many deliveries are
quarantined (`keeps`) and, for a request, the status of the response.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.markup import escape
from rich.table import Table

from infra.local.aws.sam.invoke import Invocation
from infra.local.processes import ROOT

AWS: Final = ROOT / "infra" / "aws"
_HTTP: Final = ("app.", "webhook-listener.")
"""How the names of events begin that are requests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one event did. `problems` is empty if that was as expected; `invocation` is None if
    there was none."""

    event: str
    invocation: Invocation | None
    problems: Sequence[str]

    @property
    def mark(self) -> str:
        return "[red]failed[/]" if self.problems else "[green]ok[/]"


def expectations() -> dict[str, dict[str, int]]:
    """The expected effects of each event, by its name."""
    expected: dict[str, dict[str, int]] = json.loads((AWS / "expected.json").read_text())
    return expected


def event_file(name: str) -> Path:
    return AWS / "events" / f"{name}.json"


def function_of(name: str) -> str:
    """The logical ID of an event's function: `S3Listener` for `s3-listener.sns`."""
    return "".join(word.title() for word in name.partition(".")[0].split("-"))


def problems(
    name: str, expected: Mapping[str, int], invocation: Invocation, kept: int
) -> list[str]:
    """The differences between an invocation's effects and those expected of its event; `kept` is
    how many deliveries it added to the quarantine."""
    wanted = {"started": expected["starts"], "quarantined": expected.get("keeps", 0)}
    verdicts = _verdicts(invocation)
    differences = [
        f"{verdicts.count(verdict)} {verdict}, not {count}"
        for verdict, count in wanted.items()
        if verdicts.count(verdict) != count
    ]
    if other := sorted(set(verdicts) - set(wanted)):
        differences.append(f"receipts say {', '.join(other)}")
    if kept != wanted["quarantined"]:
        differences.append(f"{kept} more in quarantine, not {wanted['quarantined']}")
    if (answer := _comparable(name, invocation.answer)) != (right := _right(name, expected)):
        differences.append(f"answered {json.dumps(answer)}, not {json.dumps(right)}")
    return differences


def table(rows: Sequence[Row]) -> Table:
    """The rows as a table for people."""
    view = Table(title="sam local invoke", title_justify="left")
    for heading in ("event", "answer"):
        view.add_column(heading)
    for heading in ("started", "kept", "seconds"):
        view.add_column(heading, justify="right")
    view.add_column("")
    for row in rows:
        view.add_row(row.event, *_cells(row), row.mark)
    return view


def _cells(row: Row) -> list[str]:
    if row.invocation is None:
        return [""] * 4
    verdicts = _verdicts(row.invocation)
    return [
        escape(json.dumps(_comparable(row.event, row.invocation.answer))),
        *(str(verdicts.count(verdict)) for verdict in ("started", "quarantined")),
        f"{row.invocation.seconds:.1f}",
    ]


def _verdicts(invocation: Invocation) -> list[str]:
    return [str(receipt.get("verdict")) for receipt in invocation.receipts]


def _comparable(name: str, answer: Any) -> Any:
    """The predictable part of a response: a status, failures, or the number of receipts."""
    if name.startswith(_HTTP):
        return answer.get("statusCode") if isinstance(answer, dict) else answer
    return len(answer) if isinstance(answer, list) else answer


def _right(name: str, expected: Mapping[str, int]) -> Any:
    if name.startswith(_HTTP):
        return expected["status"]
    return {"batchItemFailures": []} if ".sqs-" in name else expected["starts"]
