"""`tidegate explain` shows all that a route makes of an event."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import Tidegate

MESSAGE = {
    "specversion": "1.0",
    "type": "shop.ordered",
    "source": "/shop",
    "id": "1",
    "subject": "c-7",
    "data": {"order": {"id": 7, "total": 12.5, "tags": ["new"]}},
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "message.json"
    path.write_text(json.dumps(MESSAGE))
    return path


@pytest.fixture
def by_route(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets what the one route says besides match and target."""

    def set_route(*, otherwise: str = "quarantine", **fields: Any) -> None:
        route = {
            "name": "orders",
            "match": {"prefix": {"type": "shop."}},
            "workflow": "Order",
            "task_queue": "orders",
            **fields,
        }
        routes = tmp_path / "routes.yaml"
        routes.write_text(json.dumps({"version": 1, "otherwise": otherwise, "routes": [route]}))
        monkeypatch.setenv("TIDEGATE_ROUTES", str(routes))

    return set_route


def explained(tidegate: Tidegate, file: Path) -> Any:
    [explanation] = tidegate("explain", "--json", str(file)).json
    return explanation


def test_the_arguments_are_shown(tidegate: Tidegate, file: Path, by_route: Any) -> None:
    by_route(input=["subject", "{id: data.order.id}"])
    assert explained(tidegate, file)["target"]["input"] == ["c-7", {"id": 7}]
    shown = tidegate("explain", str(file))
    assert shown.code == 0
    assert 'input "c-7", {"id": 7}' in " ".join(shown.out.split())


def test_an_input_that_yields_nothing_is_said(
    tidegate: Tidegate, file: Path, by_route: Any
) -> None:
    by_route(input="data.nowhere")
    shown = tidegate("explain", str(file))
    assert shown.code == 1
    said = " ".join(shown.out.split())
    assert "InvalidInput: " in said
    assert "input 'data.nowhere' of route orders yields nothing" in said


def test_data_that_does_not_satisfy_the_schema_is_said_with_its_path(
    tidegate: Tidegate, file: Path, by_route: Any
) -> None:
    by_route(schema={"properties": {"order": {"properties": {"total": {"type": "integer"}}}}})
    explanation = explained(tidegate, file)
    assert (explanation["verdict"], explanation["code"]) == ("quarantined", "InvalidData")
    assert "at $.order.total: 12.5 is not of type 'integer'" in explanation["reason"]
    by_route(schema={"properties": {"order": {"properties": {"total": {"type": "number"}}}}})
    assert explained(tidegate, file)["verdict"] == "accepted"


def test_search_attributes_memo_and_summary_are_shown(
    tidegate: Tidegate, file: Path, by_route: Any
) -> None:
    by_route(
        search_attributes={"Total": {"double": "data.order.total"}, "None": {"int": "data.none"}},
        memo={"order": "data.order.id"},
        static_summary="Order {data.order.id} [red]",
    )
    assert explained(tidegate, file)["target"]["options"] == {
        "search_attributes": {"Total": {"double": 12.5}},
        "memo": {"order": 7},
        "static_summary": "Order 7 [red]",
        "priority": None,
        "fairness_key": None,
        "fairness_weight": None,
        "retry": None,
        "start_delay": None,
        "start_time": None,
    }
    said = " ".join(tidegate("explain", str(file)).out.split())
    assert "attributes Total 12.5 (double)" in said
    assert 'memo {"order": 7}' in said
    assert "summary Order 7 [red]" in said


def test_a_value_of_another_type_is_said(tidegate: Tidegate, file: Path, by_route: Any) -> None:
    by_route(search_attributes={"Total": {"int": "data.order.total"}})
    explanation = explained(tidegate, file)
    assert (explanation["verdict"], explanation["code"]) == ("quarantined", "InvalidOption")
    assert "yields 12.5, and not an integer of 64 bits" in explanation["reason"]


def test_priority_fairness_retries_and_delay_are_shown(
    tidegate: Tidegate, file: Path, by_route: Any
) -> None:
    by_route(
        deliver="start",
        child_id="order:{tidegatekey}",
        priority="data.order.total > `10` && `1` || `5`",
        fairness={"key": "subject", "weight": 2},
        retry={"maximum_attempts": 3, "maximum_interval": "1m"},
        start_delay="10m",
    )
    assert explained(tidegate, file)["target"]["options"] == {
        "search_attributes": None,
        "memo": None,
        "static_summary": None,
        "priority": 1,
        "fairness_key": "c-7",
        "fairness_weight": 2.0,
        "retry": {
            "initial_interval": 1.0,
            "backoff": 2.0,
            "maximum_interval": 60.0,
            "maximum_attempts": 3,
            "non_retryable": [],
        },
        "start_delay": 600.0,
        "start_time": None,
    }
    said = " ".join(tidegate("explain", str(file)).out.split())
    assert "priority 1 " in said
    assert "fairness c-7, weight 2" in said
    assert "retry up to 3 attempts; after 1 s, then 2 times as long, at most 1 min" in said
    assert "starts after 10 min" in said


def test_a_start_that_has_passed_is_said(tidegate: Tidegate, file: Path, by_route: Any) -> None:
    by_route(
        deliver="start",
        child_id="order:{tidegatekey}",
        start_delay="2020-01-01T00:00:0{data.order.id}Z",
    )
    said = " ".join(tidegate("explain", str(file)).out.split())
    assert "starts at 2020-01-01T00:00:07Z, which has passed: immediately" in said


def test_what_the_table_drops_is_said(tidegate: Tidegate, file: Path, by_route: Any) -> None:
    by_route(match={"exact": {"type": "other"}}, otherwise="drop")
    explanation = explained(tidegate, file)
    assert (explanation["verdict"], explanation["code"]) == ("dropped", None)
    assert (explanation["target"], explanation["workflow_id"]) == (None, None)
    shown = tidegate("explain", str(file))
    assert shown.code == 0
    said = " ".join(shown.out.split())
    assert "verdict dropped" in said
    assert "no route matches type 'shop.ordered'" in said
    assert "what no route takes is dropped" in tidegate("routes", "check").out
