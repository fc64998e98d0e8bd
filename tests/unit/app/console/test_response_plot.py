"""Plots of MTTA and MTTR: how high each bar is, and what it is labelled with."""

from __future__ import annotations

from datetime import date
from xml.etree import ElementTree

import pytest

from core.app.console.response_plot import ServicePlots, plots, short
from core.domain.incident.reports.response_times import Means
from tests.unit.app.console.drawings import drawing

MONDAYS = (date(2025, 12, 29), date(2026, 1, 5))
NOTHING = Means()


def heights(found: list[ServicePlots]) -> list[list[float]]:
    return [[column.height for column in each.to_resolve.columns] for each in found]


def test_the_longest_mean_of_all_services_is_the_full_height() -> None:
    found = plots(
        {
            "a": [Means(1, 1, 60, 600), Means(2, 1, 30, 300)],
            None: [NOTHING, Means(1, 0, None, 1200)],
        },
        MONDAYS,
    )
    assert heights(found) == [[50.0, 25.0], [0.0, 100.0]]
    assert [each.to_acknowledge.scale for each in found] == [60, 60]
    assert [each.to_resolve.scale for each in found] == [1200, 1200]
    assert [(each.service, each.resolved) for each in found] == [("a", 3), (None, 1)]


def test_the_weeks_fill_the_plot_from_left_to_right() -> None:
    [found] = plots({"a": [NOTHING, Means(1, 1, 1, 1)]}, MONDAYS)
    columns = found.to_resolve.columns
    assert [(each.left, each.width) for each in columns] == [(0.0, 50.0), (50.0, 50.0)]


def test_how_many_incidents_a_mean_is_of_differs_by_measure() -> None:
    [found] = plots({"a": [NOTHING, Means(3, 2, 1, 1)]}, MONDAYS)
    assert found.to_resolve.columns[1].incidents == 3
    assert found.to_acknowledge.columns[1].incidents == 2


def test_means_of_no_time_at_all_divide_by_nothing() -> None:
    assert heights(plots({"a": [Means(1, 1, 0, 0), NOTHING]}, MONDAYS)) == [[0.0, 0.0]]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (754, "13 min"),
        (3600, "1 h"),
        (12_600, "3.5 h"),
        (43_200, "12 h"),
        (172_800, "2 d"),
        (8_640_000, "100 d"),
    ],
)
def test_a_duration_fits_above_a_bar(seconds: float, text: str) -> None:
    assert short(seconds) == text


def test_every_week_is_drawn_and_a_mean_is_its_label() -> None:
    [found] = plots({"a": [NOTHING, Means(1, 1, 90, 600)]}, MONDAYS)
    html = drawing("plot.html").plot_svg(found.to_acknowledge, "acknowledge", short)
    root = ElementTree.fromstring(str(html))  # noqa: S314  # our own
    before, this = root.findall("svg")
    assert [each.findtext("text[@class='week']") for each in (before, this)] == ["29 Dec", "05 Jan"]
    assert before.find(".//rect") is None
    [bar] = this.findall(".//rect")
    assert (bar.get("y"), bar.get("height")) == ("0.0%", "100.0%")
    assert this.findtext(".//text[@class='value']") == "2 min"
    assert root.get("aria-hidden") == "true"
    assert not root.findall(".//*[@style]")
