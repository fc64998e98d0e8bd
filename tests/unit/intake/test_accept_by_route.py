"""What a route says of its events, as the intake acts on it: one receipt each, as ever."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from core import bootstrap
from core.config.settings import Settings
from core.domain.event import Event
from core.domain.routing.table import Target
from core.domain.smoke import smoke_key
from core.formats.registry import read
from core.formats.shared.delivery import Arrival
from core.intake.receipts import Receipt
from core.intake.replay import replay
from core.ports.workflows import Sent
from tests.support.payloads import delivery
from tests.support.quarantines import kept, no_mapping
from tests.support.workflows_port import MemoryWorkflows


class Targets(MemoryWorkflows):
    """Remembers the target of each call, with the keys of its events."""

    def __init__(self) -> None:
        super().__init__()
        self.targets: list[Target] = []

    async def start(self, event: Event, target: Target, *, table: str) -> Sent:
        self.targets.append(target)
        return await super().start(event, target, table=table)

    async def signal(
        self, events: Sequence[Mapping[str, Any]], target: Target, *, request_id: str, table: str
    ) -> Sent:
        self.targets.append(target)
        return await super().signal(events, target, request_id=request_id, table=table)


def settings(
    folder: Path, *, max_event_bytes: int = 10_000, otherwise: str = "quarantine", **fields: Any
) -> Settings:
    """With one route, for what a shop sends."""
    route = {
        "name": "orders",
        "match": {"prefix": {"type": "shop."}},
        "workflow": "Order",
        "task_queue": "orders",
        **fields,
    }
    routes = folder / "routes.yaml"
    routes.write_text(json.dumps({"version": 1, "otherwise": otherwise, "routes": [route]}))
    return Settings(
        routes=routes, quarantine=f"file://{folder}/quarantine", max_event_bytes=max_event_bytes
    )


SIGNAL: dict[str, Any] = {
    "deliver": "signal",
    "signal": "ordered",
    "child_id": "customer:{subject}",
}


def orders(*data: Any, customer: str = "c", type: str = "shop.ordered") -> list[Arrival]:
    """Events about one customer, in one delivery."""
    body = [
        {
            "specversion": "1.0",
            "type": type,
            "source": "/shop",
            "id": str(number),
            "subject": customer,
            "data": each,
        }
        for number, each in enumerate(data)
    ]
    return read(delivery("message", body, content_type="application/cloudevents-batch+json"))


async def accepted(
    settings: Settings, arrivals: Sequence[Arrival], workflows: MemoryWorkflows
) -> list[Receipt]:
    return await bootstrap.intake(settings, workflows=workflows).accept(arrivals)


async def test_a_workflow_is_started_with_the_arguments_of_its_route(tmp_path: Path) -> None:
    workflows = Targets()
    by_start = settings(
        tmp_path, deliver="start", child_id="o:{tidegatekey}", input=["subject", "data.total"]
    )
    [receipt] = await accepted(by_start, orders({"total": 7}), workflows)
    assert receipt.verdict == "started"
    assert [target.input for target in workflows.targets] == [["c", 7]]


async def test_where_the_route_makes_arguments_each_event_has_a_signal_of_its_own(
    tmp_path: Path,
) -> None:
    workflows = Targets()
    arrivals = orders({"n": 0}, {"n": 1}, {"n": 2})
    receipts = await accepted(settings(tmp_path, **SIGNAL, input="data.n"), arrivals, workflows)
    assert [receipt.verdict for receipt in receipts] == ["started", "delivered", "delivered"]
    assert [target.input for target in workflows.targets] == [[0], [1], [2]]
    assert len({request for _, request, _ in workflows.signals}) == 3


async def test_without_arguments_events_share_a_signal_as_ever(tmp_path: Path) -> None:
    workflows = Targets()
    await accepted(settings(tmp_path, **SIGNAL), orders({"n": 0}, {"n": 1}), workflows)
    assert [len(keys) for _, _, keys in workflows.signals] == [2]


async def test_of_events_that_share_a_signal_the_first_says_how_it_starts(tmp_path: Path) -> None:
    """One that says it wrongly is refused, also where another would have started the workflow."""
    workflows = Targets()
    by_signal = settings(tmp_path, **SIGNAL, search_attributes={"N": {"int": "data.n"}})
    receipts = await accepted(by_signal, orders({"n": 0}, {"n": "x"}, {"n": 2}), workflows)
    assert [receipt.verdict for receipt in receipts] == ["started", "quarantined", "delivered"]
    [target] = workflows.targets
    assert target.options is not None
    assert target.options.search_attributes == {"N": {"int": 0}}


async def test_an_input_that_yields_nothing_quarantines_that_event_and_no_other(
    tmp_path: Path,
) -> None:
    workflows, by_signal = Targets(), settings(tmp_path, **SIGNAL, input="data.n")
    receipts = await accepted(by_signal, orders({"n": 0}, {"m": 1}, {"n": 2}), workflows)
    assert [receipt.verdict for receipt in receipts] == ["started", "quarantined", "delivered"]
    assert [target.input for target in workflows.targets] == [[0], [2]]
    [record] = await kept(by_signal)
    assert (receipts[1].code, record.code) == ("InvalidInput", "InvalidInput")
    assert "input 'data.n' of route orders yields nothing" in record.reason
    assert "{'m': 1}" in record.reason


async def test_a_small_part_of_a_large_event_fits_a_signal(tmp_path: Path) -> None:
    workflows = Targets()
    by_signal = settings(tmp_path, **SIGNAL, input="data.n")
    [receipt] = await accepted(by_signal, orders({"n": 7, "rest": "x" * 8000}), workflows)
    assert receipt.verdict == "started"
    assert workflows.targets[0].input == [7]


async def test_arguments_that_are_too_large_for_a_signal_are_quarantined(tmp_path: Path) -> None:
    workflows = Targets()
    by_signal = settings(tmp_path, **SIGNAL, input=["data", "data"])
    [receipt] = await accepted(by_signal, orders("x" * 2000), workflows)
    assert (receipt.verdict, receipt.code) == ("quarantined", "InvalidInput")
    assert "have 4,007 bytes, and a signal carries 4,000" in (receipt.reason or "")
    assert workflows.targets == []


async def test_an_event_that_is_too_large_is_refused_whatever_its_route_makes_of_it(
    tmp_path: Path,
) -> None:
    by_signal = settings(tmp_path, max_event_bytes=2000, **SIGNAL, input="id")
    [receipt] = await accepted(by_signal, orders("x" * 3000), Targets())
    assert (receipt.verdict, receipt.code) == ("quarantined", "InvalidEvent")


# ------------------------------------------------------------------------- what no route takes


async def test_what_no_route_takes_is_dropped_where_the_table_says_so(tmp_path: Path) -> None:
    workflows, dropping = Targets(), settings(tmp_path, otherwise="drop")
    arrivals = [*orders(1), *orders(2, type="other")]
    receipts = await accepted(dropping, arrivals, workflows)
    assert [receipt.verdict for receipt in receipts] == ["started", "dropped"]
    dropped = receipts[1]
    assert (dropped.settled, dropped.accepted) == (True, True)
    assert (dropped.workflow_id, dropped.code, dropped.quarantine_uri) == (None, None, None)
    assert "no route matches type 'other'" in (dropped.reason or "")
    assert len(workflows.calls) == 1
    assert await kept(dropping) == []


async def test_without_the_rule_it_goes_to_the_orchestrator_as_ever(tmp_path: Path) -> None:
    workflows = Targets()
    [receipt] = await accepted(settings(tmp_path), orders(1, type="other"), workflows)
    assert receipt.verdict == "started"
    assert [event.type for event in workflows.calls] == ["other"]


async def test_what_is_no_event_is_quarantined_whatever_the_table_drops(tmp_path: Path) -> None:
    dropping = settings(tmp_path, otherwise="drop")
    [receipt] = await accepted(dropping, read(delivery("message", b"not json")), Targets())
    assert receipt.verdict == "quarantined"


async def test_what_its_route_refuses_is_not_dropped(tmp_path: Path) -> None:
    dropping = settings(tmp_path, otherwise="drop", input="data.nowhere")
    [receipt] = await accepted(dropping, orders({}), Targets())
    assert (receipt.verdict, receipt.code) == ("quarantined", "InvalidInput")


async def test_a_smoke_event_is_never_dropped(tmp_path: Path) -> None:
    [arrival] = orders(1, type="other")
    assert isinstance(arrival.item, Event)
    smoke = replace(arrival, item=replace(arrival.item, key=smoke_key("1")))
    [receipt] = await accepted(settings(tmp_path, otherwise="drop"), [smoke], Targets())
    assert receipt.verdict == "started"


async def test_a_replay_of_what_is_dropped_now_is_settled(tmp_path: Path) -> None:
    """Somebody who lacked the rule replays what had gathered."""
    keeping = settings(tmp_path, input="data.nowhere")
    await accepted(keeping, orders({}), Targets())
    [record] = await kept(keeping)
    dropping = settings(tmp_path, otherwise="drop", match={"exact": {"type": "nothing"}})
    intake = bootstrap.intake(dropping, workflows=Targets())
    await replay(bootstrap.quarantine(dropping), intake, record.id, mapping_of=no_mapping)
    [record] = await kept(dropping)
    assert record.settled
