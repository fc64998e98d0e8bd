"""Expressions of mappings and routes: JMESPath with `$`, `items` and `unnest`, and its errors."""

from __future__ import annotations

import time
from typing import Any

import pytest

from core.domain.event import Event
from core.domain.expressions.expression import Budget, Unevaluable, compiled
from core.domain.routing.file import FilterRule, RoutingFile
from core.domain.routing.table import WorkflowRouter
from core.errors import InvalidEvent

JOBS = {"load": {"exit": 3}, "report": {"exit": 0}}
GROUPS = [{"name": "a", "alarms": [{"id": 1}, {"id": 2}]}, {"name": "b"}, {"alarms": "none"}]


def found(text: str, value: object) -> Any:
    return compiled(text).search(value, value, Budget())


@pytest.mark.parametrize(
    ("text", "value", "expected"),
    [
        ("items(@)", JOBS, [["load", {"exit": 3}], ["report", {"exit": 0}]]),
        ("items(@)", {}, []),
        (
            "items(@)[*].merge([1], {job: [0]})",
            JOBS,
            [{"exit": 3, "job": "load"}, {"exit": 0, "job": "report"}],
        ),
        ("unnest(@, &alarms)", GROUPS, [[GROUPS[0], {"id": 1}], [GROUPS[0], {"id": 2}]]),
        (
            "unnest(@, &alarms)[*].merge([1], {group: [0].name})",
            GROUPS,
            [{"id": 1, "group": "a"}, {"id": 2, "group": "a"}],
        ),
    ],
)
def test_names_and_outer_objects_stay_with_what_is_in_them(
    text: str, value: object, expected: object
) -> None:
    assert found(text, value) == expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("job-id", "Unknown token '-': job-id ^; a name with other characters than a-z, 0-9 and _"),
        ("$job", "write $.job, with a dot after the $"),
        ("itmes(@)", "JMESPath has no function itmes()"),
        ("unnest(@)", "unnest() takes 2, not 1 arguments"),
        ("join(',')", "join() takes 2, not 1 arguments"),
        ("length(@, @)", "length() takes 1, not 2 arguments"),
        ("merge()", "merge() takes 1, not 0 arguments"),
    ],
)
def test_a_mistake_is_named_before_anything_is_received(text: str, problem: str) -> None:
    with pytest.raises(ValueError) as error:
        compiled(text)
    assert problem in str(error.value)


def test_a_function_over_another_type_says_what_it_takes_without_writing_out_the_value() -> None:
    value = [["x" * 1_000_000] * 20] * 20
    started = time.monotonic()
    with pytest.raises(Unevaluable) as error:
        found("keys(@)", value)
    assert str(error.value) == "keys() takes object, and finds array"
    assert time.monotonic() - started < 1  # 400 MB of text take longer


EVENT = Event(
    id="1", source="/a", type="t", key="k", data={"items": [f"{n:0100}" for n in range(5000)]}
)
SLOW = "items[?contains($.items, @)] | [0]"


def router(**changes: Any) -> WorkflowRouter:
    route = {"name": "a", "workflow": "A", "task_queue": "q", "child_id": "a:{id}", **changes}
    return WorkflowRouter(RoutingFile.model_validate({"version": 1, "routes": [route]}).compiled())


@pytest.mark.parametrize(
    "changes",
    [
        {"match": {"jmespath": SLOW}},
        {"match": {"not": {"jmespath": SLOW}}},
        {
            "match": {"exact": {"type": "t"}},
            "child_id": "a:{data." + SLOW.replace("$.", "$.data.") + "}",
        },
    ],
)
def test_a_route_that_takes_too_long_over_an_event_refuses_it_rather_than_passing_it_on(
    changes: dict[str, Any],
) -> None:
    with pytest.raises(InvalidEvent, match="takes too long over this event") as error:
        router(**changes).target(EVENT)
    assert "items[?contains(" in error.value.message


def test_routes_have_the_same_expressions_as_mappings() -> None:
    event = Event(id="1", source="/a", type="t", key="k", data=JOBS).to_wire()
    failed = "items(@)[?[1].exit != `0`][0]"
    assert FilterRule(jmespath=f"{failed} | contains(@, 'load')").compiled().matches(event)
    assert FilterRule(jmespath="$.load").compiled().matches(event)
    with pytest.raises(ValueError, match="nested deeper than"):
        FilterRule(jmespath="[" * 50 + "a" + "]" * 50)
