"""Lists, facts and sentences at every width: nothing is lost but the ends of titles."""

from __future__ import annotations

import pytest
from rich.text import Text

from core.cli.layout import Item, fact_lines, hanging, item_lines, line, wrapped

WIDE = "決済が遅延しています、原因はまだ分かりません、調査を続けています"


def plain(lines: list[Text]) -> str:
    return "\n".join(each.plain.rstrip() for each in lines)


def item(handle: str, what: str, *facts: str) -> Item:
    return Item(handle, what, [line(fact) for fact in facts])


ITEMS = [
    item("k7m2qx", "Checkout is slow", "critical", "acknowledged", "3 h 12 min", "ana"),
    item("3v9xmk", "Disk full", "low", "open", "45 s", ""),
]


def test_items_that_fit_are_a_line_each_with_aligned_columns() -> None:
    assert plain(item_lines(ITEMS, 80)) == (
        "k7m2qx  critical  acknowledged  3 h 12 min  ana  Checkout is slow\n"
        "3v9xmk  low       open          45 s             Disk full"
    )


def test_items_that_do_not_fit_are_two_lines_each() -> None:
    assert plain(item_lines(ITEMS, 60)) == (
        "k7m2qx  Checkout is slow\n"
        "        critical  acknowledged  3 h 12 min  ana\n"
        "3v9xmk  Disk full\n"
        "        low       open          45 s"
    )
    assert plain(item_lines(ITEMS, 45)) == (
        "k7m2qx  Checkout is slow\n"
        "  critical  acknowledged  3 h 12 min  ana\n"
        "3v9xmk  Disk full\n"
        "  low  open  45 s"
    )


def test_a_column_that_is_empty_everywhere_takes_no_room() -> None:
    items = [item("k7m2qx", "One", "", "open"), item("3v9xmk", "Two", "", "closed")]
    assert plain(item_lines(items, 80)) == "k7m2qx  open    One\n3v9xmk  closed  Two"


@pytest.mark.parametrize("what", ["It burns " * 40, WIDE * 5, "x" * 500, "\x1b[2J\u202e\n\t" * 30])
@pytest.mark.parametrize("width", [12, 45, 80, 200])
def test_a_title_of_any_kind_is_shortened_to_the_width(what: str, width: int) -> None:
    lines = item_lines([item("k7m2qx", what, "critical", "open", "3 h", "ana")], width)
    assert len(lines) == 2
    assert all(each.cell_len <= width for each in lines)
    assert lines[0].plain.startswith("k7m2qx  ")
    assert lines[0].plain.rstrip().endswith("…")
    assert lines[0].plain.isprintable()


def test_a_pipe_gets_a_line_for_each_item_and_nothing_is_shortened() -> None:
    long = item("k7m2qx", "It\tburns\n" + 300 * "x", "low", "", "45 s", "ana")
    assert plain(item_lines([long], None)) == f"k7m2qx\tlow\t\t45 s\tana\tIt burns {300 * 'x'}"


def test_no_items_are_no_lines() -> None:
    assert item_lines([], 80) == item_lines([], None) == []


URL = "https://runbooks.example/kubernetes/checkout/latency/p99"
FACTS = [
    ("status", line("acknowledged by ana at 10:11 UTC (12:11 CEST)")),
    ("assignee", None),
    ("service", line("checkout")),
    ("runbook", line(URL)),
    ("dashboard of the team", line("grafana")),
]


def test_facts_stand_beside_their_names_and_long_words_and_names_do_not_move_them() -> None:
    assert plain(fact_lines(FACTS, 80)) == (
        "  status       acknowledged by ana at 10:11 UTC (12:11 CEST)\n"
        "  service      checkout\n"
        f"  runbook      {URL}\n"
        "  dashboard of the team\n"
        "    grafana"
    )
    assert plain(fact_lines(FACTS, 45)) == (
        "  status       acknowledged by ana at 10:11\n"
        "               UTC (12:11 CEST)\n"
        "  service      checkout\n"
        "  runbook\n"
        f"    {URL}\n"
        "  dashboard of the team\n"
        "    grafana"
    )


def test_a_pipe_gets_a_line_for_each_fact() -> None:
    assert plain(fact_lines(FACTS[2:], None)) == (
        f"  service      checkout\n  runbook      {URL}\n  dashboard of the team grafana"
    )


def test_a_sentence_hangs_below_its_beginning() -> None:
    lines = hanging(Text("ana  "), line("Comment: we roll back the release"), 25)
    assert plain(lines) == "ana  Comment: we roll\n     back the release"


@pytest.mark.parametrize("width", [25, None])
def test_a_label_keeps_its_style_to_itself(width: int | None) -> None:
    [shown] = hanging(Text("08:00  ", "cyan"), line("level 1"), width)
    assert [shown.plain[span.start : span.end] for span in shown.spans] == ["08:00  "]
    assert not shown.style


@pytest.mark.parametrize("width", [1, 2, 7, 20, 45])
def test_wide_characters_need_no_spaces_to_be_broken(width: int) -> None:
    lines = wrapped(line(f"ok {WIDE} ok"), width)
    assert all(each.cell_len <= max(width, 2) for each in lines)
    assert "".join(each.plain for each in lines).replace(" ", "") == f"ok{WIDE}ok"
