from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core import bootstrap
from core.config.files import load_routes
from core.config.routing_table import SHIPPED_ROUTES
from core.config.settings import Settings
from core.domain.event import (
    ALERT,
    DOCUMENT_CREATED,
    INCIDENT_SUCCESSOR,
    SCOPE_ATTRIBUTE,
    WAY_ATTRIBUTE,
    Event,
)
from core.domain.identity import cloudevent_key, workflow_id
from core.domain.incident.ids import incident_id, parse_id
from core.domain.routing.file import RoutingFile
from core.domain.routing.table import (
    Deliver,
    EventRoutingService,
    RoutingTable,
    Target,
    WhenMissing,
    WhenRunning,
    WorkflowRouter,
)
from core.errors import InvalidChildId, NoRoute, Unwanted
from core.operations.open_incident import successor_subject

EVENT = Event(
    id="1",
    source="/checks",
    type="com.example.reported",
    subject="payments",
    key="ce:/checks#1",
    data={
        "n": 7,
        "f": 1.5,
        "yes": True,
        "nothing": None,
        "list": ["a"],
        "deep": {"name": "x"},
        "colon": "a:b",
        "quote": 'a"b\\c',
    },
)


def route(name: str = "any", match: Any = None, **fields: Any) -> dict[str, Any]:
    return {
        "name": name,
        "match": match or {"prefix": {"type": "com."}},
        "workflow": "Child",
        "task_queue": "children",
        **fields,
    }


def table(*routes: dict[str, Any]) -> RoutingTable:
    return RoutingFile.model_validate({"version": 1, "routes": list(routes)}).compiled()


def child(event: Event = EVENT, **fields: Any) -> Target:
    return WorkflowRouter(table(route(**fields))).target(event)


def test_the_first_route_that_matches_takes_the_event() -> None:
    service = EventRoutingService(
        table(
            route("never", {"exact": {"type": "other"}}),
            route("first"),
            route("second"),
        )
    )
    assert service.route(EVENT).name == "first"


def test_every_filter_of_a_list_must_match() -> None:
    both = [{"prefix": {"type": "com."}}, {"exact": {"subject": "payments"}}]
    one = [{"prefix": {"type": "com."}}, {"exact": {"subject": "other"}}]
    service = EventRoutingService(table(route("one", one), route("both", both)))
    assert service.route(EVENT).name == "both"


def test_no_route_names_the_routes_that_were_tried() -> None:
    service = EventRoutingService(
        table(route("a", {"exact": {"type": "x"}}), route("b", {"exact": {"type": "y"}}))
    )
    with pytest.raises(NoRoute) as caught:
        service.route(EVENT)
    assert str(caught.value) == (
        "event ce:/checks#1: no route matches type 'com.example.reported', source '/checks', "
        "subject 'payments', way '' (tried a, b) (add a route for it, check it with "
        "`tidegate explain`, then `tidegate quarantine replay`)"
    )


def test_a_table_may_drop_what_no_route_takes() -> None:
    file = {"version": 1, "routes": [route("a", {"exact": {"type": "x"}})]}
    dropping = RoutingFile.model_validate({**file, "otherwise": "drop"}).compiled()
    with pytest.raises(Unwanted) as caught:
        EventRoutingService(dropping).route(EVENT)
    assert "no route matches type 'com.example.reported'" in caught.value.message
    keeping = RoutingFile.model_validate(file).compiled()
    assert keeping == RoutingFile.model_validate({**file, "otherwise": "quarantine"}).compiled()
    assert "otherwise" not in keeping.to_json()
    assert dropping.digest != keeping.digest
    assert RoutingTable.from_json(json.loads(json.dumps(dropping.to_json()))) == dropping


