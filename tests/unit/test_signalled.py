"""What a signal carries: every event within the bound, told apart, and with the cuts named."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from core.domain.alert import Alert, read_alert
from core.domain.alert_key import is_readable_key
from core.domain.event import ALERT, Event, encode
from core.domain.signalled import EVENTS_BYTES, signalled
from core.errors import InvalidEvent

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
"""Without lone surrogates, which have no JSON form: validation refuses them before."""
LONG = st.builds(lambda text, count: text * count, TEXT, st.sampled_from([1, 1, 5, 250, 1000]))
HUGE = st.builds(lambda text: text * (1_000_000 // len(text.encode())), TEXT)
SCALAR = st.one_of(LONG, st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.none())
VALUE = st.one_of(SCALAR, st.booleans(), st.lists(SCALAR, max_size=3))
LABELS = st.one_of(
    st.dictionaries(LONG, SCALAR, max_size=20),
    st.integers(min_value=1, max_value=5000).map(lambda n: {f"l{i}": "🔥" * 50 for i in range(n)}),
    st.fixed_dictionaries({"one": HUGE}),
    SCALAR,
)
DATA = st.fixed_dictionaries(
    {"key": st.one_of(LONG.filter(is_readable_key), st.integers())},
    optional={
        "status": st.one_of(st.sampled_from(["firing", "resolved"]), VALUE),
        "labels": LABELS,
        "links": LABELS,
        "original": HUGE,
        **dict.fromkeys(["title", "source", "severity", "service", "summary"], VALUE),
        **dict.fromkeys(["version", "starts_at", "ends_at", "truncated", "replicated"], VALUE),
        "something": VALUE,
    },
)
EVENTS = st.builds(
    Event,
    id=LONG,
    source=LONG,
    type=st.just(ALERT),
    key=LONG,
    way=LONG,
    scope=LONG,
    subject=LONG,
    time=st.sampled_from([None, "2026-11-23T02:00:00.000Z", f"2026-11-23T02:00:00.{10**30}Z"]),
    unidentified=st.booleans(),
    data=DATA,
)


def alert(**data: Any) -> Event:
    return Event(
        id="5f2e-1",
        source="webhook:prod",
        type=ALERT,
        key="alertmanager:webhook:prod/5f2e@d-1.0",
        way="webhook:prod",
        scope="webhook:prod",
        data={"key": "5f2e", "status": "firing", "title": "Down", "original": {"a": 1}} | data,
    )


def bytes_of(*wires: dict[str, Any]) -> int:
    """What a signal with these events has as JSON."""
    return len(encode(list(wires)))


def read(wire: dict[str, Any]) -> Alert:
    return read_alert(Event.from_wire(wire))


@given(EVENTS)
@example(alert(labels={f"label-{n}": "x" * 1000 for n in range(1000)}))
@example(alert(key="k" * 10_000, title="🔥" * 10_000, summary="\x01" * 10_000))
@example(alert(links={f"link-{n}": "https://example.com/" + "x" * 470 for n in range(8)}))
def test_any_alert_fits_and_can_be_read(event: Event) -> None:
    wire = signalled(event)
    assert bytes_of(wire) <= EVENTS_BYTES
    assert "original" not in wire["data"]
    before, after = read_alert(event), read(wire)
    assert (after.status, after.starts_at, after.replicated) == (
        before.status,
        before.starts_at,
        before.replicated,
    )


@given(EVENTS)
def test_what_was_cut_is_named_and_the_rest_is_as_it_was(event: Event) -> None:
    wire = signalled(event)
    cut = wire["data"].get("cut", [])
    for name in ("key", "title", "source", "severity", "service", "summary", "status"):
        value = event.data.get(name)
        if value is not None and wire["data"].get(name) != str(value):
            assert name in cut
    for name in ("labels", "links"):
        values = event.data.get(name)
        if values is None:
            continue
        whole = {n: str(v) for n, v in values.items()} if isinstance(values, dict) else None
        if wire["data"].get(name) != whole:
            assert name in cut


KEYS = st.one_of(LONG, st.text(st.characters(exclude_categories=["Cs"]), min_size=1)).filter(
    is_readable_key
)


@given(KEYS, KEYS)
@example("k" * 10_000 + "1", "k" * 10_000 + "2")
@example("k" * 10_000, signalled(alert(key="k" * 10_000))["data"]["key"])
@example("a\x01" * 100, signalled(alert(key="a\x01" * 100))["data"]["key"])
@example("a b", "a  b")
@example("ab", "a\x01b")
def test_two_keys_never_become_one(one: str, other: str) -> None:
    assume(one != other)
    wires = [signalled(alert(key=key)) for key in (one, other)]
    assert wires[0]["data"]["key"] != wires[1]["data"]["key"]
    assert read(wires[0]).key != read(wires[1]).key
    identities = [
        signalled(Event(id="1", source="/", type=ALERT, key=key, data={"key": "a"}))["tidegatekey"]
        for key in (one, other)
    ]
    assert identities[0] != identities[1]


@given(KEYS, LABELS)
def test_a_key_does_not_depend_on_what_else_there_is(key: str, labels: Any) -> None:
    small, large = alert(key=key), alert(key=key, labels=labels, summary="x" * 5000)
    assert signalled(small)["data"]["key"] == signalled(large)["data"]["key"]


@given(st.one_of(LONG, st.text(st.characters(exclude_categories=["Cs"]), min_size=1)))
@example("k" * 300)
@example(signalled(alert(key="k" * 300))["data"]["key"])
@example("\N{FIRE}" * 100)
def test_what_was_signalled_is_signalled_again_under_the_same_key(key: str) -> None:
    try:
        once = signalled(alert(key=key))
    except InvalidEvent:
        return  # its key has no letters that can be shown
    again = signalled(Event.from_wire(once))
    assert again["data"] == once["data"]


def test_a_claim_that_a_key_was_cut_does_not_let_a_long_one_pass() -> None:
    wire = signalled(alert(key="k" * 300 + "~" + "0" * 40, cut=["key", "nonsense", 7]))
    assert len(wire["data"]["key"]) <= 255
    assert wire["data"]["cut"] == ["key"]


def test_an_alert_that_fits_loses_its_original_and_nothing_else() -> None:
    event = alert(
        summary="s" * 1500,
        labels={"team": "payments", "n": 7},
        links={"runbook": "https://example.com/" + "r" * 800},
        starts_at="2026-11-23T02:00:00Z",
        replicated=True,
    )
    wire = signalled(event)
    del event.data["original"]
    assert wire == {
        **event.to_wire(),
        "data": event.data | {"labels": {"team": "payments", "n": "7"}},
    }


def test_the_summary_goes_before_labels_and_labels_before_links() -> None:
    link = "https://example.com/" + "r" * 450
    large = alert(
        summary="s" * 5000,
        labels={"team": "payments", **{f"long-{n:02}": "x" * 190 for n in range(30)}},
        links={"runbook": link},
    )
    wire = signalled(large)
    assert wire["data"]["cut"] == ["labels", "summary"]
    assert wire["data"]["summary"] == "s" * 197 + "..."
    assert wire["data"]["labels"]["team"] == "payments"
    assert 5 < len(wire["data"]["labels"]) < 30
    assert wire["data"]["links"] == {"runbook": link}
    [remark] = [each for each in read(wire).remarks if "cut" in each]
    assert remark == "cut to fit into a signal: labels, summary"


def test_a_link_is_carried_whole_or_not_at_all() -> None:
    links = {"runbook": "https://example.com/runbook", "long": "https://example.com/" + "x" * 5000}
    wire = signalled(alert(links=links))
    assert wire["data"]["links"] == {"runbook": "https://example.com/runbook"}
    assert wire["data"]["cut"] == ["links"]


def test_any_other_event_is_as_it_is_or_refused() -> None:
    event = Event(id="1", source="/s", type="com.example.x", key="k", data="")
    room = EVENTS_BYTES - bytes_of(event.to_wire())
    fits = Event(id="1", source="/s", type="com.example.x", key="k", data="x" * room)
    assert signalled(fits) == fits.to_wire()
    assert bytes_of(signalled(fits)) == EVENTS_BYTES
    larger = Event(id="1", source="/s", type="com.example.x", key="k", data="x" * (room + 1))
    with pytest.raises(InvalidEvent, match="event 'k' has 3,968 bytes, and a signal carries 3,967"):
        signalled(larger)


@pytest.mark.parametrize("key", [None, "", " ", "\x01\u202e", True, 1.5, ["k"], {}])
def test_an_alert_without_a_readable_key_is_refused_while_its_original_is_there(key: Any) -> None:
    with pytest.raises(InvalidEvent, match="the alert has no key"):
        signalled(alert(key=key))


def test_what_cannot_be_cut_is_refused() -> None:
    event = replace(alert(), time=f"2026-11-23T02:00:00.{'1' * 5000}Z")
    with pytest.raises(InvalidEvent, match="and a signal carries 3,967"):
        signalled(event)


def test_an_alert_that_is_no_object_is_refused() -> None:
    with pytest.raises(InvalidEvent, match="the alert has no key"):
        signalled(Event(id="1", source="/", type=ALERT, key="k", data="down"))


def test_it_does_not_matter_how_an_alert_spells_its_letters() -> None:
    """Two bytes a letter, as it is sent; as ASCII it would be six."""
    wire = signalled(alert(summary="é" * 1500))
    assert wire["data"]["summary"] == "é" * 1500
