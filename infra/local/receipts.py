"""What the listeners of a local stack have answered, read out of their logs."""

from __future__ import annotations

import json
from typing import Any

from infra.local.stack import S3_LISTENER, LocalStack


def receipts(
    stack: LocalStack, wanted: str, *, listener: str = S3_LISTENER
) -> list[dict[str, Any]]:
    """A listener's receipts since its last start, for events whose key contains `wanted`."""
    found = []
    for line in stack.processes[listener].output().splitlines():
        if line.startswith("{") and '"receipt"' in line:
            receipt = json.loads(line)["receipt"]
            if wanted in (receipt.get("key") or ""):
                found.append(receipt)
    return found
