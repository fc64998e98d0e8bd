"""What people do in PagerDuty and Opsgenie about what we paged there: commands to the incident, and
no loop."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import pytest

from core.adapters.notifiers.opsgenie import request
from core.adapters.notifiers.pagerduty import dedup_key
from core.adapters.notifiers.pagerduty import event as message
from core.config.routing_table import routing_table
from core.domain.command import Proof
from core.domain.event import INCIDENT_COMMAND, Event
from core.domain.identity import WORKFLOW_ID_BYTES
from core.domain.incident.commands import COMMANDS, AnyCommand, read_named
from core.domain.incident.effects import FollowUp, Page
from core.domain.incident.inputs import CommandSent
from core.domain.routing.table import Deliver, WhenMissing, WorkflowRouter
from core.domain.signalled import signalled
from core.formats import opsgenie
from core.formats.pagerduty_webhook import reply
from core.formats.shared.incident_command import US, is_incident
from core.ports.notifier import Notification, NotificationKind
from tests.support.webhook_payloads import changed, event, items, payload, sent
from tests.unit.incident.examples import opened, policy

NAME = "pagerduty_webhook"
ID = "incident:webhook:prod:5f2e@20260102T030405.678Z"
PERSON = {"type": "user_reference", "id": "PUSER", "summary": "Maeve Example"}
OURS = changed(
    changed(payload(NAME, "our-own-page"), "event", "agent", to=PERSON),
    *("event", "data", "incident_key"),
    to=ID,
)


def done(what: str, **fields: Any) -> Any:
    """The webhook of something that Maeve has done about our incident."""
    body = changed(OURS, "event", "event_type", to=f"incident.{what}")
    for name, value in fields.items():
        body = changed(body, "event", name, to=value)
    return body


def asked(what: str, **fields: Any) -> AnyCommand:
    found = event(sent(NAME, done(what, **fields)))
    assert found.type == INCIDENT_COMMAND
    return read_named(found.data)


@pytest.mark.parametrize(
    ("what", "name", "fields"),
    [
        ("acknowledged", "acknowledge", {}),
        ("unacknowledged", "unacknowledge", {}),
        ("resolved", "resolve", {"force": True}),
        ("reopened", "reopen", {}),
        ("reassigned", "assign", {"assignee": "Maeve Example"}),
    ],
)
def test_what_a_person_does_is_a_command_to_the_incident(
    what: str, name: str, fields: dict[str, Any]
) -> None:
    command = asked(what)
    assert isinstance(command, COMMANDS[name])
    assert (command.actor, command.proof) == ("Maeve Example", Proof.PAGERDUTY)
    assert command.incident_id == ID
    assert {key: getattr(command, key) for key in fields} == fields
    assert reply(sent(NAME, done(what))) == {}


def test_the_shipped_routes_signal_it_to_the_incident_and_start_none() -> None:
    command = event(sent(NAME, done("acknowledged")))
    target = WorkflowRouter(routing_table(None)).target(command)
    assert target.id == "incident:webhook:prod:5f2e"
    assert (target.deliver, target.when_missing) == (Deliver.SIGNAL, WhenMissing.QUARANTINE)
    assert (target.workflow, target.signal) == ("Incident", "event")
    assert signalled(command)["data"] == command.data


def test_it_says_when_it_was_given_there() -> None:
    assert str(asked("acknowledged").given_at) == "2026-01-02 05:00:01+00:00"
    assert asked("acknowledged", occurred_at="yesterday").given_at is None


@pytest.mark.parametrize("key", ["a/b c%2F@x", "ä" * 40, "x" * 180])
def test_the_key_of_any_incident_leads_back_to_it(key: str) -> None:
    id = f"incident:webhook:prod:{key}@20260102T030405.678Z"
    body = changed(done("acknowledged"), "event", "data", "incident_key", to=dedup_key(id))
    target = WorkflowRouter(routing_table(None)).target(event(sent(NAME, body)))
    assert target.id == f"incident:webhook:prod:{key}"


def test_a_redelivery_is_the_same_command() -> None:
    first, again = (event(sent(NAME, done("acknowledged"), unique=unique)) for unique in ("1", "2"))
    assert first == again
    other = asked("acknowledged", id="ANOTHER")
    assert other.command_id != read_named(first.data).command_id


@pytest.mark.parametrize(
    ("what", "fields"),
    [
        ("acknowledged", {"agent": None}),
        ("acknowledged", {"agent": {"type": "service_reference", "summary": "API Service"}}),
        ("resolved", {"agent": {"type": "inbound_integration_reference", "summary": "Tidegate"}}),
        ("unacknowledged", {"agent": {"type": "escalation_policy_reference"}}),
        ("acknowledged", {"id": None}),
        ("triggered", {}),
        ("annotated", {}),
        ("escalated", {}),
        ("priority_updated", {}),
    ],
)
def test_what_no_person_did_or_what_is_no_command_is_ignored_and_said_so(
    what: str, fields: dict[str, Any]
) -> None:
    delivery = sent(NAME, done(what, **fields))
    assert items(delivery) == []
    assert "this is no command" in reply(delivery)["ignored"]


@pytest.mark.parametrize(
    "key",
    [
        "backup@20260102T030405.678Z",
        "incident:@20260102T030405.678Z",
        "incident:webhook:prod:5f2e",
        f"{ID}~{'0' * 64}",
    ],
)
def test_a_key_that_names_no_incident_is_no_command(key: str) -> None:
    body = changed(done("acknowledged"), "event", "data", "incident_key", to=key)
    assert not is_incident(key)
    assert items(sent(NAME, body)) == []


@pytest.mark.parametrize(
    ("name", "actor"),
    [
        (" Maeve\n\x00 Example ", "Maeve Example"),
        ("m" * 5000, "m" * 197 + "..."),
        ("tidegate", "pagerduty"),
        ("TIDEGATE", "pagerduty"),
        ("\n", "pagerduty"),
        (None, "pagerduty"),
        (17, "17"),
    ],
)
def test_any_name_there_is_one_that_a_command_takes(name: object, actor: str) -> None:
    assert asked("acknowledged", agent={**PERSON, "summary": name}).actor == actor


def test_without_an_assignee_a_reassignment_is_ignored() -> None:
    for assignees in ([], None, [{"summary": "tidegate"}], "ana"):
        body = changed(done("reassigned"), "event", "data", "assignees", to=assignees)
        assert items(sent(NAME, body)) == []


def test_it_fits_a_signal_whatever_the_sender_writes() -> None:
    long = "ä\n" * 100_000
    body = done("reassigned", agent={**PERSON, "summary": long}, id=long)
    body = changed(body, "event", "data", "assignees", to=[{"summary": long}])
    command = event(sent(NAME, body))
    assert signalled(command)["data"] == command.data
    assert len(command.id) < WORKFLOW_ID_BYTES
    read_named(command.data)


# ------------------------------------------------------------------------------- Opsgenie

ALERT = changed(payload("opsgenie", "acknowledge"), "alert", "alias", to=ID)


def in_opsgenie(action: str, **fields: Any) -> Any:
    """The webhook of something that was done about our alert."""
    body = changed(ALERT, "action", to=action)
    for name, value in fields.items():
        body = changed(body, "alert", name, to=value)
    return body


@pytest.mark.parametrize(
    ("action", "more", "name", "fields"),
    [
        ("Acknowledge", {}, "acknowledge", {}),
        ("UnAcknowledge", {}, "unacknowledge", {}),
        ("Close", {}, "resolve", {"force": True}),
        (
            "AssignOwnership",
            {"owner": "ben@example.com"},
            "assign",
            {"assignee": "ben@example.com"},
        ),
        ("TakeOwnership", {}, "assign", {"assignee": "maeve@example.com"}),
        ("AddNote", {"note": "the disk\r\nis full\x00"}, "comment", {"note": "the disk\nis full"}),
    ],
)
def test_what_a_person_does_in_opsgenie_is_a_command(
    action: str, more: dict[str, Any], name: str, fields: dict[str, Any]
) -> None:
    body = in_opsgenie(action, username="maeve@example.com", **more)
    found = event(sent("opsgenie", body))
    command = read_named(found.data)
    assert isinstance(command, COMMANDS[name])
    assert (command.actor, command.proof) == ("maeve@example.com", Proof.OPSGENIE)
    assert command.incident_id == ID
    assert {key: getattr(command, key) for key in fields} == fields
    assert opsgenie.reply(sent("opsgenie", body)) == {}
    assert event(sent("opsgenie", body, unique="2")).id == found.id


def test_what_is_done_there_in_the_same_moment_are_two_commands() -> None:
    one, other = (
        event(sent("opsgenie", in_opsgenie(action, username="maeve", updatedAt=1767323224764)))
        for action in ("Acknowledge", "TakeOwnership")
    )
    assert one.id != other.id


@pytest.mark.parametrize(
    ("action", "more", "source"),
    [
        ("Create", {}, "web"),
        ("Acknowledge", {"username": "Tidegate"}, "API"),
        ("Acknowledge", {"username": "Tidegate"}, "web"),
        ("Close", {"username": "System"}, "system"),
        ("Close", {"username": "System"}, "web"),
        ("Close", {"username": "maeve@example.com"}, "api"),
        ("Acknowledge", {"username": None}, "web"),
        ("Escalate", {}, "web"),
        ("Delete", {}, "web"),
        ("AddNote", {"note": " \n"}, "web"),
        ("AssignOwnership", {"owner": None}, "web"),
    ],
)
def test_what_nobody_did_in_opsgenie_is_ignored_and_said_so(
    action: str, more: dict[str, Any], source: str
) -> None:
    delivery = sent("opsgenie", changed(in_opsgenie(action, **more), "source", "type", to=source))
    assert items(delivery) == []
    assert "this is no command" in opsgenie.reply(delivery)["ignored"]


@pytest.mark.parametrize(
    "ours", [{"alias": "backup:disk@20260102T030405.678Z"}, {"alias": "disk", "source": "Tidegate"}]
)
@pytest.mark.parametrize("action", ["Create", "Acknowledge", "UpdatePriority", "Close"])
def test_a_page_of_any_installation_and_route_is_no_alert_or_it_would_page_without_end(
    ours: dict[str, str], action: str
) -> None:
    delivery = sent("opsgenie", in_opsgenie(action, username="maeve@example.com", **ours))
    assert items(delivery) == []
    assert "created this alert, by its source or its alias" in opsgenie.reply(delivery)["ignored"]


def test_what_we_create_there_has_us_as_its_source() -> None:
    page = Notification(key="k", title="x", body="", severity="high", kind=NotificationKind.PAGE)
    assert request(page)[1]["source"] == US


def test_alerts_of_others_stay_alerts() -> None:
    body = payload("opsgenie", "create")
    assert event(sent("opsgenie", body)).type == "tidegate.alert"
    assert opsgenie.reply(sent("opsgenie", body)) == {}
    assert opsgenie.reply(sent("opsgenie", b"{no json")) == {}


@pytest.mark.parametrize("letter", ["ä\n", '"', "漢", "🔥"])
def test_a_note_of_any_length_fits_a_signal(letter: str) -> None:
    longest = f"incident:{'x' * (WORKFLOW_ID_BYTES - 9)}@20260102T030405.678Z"
    body = in_opsgenie("AddNote", username=letter * 5_000, note=letter * 50_000)
    body = changed(
        changed(body, "alert", "alias", to=longest), "alert", "updatedAt", to="9" * 9_999
    )
    found = event(sent("opsgenie", body, hook="h" * 63))
    assert signalled(found)["data"] == found.data
    read_named(found.data)


# ------------------------------------------------------------------------------- no loop


@dataclass
class PagerDuty:
    """PagerDuty's side: our messages to its Events API, and what people do, each with a webhook."""

    format = NAME
    status: str = "none"
    webhooks: list[Any] = field(default_factory=list)
    count: int = 0

    def takes(self, effect: Page | FollowUp) -> None:
        """A message of ours, through an integration."""
        kind = NotificationKind(effect.what if isinstance(effect, FollowUp) else "page")
        match self.action(Notification(key="k", title="x", body="", severity="high", kind=kind)):
            case "trigger" if self.status in ("none", "resolved"):
                self._now("triggered", by_person=False)
            case "acknowledge" if self.status == "triggered":
                self._now("acknowledged", by_person=False)
            case "resolve" if self.status in ("triggered", "acknowledged"):
                self._now("resolved", by_person=False)
            case _:
                pass

    def does(self, what: str) -> bool:
        """Something that Maeve does; whether it is possible."""
        possible = {
            "acknowledged": ("triggered",),
            "unacknowledged": ("acknowledged",),
            "resolved": ("triggered", "acknowledged"),
            "reopened": ("resolved",),
            "reassigned": ("triggered", "acknowledged"),
        }
        if self.status not in possible[what]:
            return False
        self._now(what, by_person=True)
        return True

    def action(self, notification: Notification) -> str:
        return str(message(notification, "routing")["event_action"])

    def webhook(self, what: str, *, by_person: bool) -> Any:
        agent = {"type": "inbound_integration_reference", "summary": "Events API"}
        return done(what, agent=PERSON if by_person else agent, id=f"E{self.count}")

    def _now(self, what: str, *, by_person: bool) -> None:
        self.count += 1
        again = dict.fromkeys(("unacknowledged", "reopened"), "triggered")
        states = {**again, "reassigned": self.status}
        self.status = states.get(what, what)
        self.webhooks.append(self.webhook(what, by_person=by_person))


