"""Handles are short, stable, and spread evenly."""

from __future__ import annotations

import pytest

from core.domain.handles import ALPHABET, Named, as_handle, handle_of, meant
from core.errors import AmbiguousId


def test_a_handle_never_changes() -> None:
    """They are printed in pages and reports, and stored in Temporal's visibility."""
    assert handle_of("incident:alertmanager:5f2e@20260102T030405.678Z") == "3v9xmk"


def test_handles_of_similar_ids_differ() -> None:
    ids = [f"incident:alertmanager:5f2e@20260102T030405.{n:03}Z" for n in range(1000)]
    assert len({handle_of(id) for id in ids}) == 1000


def test_a_handle_has_six_characters_that_are_not_mistaken_for_each_other() -> None:
    assert not set(ALPHABET) & set("01aeilouy")
    assert all(as_handle(handle_of(str(n))) == handle_of(str(n)) for n in range(200))


@pytest.mark.parametrize("text", ["", "bcdfg", "bcdfghj", "bcdfg1", "bcdfgh\n"])
def test_anything_else_is_no_handle(text: str) -> None:
    assert as_handle(text) is None


@pytest.mark.parametrize("text", ["Bcdfgh", "BCDFGH"])
def test_a_handle_may_be_typed_in_capitals(text: str) -> None:
    assert as_handle(text) == "bcdfgh"


CHECKOUT = Named("incident:alertmanager:5f2e@20260102T030405.678Z", "Checkout is slow")
BEFORE = Named("incident:alertmanager:5f2e@20260101T000000.000Z", "Checkout is slow", over=True)
DISK = Named("incident:grafana:77@20260102T030405.678Z", "Disk is full")
THINGS = (CHECKOUT, BEFORE, DISK)


@pytest.mark.parametrize(
    ("text", "thing"),
    [
        (CHECKOUT.id, CHECKOUT),
        (handle_of(BEFORE.id), BEFORE),
        (handle_of(BEFORE.id).capitalize(), BEFORE),
        ("incident:g", DISK),
        ("incident:alertmanager:5f2e", CHECKOUT),  # the other is over
        ("incident:alertmanager:5f2e@20260101", BEFORE),
        ("Incident:g", None),
        (handle_of(DISK.id)[:5], None),
        ("Disk is full", None),
        ("", None),
    ],
)
def test_an_id_a_handle_or_the_beginning_of_an_id_names_a_thing(
    text: str, thing: Named | None
) -> None:
    assert meant(text, THINGS) == thing


def test_a_handle_comes_before_a_beginning_and_an_id_before_both() -> None:
    handle = handle_of(DISK.id)
    alike = Named(f"{handle}-later")
    assert meant(handle, [alike, DISK]) == DISK
    assert meant(handle, [alike, DISK, Named(handle)]) == Named(handle)


def test_what_fits_several_is_refused_with_their_handles_and_titles() -> None:
    with pytest.raises(AmbiguousId) as caught:
        meant("incident:", THINGS)
    handles = [handle_of(thing.id) for thing in (CHECKOUT, DISK)]
    assert caught.value.message == (
        f"'incident:' fits several: {handles[0]} 'Checkout is slow', {handles[1]} 'Disk is full'"
    )
    assert "the handle" in caught.value.fix


def test_a_refusal_names_five_at_most_and_shortens_their_titles() -> None:
    many = [Named(f"incident:{number}", "\x1b[2J" + 100 * "long ") for number in range(9)]
    with pytest.raises(AmbiguousId) as caught:
        meant("incident:", many)
    message = caught.value.message
    assert message.endswith("...' and others")
    assert message.count("...") == 5
    assert len(message) < 400
    assert "\x1b" not in message


def test_things_with_one_handle_are_told_apart_by_their_ids() -> None:
    one, other = "incident:22096@x", "incident:34123@x"
    assert handle_of(one) == handle_of(other) == "d4m3xp"
    with pytest.raises(AmbiguousId) as caught:
        meant(handle_of(one), [Named(one, "Old", over=True), Named(other, "New")])
    assert f"{one} 'Old', {other} 'New'" in caught.value.message
    assert caught.value.fix.startswith("type the ID")
