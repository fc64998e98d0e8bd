from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from core import bootstrap
from core.config.settings import Settings
from core.domain.event import ALERT, DOCUMENT_CREATED, Event
from core.domain.identity import workflow_id
from core.domain.routing import (
    Child,
    EventRoutingService,
    RoutingTable,
    WhenRunning,
    WorkflowRouter,
)
from core.errors import InvalidChildId, NoRoute

EVENT = Event(
    id="1",
    source="/checks",
    type="com.example.reported",
    subject="payments",
    key="ce:/checks#1",
    data={"n": 7, "f": 1.5, "yes": True, "nothing": None, "list": ["a"], "deep": {"name": "x"}},
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
    return RoutingTable.model_validate({"version": 1, "routes": list(routes)})


def child(event: Event = EVENT, **fields: Any) -> Child:
    return WorkflowRouter(table(route(**fields))).child(event)


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
        "subject 'payments' (tried a, b) (add a route for it, check it with `tidegate explain`, "
        "then `tidegate quarantine replay`)"
    )


def test_a_child_has_all_that_its_route_says() -> None:
    result = child(
        name="reports",
        child_id="report:{subject}",
        when_running="signal",
        signal="event",
        timeouts={"execution": "90d", "run": "12h", "task": "10s"},
    )
    assert result.model_dump() == {
        "route": "reports",
        "workflow": "Child",
        "task_queue": "children",
        "id": "report:payments",
        "next_id": result.next_id,
        "when_running": WhenRunning.SIGNAL,
        "signal": "event",
        "execution_timeout": 90 * 86400.0,
        "run_timeout": 12 * 3600.0,
        "task_timeout": 10.0,
    }


def test_what_a_route_does_not_say_has_a_default() -> None:
    result = child()
    assert result.id == "any:ce:/checks#1"
    assert result.when_running is WhenRunning.REJECT
    assert result.signal is None
    assert (result.execution_timeout, result.run_timeout, result.task_timeout) == (None, None, None)


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
        ("{subject}{subject}", "paymentspayments"),
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
    assert [len(id.encode()) for id in ids] == [1000, 1000]
    assert ids[0] != ids[1]


@pytest.mark.parametrize(
    ("template", "expression", "value"),
    [
        ("{nowhere}", "nowhere", "None"),
        ("a{data.nothing}", "data.nothing", "None"),
        ("a{data.list}", "data.list", "['a']"),
        ("a{data.deep}", "data.deep", "{'name': 'x'}"),
        ("a{data.deep.name > `1`}", "data.deep.name > `1`", "None"),
        ("{subject}{data.list[1:] && ''}", "data.list[1:] && ''", "[]"),
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
    assert table(route(timeouts={"run": text})).routes[0].timeouts.run == duration


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
    result = shipped.child(event)
    assert (result.route, result.workflow, result.task_queue) == (
        "incident-report",
        "Incident",
        "tidegate-incident",
    )
    assert result.id == f"incident:{workflow_id(event.key)}"
    assert (result.when_running, result.signal) == (WhenRunning.SIGNAL, "event")


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
        shipped.child(event)


@pytest.mark.parametrize(("subject", "last"), [("payments", "payments"), (None, "1")])
def test_as_shipped_reports_by_message_meet_in_the_incident_of_their_subject(
    shipped: WorkflowRouter, subject: str | None, last: str
) -> None:
    type = "com.example.incident.reported"
    event = Event(id="1", source="/checks", type=type, subject=subject, key="ce:/checks#1")
    result = shipped.child(event)
    assert (result.route, result.id) == ("incident-event", f"incident:/checks:{last}")


def alert(**data: object) -> Event:
    return Event(id="1", source="/am", type=ALERT, key="ce:/am#1", data={"version": 1, **data})


@pytest.mark.parametrize(
    ("data", "id"),
    [
        ({"key": "5f2e", "source": "alertmanager"}, "incident:alertmanager:5f2e"),
        ({"key": "5f2e"}, "incident:/am:5f2e"),
        ({"key": 7, "source": ""}, "incident:/am:7"),
    ],
)
def test_as_shipped_an_alert_goes_to_the_incident_of_its_source_and_key(
    shipped: WorkflowRouter, data: dict[str, object], id: str
) -> None:
    result = shipped.child(alert(**data))
    assert (result.route, result.id, result.signal) == ("alert", id, "event")


@pytest.mark.parametrize("key", ["", None, [], {"a": 1}])
def test_as_shipped_an_alert_without_a_key_belongs_to_no_incident(
    shipped: WorkflowRouter, key: object
) -> None:
    with pytest.raises(InvalidChildId, match="child_id of route alert"):
        shipped.child(alert(key=key, source="alertmanager"))


def test_as_shipped_an_alert_that_is_not_an_object_belongs_to_no_incident(
    shipped: WorkflowRouter,
) -> None:
    event = Event(id="1", source="/am", type=ALERT, key="ce:/am#1", data="firing")
    with pytest.raises(InvalidChildId):
        shipped.child(event)


def test_alerts_are_grouped_by_what_the_template_names() -> None:
    """An alert without it is refused, and not grouped with all others like it."""
    table = RoutingTable.model_validate(
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
    assert WorkflowRouter(table).child(alert(key="1", labels=labels)).id == "incident:eu:Down"
    with pytest.raises(InvalidChildId, match=r"labels\.alertname"):
        WorkflowRouter(table).child(alert(key="1", labels={"cluster": "eu"}))
