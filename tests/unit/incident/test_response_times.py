"""Means of how soon incidents are acknowledged and resolved, by service and week."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

from core.domain.incident.reports.response_times import Means, Response, means, weeks

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
BEFORE, THIS = date(2025, 12, 29), date(2026, 1, 5)


def response(
    began: datetime = MONDAY,
    *,
    service: str | None = "checkout",
    acknowledged: float | None = 60,
    resolved: float = 600,
) -> Response:
    return Response(
        incident_id=f"i@{began.isoformat()}",
        service=service,
        began=began,
        acknowledged=None if acknowledged is None else began + timedelta(seconds=acknowledged),
        resolved=began + timedelta(seconds=resolved),
    )


def test_weeks_are_those_of_mondays_in_utc_the_present_one_last() -> None:
    assert weeks(MONDAY, 2) == (BEFORE, THIS)
    # In Kiritimati it is Monday already, and in UTC not yet.
    early = (MONDAY - timedelta(minutes=1)).astimezone(timezone(timedelta(hours=14)))
    assert weeks(early, 1) == (BEFORE,)


def test_a_mean_is_of_the_incidents_that_began_in_the_week() -> None:
    sunday = MONDAY - timedelta(seconds=1)
    found = means(
        [
            response(acknowledged=60, resolved=600),
            response(acknowledged=120, resolved=1200),
            response(sunday, acknowledged=10, resolved=20),
        ],
        (BEFORE, THIS),
    )
    assert found == {"checkout": [Means(1, 1, 10.0, 20.0), Means(2, 2, 90.0, 900.0)]}


def test_what_nobody_acknowledged_counts_for_its_resolution_alone() -> None:
    found = means([response(acknowledged=None), response(acknowledged=30)], (THIS,))
    assert found == {"checkout": [Means(2, 1, 30.0, 600.0)]}


def test_a_week_without_incidents_has_no_means() -> None:
    assert means([response()], (BEFORE, THIS))["checkout"][0] == Means(0, 0, None, None)


def test_what_began_in_none_of_the_weeks_is_left_out() -> None:
    assert means([response(MONDAY - timedelta(days=8))], (BEFORE, THIS)) == {}


def test_what_clocks_that_differ_make_negative_is_left_out() -> None:
    found = means([response(acknowledged=-1, resolved=-1), response()], (THIS,))
    assert found == {"checkout": [Means(1, 1, 60.0, 600.0)]}


def test_the_service_with_the_most_incidents_comes_first_and_none_is_one_of_them() -> None:
    several = [response(service=None), response(service="b"), response(service="a")]
    assert list(means([*several, response(service="b")], (THIS,))) == ["b", None, "a"]