class Opsgenie(PagerDuty):
    """Opsgenie's side, in PagerDuty's words."""

    format = "opsgenie"

    def action(self, notification: Notification) -> str:
        path, _ = request(notification)
        words = {"/acknowledge?": "acknowledge", "/close?": "resolve"}
        return next((word for part, word in words.items() if part in path), "trigger")

    def does(self, what: str) -> bool:
        return what != "reopened" and super().does(what)  # a closed alert stays closed

    def webhook(self, what: str, *, by_person: bool) -> Any:
        action = {
            "triggered": "Create",
            "acknowledged": "Acknowledge",
            "unacknowledged": "UnAcknowledge",
            "resolved": "Close",
            "reassigned": "AssignOwnership",
        }[what]
        who = "maeve" if by_person else "Tidegate"
        body = in_opsgenie(action, username=who, owner="ben", updatedAt=self.count)
        return changed(body, "source", "type", to="web" if by_person else "API")


THERE = ("acknowledged", "unacknowledged", "resolved", "reopened", "reassigned")
BEN = {"actor": "ben"}
HERE: dict[str, dict[str, Any]] = {
    "acknowledge": BEN,
    "unacknowledge": BEN,
    "resolve": {**BEN, "force": True},
    "reopen": BEN,
}


@pytest.mark.parametrize("there", [PagerDuty(), Opsgenie()], ids=["PagerDuty", "Opsgenie"])
def test_a_thousand_rounds_make_no_loop(there: PagerDuty) -> None:
    chance = random.Random(17)  # noqa: S311
    here = opened(policy(reopen_window=30 * 86_400.0))
    commands = acts = told = 0

    def exchange() -> None:
        """Until neither side has anything to tell the other."""
        nonlocal commands, told
        for _ in range(20):
            effects, told = here.effects[told:], len(here.effects)
            for effect in effects:
                if isinstance(effect, Page | FollowUp):
                    there.takes(effect)
            here.deliver()
            webhooks, there.webhooks = there.webhooks, []
            if not webhooks and told == len(here.effects):
                return
            for body in webhooks:
                for found in items(sent(there.format, body)):
                    assert isinstance(found, Event)
                    command = read_named({**found.data, "incident_id": None})
                    commands += 1
                    here.give(CommandSent(command=command))
        pytest.fail("they go on telling each other")

    exchange()
    for number in range(1000):
        here.wait(chance.choice([1, 60, 600]), deliver=True)
        exchange()
        what = chance.choice([*THERE, *HERE])
        if what in HERE:
            here.give(read_named({"name": what, "command_id": f"r{number}", **HERE[what]}))
        else:
            acts += there.does(what)
        exchange()
    assert commands == acts > 100
