"""Recorded payloads of the presets, `tests/events/webhooks/presets/NAME/FILE`, and reading them.

`expected.yaml` beside them has a row for each file. `content_type` is JSON and `received` a fixed
day, unless they are in it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import yaml

from core.domain.event import Event
from core.formats.shared.delivery import Malformed
from core.webhooks import presets
from core.webhooks.decode import Decoded, decode
from core.webhooks.endpoints import Endpoint
from core.webhooks.request import Request
from tests.support.webhook_payloads import FOLDER

PAYLOADS: Final = FOLDER / "presets"
RECEIVED: Final = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)


def expected(name: str) -> dict[str, Any]:
    table = yaml.safe_load((PAYLOADS / name / "expected.yaml").read_text(encoding="utf-8"))
    assert isinstance(table, dict)
    return table


CASES = [(name, file) for name in presets.names() for file in expected(name)]


def read_as(
    name: str, file: str, case: dict[str, Any], mapping: dict[str, Any] | None = None
) -> list[Event | Malformed]:
    described = {"format": "mapped", "preset": name, "verify": {"scheme": "none"}}
    endpoint = Endpoint.model_validate(described | ({"mapping": mapping} if mapping else {}))
    request = Request(
        method="POST",
        path="/hooks/here",
        headers={"content-type": case.get("content_type", "application/json")},
        body=(PAYLOADS / name / file).read_bytes(),
    )
    received = datetime.fromisoformat(case["received"]) if "received" in case else RECEIVED
    decoded = decode(request, "here", endpoint, received)
    assert isinstance(decoded, Decoded)
    return [arrival.item for arrival in decoded.arrivals]