def test_a_child_has_all_that_its_route_says() -> None:
    found = child(
        name="reports",
        child_id="report:{subject}",
        when_running="signal",
        signal="event",
        timeouts={"execution": "90d", "run": "12h", "task": "10s"},
    )
    assert asdict(found) == {
        "route": "reports",
        "deliver": Deliver.ORCHESTRATE,
        "workflow": "Child",
        "task_queue": "children",
        "id": "report:payments",
        "next_id": found.next_id,
        "when_running": WhenRunning.SIGNAL,
        "when_missing": WhenMissing.START,
        "signal": "event",
        "execution_timeout": 90 * 86400.0,
        "run_timeout": 12 * 3600.0,
        "task_timeout": 10.0,
        "input": None,
        "options": None,
    }


def test_what_a_route_does_not_say_has_a_default() -> None:
    found = child()
    assert found.id == "any:ce:/checks#1"
    assert found.when_running is WhenRunning.REJECT
    assert found.signal is None
    assert (found.execution_timeout, found.run_timeout, found.task_timeout) == (None, None, None)


def test_the_next_id_is_the_events_own() -> None:
    def next_id(key: str) -> str:
        event = Event(id="1", source="/a", type="com.x", subject="payments", key=key)
        return child(event, child_id="report:{subject}").next_id

    assert next_id("one") == next_id("one")
    assert next_id("one") != next_id("other")
    assert next_id("one").startswith("report:payments~")


@pytest.mark.parametrize(
    ("template", "id"),
    [
        ("{route}:{tidegatekey}", "any:ce:/checks#1"),
        ("incident:{source}:{subject || id}", "incident:/checks:payments"),
        ("{subject}:{subject}", "payments:payments"),
        ("{data.colon}:{data.colon}", "a%3Ab:a:b"),
        ("{data.colon}/{data.n}", "a:b/7"),
        ("{data.quote}", "a%22b%5Cc"),
        ("{{{subject}}}", "{payments}"),
        ("n{data.n}", "n7"),
        ("f{data.f}", "f1.5"),
        ("b{data.yes}", "btrue"),
        ("{data.list[0]}", "a"),
        ("{data.deep.name || data.n}", "x"),
        ("{join('-', data.list)}", "a"),
        ("über {subject}\x07%", "über payments%07%25"),
    ],
)
def test_a_childs_id_is_made_by_its_template(template: str, id: str) -> None:
    assert child(child_id=template).id == id


def test_a_long_child_id_is_cut_to_what_temporal_takes() -> None:
    ids = [child(child_id="x" * 2000 + end + "{subject}").id for end in ("1", "2")]
    assert [len(id.encode()) for id in ids] == [255, 255]
    assert ids[0] != ids[1]


@pytest.mark.parametrize(
    ("template", "expression", "value"),
    [
        ("{nowhere}", "nowhere", "None"),
        ("a{data.nothing}", "data.nothing", "None"),
        ("a{data.list}", "data.list", "['a']"),
        ("a{data.deep}", "data.deep", "{'name': 'x'}"),
        ("a{data.deep.name > `1`}", "data.deep.name > `1`", "None"),
        ("{subject}:{data.list[1:] && ''}", "data.list[1:] && ''", "[]"),
    ],
)
def test_a_template_that_yields_no_text_is_refused_naming_event_route_and_expression(
    template: str, expression: str, value: str
) -> None:
    with pytest.raises(InvalidChildId) as caught:
        child(child_id=template)
    assert caught.value.message == (
        f"event ce:/checks#1: {{{expression}}} in the child_id of route any "
        f"yields {value}, not text"
    )


def test_a_child_cannot_have_its_orchestrators_own_workflow_id() -> None:
    with pytest.raises(InvalidChildId) as caught:
        child(child_id="{tidegatekey}")
    assert caught.value.message == (
        "event ce:/checks#1: the child_id of route any is the event's own workflow ID, "
        "which its orchestrator has"
    )


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("250ms", timedelta(milliseconds=250)),
        ("30s", timedelta(seconds=30)),
        ("1.5m", timedelta(seconds=90)),
        ("12h", timedelta(hours=12)),
        ("90d", timedelta(days=90)),
    ],
)
def test_durations_read_as_people_write_them(text: str, duration: timedelta) -> None:
    assert table(route(timeouts={"run": text})).routes[0].run_timeout == duration.total_seconds()


