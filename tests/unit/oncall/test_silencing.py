"""Silences that were added at run time: which incidents they are for."""

from __future__ import annotations

from typing import Any

import pytest

from core.domain.oncall.answer import Question
from core.domain.oncall.silencing import AddedSilence, silences_for
from core.domain.severity import Severity
from tests.unit.oncall.examples import NOW, after

QUESTION = Question(
    incident_id="incident:am:1@20260105T090000.000Z",
    workflow_id="incident:am:1",
    severity=Severity.LOW,
    source="alertmanager",
    service="checkout",
    labels={"team": "web"},
)


def silence(**fields: Any) -> AddedSilence:
    span = {"start": NOW, "end": after(hours=1)}
    return AddedSilence.model_validate(
        {"id": "k7c2df", **span, "by": "ana", "why": "deploy", **fields}
    )


@pytest.mark.parametrize(
    ("fields", "fits"),
    [
        ({}, True),
        ({"match": {"service": "check*"}}, True),
        ({"match": {"service": "payments"}}, False),
        ({"match": {"labels": {"team": "web"}, "source": "alertmanager"}}, True),
        ({"match": {"labels": {"team": "data"}}}, False),
        ({"incident": "incident:am:1"}, True),
        ({"incident": "incident:am:2"}, False),
    ],
)
def test_a_silence_is_for_what_it_matches(fields: dict[str, Any], fits: bool) -> None:
    assert bool(silences_for([silence(**fields)], QUESTION)) is fits


def test_severities_are_left_to_the_incident_whose_severity_may_change() -> None:
    [found] = silences_for([silence(match={"severity": "critical"})], QUESTION)
    assert found.severities == (Severity.CRITICAL,)


def test_an_incident_knows_who_added_a_silence_and_why() -> None:
    [found] = silences_for([silence()], QUESTION)
    assert found.name == "k7c2df of ana: deploy"
    assert (found.span.start, found.span.end) == (NOW, after(hours=1))
