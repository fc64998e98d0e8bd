"""The match language: the dialects of the CloudEvents Subscriptions API, and JMESPath."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from core.domain.event import Event
from core.domain.routing.file import FilterRule

EVENT = Event(
    id="1",
    source="https://monitor.example.com/checks",
    type="com.example.incident.reported",
    subject="payments",
    key="ce:1",
    unidentified=True,
    data={"severity": "critical", "count": 7, "zero": 0, "empty": "", "no": False, "tags": ["a"]},
    extensions={"region": "eu", "level": 3, "urgent": True},
)


def matches(**filter: Any) -> bool:
    return FilterRule.model_validate(filter).compiled().matches(EVENT.to_wire())


@pytest.mark.parametrize(
    "filter",
    [
        {"exact": {"type": "com.example.incident.reported"}},
        {"exact": {"type": "com.example.incident.reported", "subject": "payments"}},
        {"exact": {"region": "eu"}},
        {"exact": {"level": "3"}},  # an integer's canonical string
        {"exact": {"urgent": "true"}},  # a boolean's
        {"exact": {"specversion": "1.0"}},
        {"exact": {"tidegatekey": "ce:1"}},
        {"exact": {"tidegateunidentified": "true"}},
        {"prefix": {"type": "com.example."}},
        {"prefix": {"type": "com.", "source": "https://monitor"}},
        {"suffix": {"type": ".reported"}},
        {"suffix": {"subject": "payments"}},
        {"all": [{"exact": {"subject": "payments"}}, {"prefix": {"type": "com."}}]},
        {"any": [{"exact": {"subject": "other"}}, {"prefix": {"type": "com."}}]},
        {"not": {"exact": {"subject": "other"}}},
        {"not": {"not": {"exact": {"subject": "payments"}}}},
        {
            "not": {
                "all": [{"exact": {"subject": "payments"}}, {"not": {"prefix": {"type": "com."}}}]
            }
        },
        {"any": [{"all": [{"not": {"suffix": {"type": "x"}}}, {"jmespath": "severity"}]}]},
        {"jmespath": "severity == 'critical'"},
        {"jmespath": "count > `5`"},
        {"jmespath": "zero"},  # in JMESPath zero is true
        {"jmespath": "contains(tags, 'a')"},
        {"jmespath": "@"},
    ],
)
def test_a_filter_that_matches(filter: dict[str, Any]) -> None:
    assert matches(**filter)


@pytest.mark.parametrize(
    "filter",
    [
        {"exact": {"type": "com.example.incident"}},
        {"exact": {"type": "COM.EXAMPLE.INCIDENT.REPORTED"}},
        {"exact": {"type": "com.example.incident.reported", "subject": "other"}},
        {"exact": {"urgent": "True"}},
        {"exact": {"time": ""}},  # an attribute that is missing matches nothing, not even nothing
        {"prefix": {"time": ""}},
        {"suffix": {"nowhere": ""}},
        {"exact": {"data": "{}"}},  # data is not an attribute
        {"prefix": {"data": "{"}},
        {"prefix": {"type": "example"}},
        {"suffix": {"type": ".report"}},
        {"all": [{"exact": {"subject": "payments"}}, {"prefix": {"type": "org."}}]},
        {"any": [{"exact": {"subject": "other"}}, {"prefix": {"type": "org."}}]},
        {"not": {"exact": {"subject": "payments"}}},
        {"jmespath": "severity == 'low'"},
        {"jmespath": "nowhere"},
        {"jmespath": "empty"},
        {"jmespath": "no"},
        {"jmespath": "tags[?@ == 'b']"},
        {"jmespath": "{a: nowhere}.b"},
        {"jmespath": "severity > `5`"},  # a string compared with a number yields null
        {"jmespath": "length(count)"},  # and so does a function over the wrong type
        {"jmespath": "contains(severity, `5`)"},
        {"jmespath": "tags[::0]"},
    ],
)
def test_a_filter_that_does_not(filter: dict[str, Any]) -> None:
    assert not matches(**filter)


@pytest.mark.parametrize("data", [None, 7, "text", True, [], {}, ["a"], {"a": {"b": 10**400}}])
@pytest.mark.parametrize(
    "expression",
    ["a.b > `1`", "a[0].b", "avg(a)", "sum(a.b)", "ceil(a.b)", "merge(a, a)", "max_by(@, &a)"],
)
def test_an_expression_meets_data_of_any_shape(expression: str, data: Any) -> None:
    event = Event(id="1", source="/a", type="t", key="k", data=data)
    assert FilterRule(jmespath=expression).compiled().matches(event.to_wire()) in (True, False)


NAMES = st.sampled_from(["type", "subject", "region", "time", "nowhere"])
TEXTS = st.sampled_from(["", "com.", "payments", "reported", "eu"])
ATTRIBUTES = st.dictionaries(NAMES, TEXTS, min_size=1)
FILTERS: st.SearchStrategy[Any] = st.recursive(
    st.builds(
        lambda name, value: {name: value},
        st.sampled_from(["exact", "prefix", "suffix"]),
        ATTRIBUTES,
    ),
    lambda inner: (
        st.builds(lambda part: {"not": part}, inner)
        | st.builds(
            lambda name, parts: {name: parts},
            st.sampled_from(["all", "any"]),
            st.lists(inner, min_size=1, max_size=3),
        )
    ),
    max_leaves=6,
)


@given(st.lists(FILTERS, min_size=1, max_size=3))
def test_all_any_and_not_obey_the_laws_of_logic(filters: list[Any]) -> None:
    assert matches(all=filters) == all(matches(**part) for part in filters)
    assert matches(any=filters) == any(matches(**part) for part in filters)
    assert matches(**{"not": filters[0]}) != matches(**filters[0])


@given(st.dictionaries(NAMES, TEXTS, min_size=1))
def test_what_equals_also_starts_and_ends_with_it(attributes: dict[str, str]) -> None:
    if matches(exact=attributes):
        assert matches(prefix=attributes)
        assert matches(suffix=attributes)


@pytest.mark.parametrize(
    "filter",
    [
        {},
        {"exact": {"type": "a"}, "prefix": {"type": "b"}},
        {"exact": {}},
        {"all": []},
        {"any": []},
        {"not": {}},
        {"regex": {"type": "a"}},
        {"jmespath": ""},
        {"jmespath": "foo["},
        {"jmespath": "nope(a)"},
        {"exact": {"type": 7}},
    ],
)
def test_a_filter_uses_exactly_one_dialect_and_uses_it_right(filter: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        FilterRule.model_validate(filter)