@pytest.fixture
def shipped() -> WorkflowRouter:
    return bootstrap.router(Settings())


def upload(subject: str, type: str = DOCUMENT_CREATED) -> Event:
    key = f"s3:docs/{subject}@00AB"
    return Event(id="1", source="aws:s3.eu-west-1.docs", type=type, subject=subject, key=key)


@pytest.mark.parametrize("end", ["json", "md", "txt"])
def test_as_shipped_a_report_under_incidents_opens_one_incident_per_upload(
    shipped: WorkflowRouter, end: str
) -> None:
    event = upload(f"incidents/outage.{end}")
    found = shipped.target(event)
    assert (found.route, found.workflow, found.task_queue) == (
        "incident-report",
        "Incident",
        "tidegate-incident",
    )
    assert found.id == f"incident:{workflow_id(event.key)}"
    assert (found.when_running, found.signal) == (WhenRunning.SIGNAL, "event")


@pytest.mark.parametrize(
    "event",
    [
        upload("incidents/photo.png"),
        upload("reports/outage.json"),
        upload("incidents/outage.json", type="tidegate.document.removed"),
        Event(id="1", source="/a", type="tidegate.message", key="q/1"),
    ],
)
def test_as_shipped_nothing_else_has_a_route(shipped: WorkflowRouter, event: Event) -> None:
    with pytest.raises(NoRoute):
        shipped.target(event)


@pytest.mark.parametrize(("subject", "last"), [("payments", "payments"), (None, "1")])
def test_as_shipped_reports_by_message_meet_in_the_incident_of_their_subject(
    shipped: WorkflowRouter, subject: str | None, last: str
) -> None:
    type = "com.example.incident.reported"
    event = Event(
        id="1",
        source="/checks",
        type=type,
        subject=subject,
        key="ce:/checks#1",
        scope="queue:orders",
    )
    found = shipped.target(event)
    id = f"incident:event:queue:orders:/checks#{last}"
    assert (found.route, found.id) == ("incident-event", id)


def alert(**data: object) -> Event:
    return Event(
        id="1",
        source="/am",
        type=ALERT,
        key="ce:/am#1",
        scope="webhook:prod",
        data={"version": 1, **data},
    )


@pytest.mark.parametrize(
    ("data", "id"),
    [
        ({"key": "5f2e", "source": "alertmanager"}, "incident:webhook:prod:5f2e"),
        ({"key": "arn:aws:x"}, "incident:webhook:prod:arn:aws:x"),
        ({"key": 7, "source": ""}, "incident:webhook:prod:7"),
    ],
)
def test_as_shipped_an_alert_is_signalled_to_the_incident_of_its_scope_and_key(
    shipped: WorkflowRouter, data: dict[str, object], id: str
) -> None:
    found = shipped.target(alert(**data))
    assert (found.route, found.id, found.signal) == ("alert", id, "event")
    assert found.deliver is Deliver.SIGNAL


@pytest.mark.parametrize("key", ["", None, [], {"a": 1}])
def test_as_shipped_an_alert_without_a_key_belongs_to_no_incident(
    shipped: WorkflowRouter, key: object
) -> None:
    with pytest.raises(InvalidChildId, match="child_id of route alert"):
        shipped.target(alert(key=key, source="alertmanager"))


def test_as_shipped_an_alert_that_is_not_an_object_belongs_to_no_incident(
    shipped: WorkflowRouter,
) -> None:
    event = Event(id="1", source="/am", type=ALERT, key="ce:/am#1", data="firing")
    with pytest.raises(InvalidChildId):
        shipped.target(event)


