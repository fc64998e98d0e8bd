"""What the listeners of a local stack have answered, read out of their logs."""

from __future__ import annotations

import json
from typing import Any

from infra.local.stack import LocalStack


def receipts(stack: LocalStack, wanted: str, *, listener: str) -> list[dict[str, Any]]:
    """A listener's receipts since its last start, for events whose key contains `wanted`."""
    found = []
    for line in stack.processes[listener].output().splitlines():
        if line.startswith("{") and '"receipts"' in line:
            receipts = json.loads(line)["receipts"]
            found += [receipt for receipt in receipts if wanted in (receipt.get("key") or "")]
    return found
