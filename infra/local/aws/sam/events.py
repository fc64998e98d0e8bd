"""The events of `infra/aws/events`: what each has to do, and whether it did.

`infra/aws/expected.json` says it for each: how many workflows it starts, how many originals are
quarantined (`keeps`), and, for a request, the status of the answer.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one event did. `problems` is empty when that is what it has to do; `invocation` is None
    when there was none."""

    event: str
    invocation: Invocation | None
    problems: Sequence[str]

    @property
    def mark(self) -> str:
        return "[red]failed[/]" if self.problems else "[green]ok[/]"


def expectations() -> dict[str, dict[str, int]]:
    """What each event has to do, by its name."""
    found: dict[str, dict[str, int]] = json.loads((AWS / "expected.json").read_text())
    return found


def event_file(name: str) -> Path:
    return AWS / "events" / f"{name}.json"


def function_of(name: str) -> str:
    """The template's name of an event's function: `S3Listener` for `s3-listener.sns`."""
    return "".join(word.title() for word in name.partition(".")[0].split("-"))


def problems(name: str, expected: Mapping[str, int], found: Invocation, kept: int) -> list[str]:
    """Where what an invocation did is not what its event has to do; `kept` is how many originals
    the quarantine has more since."""
    wanted = {"started": expected["starts"], "quarantined": expected.get("keeps", 0)}
    verdicts = _verdicts(found)
    said = [
        f"{verdicts.count(verdict)} {verdict}, not {count}"
        for verdict, count in wanted.items()
        if verdicts.count(verdict) != count
    ]
    if other := sorted(set(verdicts) - set(wanted)):
        said.append(f"receipts say {', '.join(other)}")
    if kept != wanted["quarantined"]:
        said.append(f"{kept} more in quarantine, not {wanted['quarantined']}")
    if (answer := _telling(name, found.answer)) != (right := _right(name, expected)):
        said.append(f"answered {json.dumps(answer)}, not {json.dumps(right)}")
    return said


def table(rows: Sequence[Row]) -> Table:
    """The rows as a person reads them."""
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
        escape(json.dumps(_telling(row.event, row.invocation.answer))),
        *(str(verdicts.count(verdict)) for verdict in ("started", "quarantined")),
        f"{row.invocation.seconds:.1f}",
    ]


def _verdicts(found: Invocation) -> list[str]:
    return [str(receipt.get("verdict")) for receipt in found.receipts]


def _telling(name: str, answer: Any) -> Any:
    """What of an answer is known beforehand: a status, failures, or how many receipts there are."""
    if name.startswith("webhook-listener"):
        return answer.get("statusCode") if isinstance(answer, dict) else answer
    return len(answer) if isinstance(answer, list) else answer


def _right(name: str, expected: Mapping[str, int]) -> Any:
    if name.startswith("webhook-listener"):
        return expected["status"]
    return {"batchItemFailures": []} if ".sqs-" in name else expected["starts"]