def test_alerts_are_grouped_by_what_the_template_names() -> None:
    """And an alert that does not have it is refused, not grouped with all others like it."""
    table = RoutingFile.model_validate(
        {
            "version": 1,
            "routes": [
                {
                    "name": "alert",
                    "match": {"exact": {"type": ALERT}},
                    "workflow": "Incident",
                    "task_queue": "incidents",
                    "child_id": "incident:{data.labels.cluster}:{data.labels.alertname}",
                }
            ],
        }
    )
    labels = {"cluster": "eu", "alertname": "Down"}
    assert (
        WorkflowRouter(table.compiled()).target(alert(key="1", labels=labels)).id
        == "incident:eu:Down"
    )
    with pytest.raises(InvalidChildId, match=r"labels\.alertname"):
        WorkflowRouter(table.compiled()).target(alert(key="1", labels={"cluster": "eu"}))


def test_an_alert_without_a_scope_belongs_to_no_incident(shipped: WorkflowRouter) -> None:
    with pytest.raises(InvalidChildId, match="tidegatescope"):
        shipped.target(replace(alert(key="1"), scope=""))


def test_a_compiled_table_is_the_same_after_a_trip_through_json() -> None:
    compiled = load_routes(SHIPPED_ROUTES).compiled()
    again = RoutingTable.from_json(json.loads(json.dumps(compiled.to_json())))
    assert again == compiled
    assert again.digest == compiled.digest
    types = [[[type(value) for value in route] for route in of.routes] for of in (again, compiled)]
    assert types[0] == types[1]  # choices are compared by identity


def test_a_tables_digest_tells_it_from_another() -> None:
    assert table(route()).digest == table(route()).digest
    assert table(route()).digest != table(route(task_queue="other")).digest


text = st.text(min_size=1, max_size=40)
SEPARATORS = ":/#-._~@|+ ,;=&!?()[]*"
NAMES = st.text("ab-1/._", min_size=1, max_size=8)
"""As queues, topics and webhooks are named, with every separator that such a name may hold."""
scopes = st.builds("{}:{}".format, st.sampled_from(["webhook", "queue", "topic", "shared"]), NAMES)


@given(st.sampled_from([SCOPE_ATTRIBUTE, WAY_ATTRIBUTE]), st.sampled_from(SEPARATORS), st.data())
def test_our_own_attributes_and_values_never_run_into_each_other(
    attribute: str, separator: str, data: st.DataObject
) -> None:
    """Also where what one ends with is what the other begins with."""
    values = st.text(f"ab1%/{separator}", min_size=1, max_size=8)
    template = f"x:{{{attribute}}}{separator}{{data.key}}"
    made: dict[str, tuple[str, str]] = {}
    kind, rest = data.draw(st.sampled_from(["queue", "webhook"])), data.draw(values)
    whole = f"a{separator}{rest}{separator}b"
    for place in (i for i, character in enumerate(whole) if character == separator):
        own, key = f"{kind}:{whole[:place]}", whole[place + 1 :]
        event = replace(EVENT, way=own, scope=own, data={"key": key})
        made.setdefault(child(event, child_id=template).id, (own, key))
    assert len(made) == whole.count(separator)


@pytest.mark.parametrize(
    ("separator", "one", "other"),
    [
        ("-", ("webhook:prod", "eu-1"), ("webhook:prod-eu", "1")),
        ("/", ("queue:a", "b/c"), ("queue:a/b", "c")),
        (".", ("queue:a", "fifo.c"), ("queue:a.fifo", "c")),
        ("_", ("queue:a", "b_c"), ("queue:a_b", "c")),
    ],
)
def test_a_separator_in_a_scopes_name_does_not_move_its_end(
    separator: str, one: tuple[str, str], other: tuple[str, str]
) -> None:
    template = f"incident:{{tidegatescope}}{separator}{{data.key}}"
    ids = {
        child(replace(EVENT, scope=scope, data={"key": key}), child_id=template).id
        for scope, key in (one, other)
    }
    assert len(ids) == 2


