"""A turn of a rotation may be nobody's: then the layers before decide, or nobody is on call."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from core.domain.oncall.file import OnCallFile
from core.domain.oncall.rota import shift_at


def file(*people: Any, below: bool = False) -> OnCallFile:
    rotation = {"every": "week", "start": "2026-01-05"}
    layers = [{"name": "turns", "rotation": rotation | {"people": list(people)}}]
    if below:
        layers.insert(0, {"name": "below", "rotation": rotation | {"people": ["ben"]}})
    return OnCallFile.model_validate(
        {
            "version": 1,
            "people": {id: {"name": id, "time_zone": "UTC"} for id in ("ana", "ben")},
            "schedules": {"web": {"time_zone": "UTC", "layers": layers}},
        }
    )


@pytest.mark.parametrize(
    ("day", "alone", "above_another"),
    [(6, ("ana",), ("ana",)), (13, None, ("ben",)), (20, None, ("ben",)), (27, ("ana",), ("ana",))],
)
def test_in_a_turn_of_nobody_the_layers_before_decide(
    day: int, alone: tuple[str, ...] | None, above_another: tuple[str, ...]
) -> None:
    moment = datetime(2026, 1, day, tzinfo=UTC)
    for below, expected in ((False, alone), (True, above_another)):
        shift = shift_at(file("ana", [], [], below=below).schedules["web"], moment)
        assert (shift.people if shift else None) == expected


@pytest.mark.parametrize("people", [(), ([],), ([], [])])
def test_somebody_takes_turns(people: tuple[Any, ...]) -> None:
    with pytest.raises(ValidationError, match="nobody takes turns: name at least one person"):
        file(*people)