def test_a_scopes_kind_stays_readable() -> None:
    event = replace(EVENT, scope="queue:a/b:c", data={"key": "k:1"})
    assert child(event, child_id="{tidegatescope}:{data.key}").id == "queue:a%2Fb%3Ac:k:1"


@given(scopes, text, scopes, text)
def test_as_shipped_two_alerts_never_share_an_incident(
    scope: str, key: str, other_scope: str, other_key: str
) -> None:
    router = bootstrap.router(Settings())
    one = router.target(replace(alert(key=key), scope=scope)).id
    other = router.target(replace(alert(key=other_key), scope=other_scope)).id
    assert (one == other) == ((scope, key) == (other_scope, other_key))


@given(text, text, text, text, st.sampled_from(SEPARATORS).map(lambda one: f"{one} -"))
def test_values_in_a_template_never_run_into_each_other(
    a: str, b: str, c: str, d: str, separator: str
) -> None:
    template = f"x:{{data.one}}{separator}{{data.two}}"

    def id(one: str, two: str) -> str:
        return child(replace(EVENT, data={"one": one, "two": two}), child_id=template).id

    assert (id(a, b) == id(c, d)) == ((a, b) == (c, d))
    assert len(id(a * 20, b).encode()) <= 255


tricky = st.text("ab:/#@%~.", min_size=1, max_size=12) | text


@given(scopes, tricky, tricky, tricky)
@example("queue:orders", "x", "y", "x#y")
@example("queue:orders/ce", "x", "y", "x#y")
def test_as_shipped_what_different_routes_take_never_meets_in_one_incident(
    scope: str, source: str, subject: str, key: str
) -> None:
    """An alert, a report by message and an uploaded one, each of the same scope and of one whose
    name goes on where the scope ends."""
    router = bootstrap.router(Settings())
    report = Event(
        id="1", source=source, type="x.incident.reported", subject=subject, key="k", scope=scope
    )
    upload = Event(
        id="1",
        source=source,
        type=DOCUMENT_CREATED,
        subject="incidents/a.json",
        key=cloudevent_key(scope, source, subject),
        scope=scope,
    )
    ids = [router.target(event).id for event in (report, upload)]
    alerts = {
        router.target(replace(alert(key=fingerprint), scope=name)).id
        for name in (scope, f"{scope}/ce", f"{scope}/ce:{source}", "queue:event")
        for fingerprint in (key, f"{source}#{subject}", f"ce:{source}#{subject}")
    }
    assert not alerts & set(ids)
    assert ids[0] != ids[1]


@given(scopes, text | text.map(lambda part: part * 20))
@example("webhook:a", "k" * 300)
@example("webhook:a", "é" * 200)
@example("webhook:a", "%" * 100)
@example("webhook:a", "x" * 195 + "%" * 50)
@example("webhook:a", 'a"b\\c%25')
@example("webhook:a", "x@20260102T030405.678Z")
@example("webhook:a", "a~" + "0" * 40)
def test_as_shipped_a_successor_gets_the_workflow_id_of_the_incident_that_it_follows(
    scope: str, key: str
) -> None:
    router = bootstrap.router(Settings())
    id = router.target(replace(alert(key=key), scope=scope)).id
    assert parse_id(id) == (id, None)
    subject = successor_subject(incident_id(id, datetime(2026, 1, 2, tzinfo=UTC)))
    successor = replace(EVENT, type=INCIDENT_SUCCESSOR, subject=subject)
    assert router.target(successor).id == id


@pytest.mark.parametrize("subject", ["a\nb", 'a"b', "x" * 300])
def test_as_shipped_a_successor_of_what_is_no_workflow_is_refused(subject: str) -> None:
    successor = replace(EVENT, type=INCIDENT_SUCCESSOR, subject=subject)
    with pytest.raises(InvalidChildId, match="is not a part of a workflow ID"):
        bootstrap.router(Settings()).target(successor)
