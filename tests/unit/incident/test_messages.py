"""What people read when they are paged, and what they hear afterwards: the whole text."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from core.domain.command import SOURCE_PREFIX
from core.domain.handles import handle_of
from core.domain.incident.decisions.closing import is_finished
from core.domain.incident.decisions.messages import MAX_LINKS
from core.domain.incident.effects import FollowUp, Page
from core.domain.incident.inputs import PageSettled
from core.domain.incident.model import KEPT_NAMES
from core.domain.incident.policies.policy import Level, Policy, PolicyTarget
from core.domain.targets import News
from tests.unit.incident.examples import (
    ID,
    ON_CALL,
    START,
    Life,
    acknowledged,
    alert,
    cleared,
    levels,
    mitigated,
    opened,
    opening,
    policy,
)

HANDLE = handle_of(ID)
LINKS = {
    "source": "https://prometheus.example/graph?g0.expr=up",
    "silence": "https://alerts.example/silence",
    "dashboard": "https://grafana.example/d/disk",
    "runbook": "https://runbooks.example/disk",
}
THREE = levels((0, "ana chat"), (300, "ben"), (900, "cleo"))
URL = "https://ui.example/i/1"


def life(**fields: Any) -> Life:
    return opened(
        Policy(levels=THREE, repage_every=600, **fields.pop("rules", {})),
        service="storage",
        **fields,
    )


def text(page: Page | FollowUp, url: str | None = None) -> str:
    return f"{page.title}\n\n{page.body(url)}"


def lines(text: str) -> str:
    """A text as tests write it, with what stands for the incident's names in it."""
    return text.strip("\n").replace("HANDLE", HANDLE).replace("ID", ID)


def test_the_page_at_level_1_without_links() -> None:
    [page, _] = life().pages()
    assert text(page) == lines("""
[MEDIUM] Disk 5f2e is full

Acknowledge: tidegate incident ack HANDLE
Since: 2026-01-02 03:04:05 UTC
Service: storage
Firing: 1 alert
Sent by: alertmanager
Incident: ID
""")


def test_the_page_at_level_1_with_links() -> None:
    incident = life(
        links=LINKS,
        severity="critical",
        summary="97 % of /var is used.\n\nIt grows by 1 % a minute.",
        starts_at=START - timedelta(minutes=12, seconds=30),
    )
    assert text(incident.pages()[0], URL) == lines("""
[CRITICAL] Disk 5f2e is full

97 % of /var is used.

It grows by 1 % a minute.

Acknowledge: tidegate incident ack HANDLE
Runbook: https://runbooks.example/disk
Open: https://ui.example/i/1
Since: 2026-01-02 02:51:35 UTC (12 min)
Service: storage
Firing: 1 alert
Dashboard: https://grafana.example/d/disk
Source: https://prometheus.example/graph?g0.expr=up
Silence: https://alerts.example/silence
Sent by: alertmanager
Incident: ID
""")


def test_a_page_has_no_link_of_another_alert_that_fires_no_more() -> None:
    incident = life(links={"runbook": LINKS["runbook"]})
    incident.give(alert("another", links={"dashboard": LINKS["dashboard"]}))
    incident.give(cleared("another"))
    incident.deliver()
    incident.wait(300)
    assert [link.name for link in incident.pages()[-1].links] == ["runbook"]


def test_the_page_of_a_report_has_its_runbook_first() -> None:
    incident = Life()
    links = {"dashboard": LINKS["dashboard"], "runbook": LINKS["runbook"]}
    incident.give(opening(named_links=links, links=["https://logs.example/1"]))
    [page] = incident.pages()
    assert [(link.name, link.url) for link in page.links] == [
        ("runbook", LINKS["runbook"]),
        ("dashboard", LINKS["dashboard"]),
        ("link", "https://logs.example/1"),
    ]
    assert page.body().splitlines()[1] == f"Runbook: {LINKS['runbook']}"


def test_the_page_at_level_2_says_who_was_paged_before() -> None:
    incident = life(links={"runbook": LINKS["runbook"]})
    incident.give(alert("another", links={"dashboard": LINKS["dashboard"]}))
    incident.deliver()
    incident.wait(300)
    assert text(incident.pages()[-1]) == lines("""
[MEDIUM] Disk 5f2e is full

Acknowledge: tidegate incident ack HANDLE
Runbook: https://runbooks.example/disk
Since: 2026-01-02 03:04:05 UTC (5 min)
Service: storage
Firing: 2 of 2 alerts
Paged before: level 1: ana and chat, not acknowledged for 5 min
Dashboard: https://grafana.example/d/disk
Sent by: alertmanager
Incident: ID
""")


def test_a_repeat_names_every_level_and_what_came_of_its_pages() -> None:
    ana, chat = PolicyTarget(name="ana", fallback=("sms",)), PolicyTarget(name="chat")
    rules = Policy(
        levels=(Level(after=0, targets=(ana, chat)), *levels((300, "ben"))), repage_every=600
    )
    incident = opened(rules, service="storage")
    first, second = incident.pages()
    incident.give(PageSettled(key=first.key, via="sms"))
    incident.wait(300)
    page = incident.pages()[-1]
    assert page.facts[-1] == (
        "Paged before: level 1: ana through sms, not acknowledged for 5 min, chat not delivered yet"
    )
    incident.give(PageSettled(key=page.key))
    incident.wait(599)
    incident.give(PageSettled(key=second.key, failure="no answer"))
    incident.wait(1)
    page = incident.pages()[-1]
    assert (page.target, page.repeat) == ("ben", 2)
    assert text(page) == lines("""
[MEDIUM] Disk 5f2e is full

Acknowledge: tidegate incident ack HANDLE
Since: 2026-01-02 03:04:05 UTC (15 min)
Service: storage
Firing: 1 alert
Paged before: level 1: ana through sms, not acknowledged for 15 min, chat not reached; \
level 2: ben, not acknowledged for 10 min
Sent by: alertmanager
Incident: ID
""")


def test_pages_of_an_earlier_opening_are_not_named() -> None:
    incident = life()
    incident.deliver()
    incident.do("acknowledge")
    incident.wait(60)
    incident.do("unacknowledge")
    assert "Paged before" not in text(incident.pages()[-1])


def test_a_page_about_a_worse_alert_says_who_has_the_incident() -> None:
    incident = life()
    incident.deliver()
    incident.do("acknowledge")
    incident.wait(60)
    incident.give(alert("worse", severity="critical"))
    page = incident.pages()[-1]
    assert page.title == "[CRITICAL] Disk 5f2e is full"
    assert "Acknowledged by: ana" in page.facts
    assert not any(fact.startswith("Paged before") for fact in page.facts)


def test_a_page_for_a_report_has_its_links_and_its_reporter() -> None:
    incident = Life()
    links = [f"https://logs.example/{number}" for number in range(50)]
    incident.give(opening(policy(), links=links, reporter="desk", service="shop"))
    page = incident.pages()[0]
    assert text(page) == lines(
        """
[HIGH] Checkout

Acknowledge: tidegate incident ack HANDLE
Since: 2026-01-02 03:04:05 UTC
Service: shop
"""
        + "\n".join(f"Link: {link}" for link in links[:MAX_LINKS])
        + """
Reported by: desk
Document: s3://docs/a
Incident: ID
"""
    )


def test_a_reopened_incident_says_so_in_its_pages() -> None:
    incident = life(rules={"reopen_window": 600})
    incident.do("resolve", force=True)
    incident.wait(60)
    incident.do("reopen")
    assert "Reopened: once" in incident.pages()[-1].facts


def test_a_page_has_few_links_however_many_alerts_there_are() -> None:
    incident = life(links=LINKS)
    for number in range(30):
        incident.give(alert(f"a{number}", links={f"name {number}": f"https://x.example/{number}"}))
    incident.wait(300)
    page = incident.pages()[-1]
    assert len(page.links) == MAX_LINKS
    assert page.links[0].name == "runbook"


# --------------------------------------------------------------------------------- follow-ups


def follow_ups(life: Life) -> list[FollowUp]:
    return [effect for effect in life.effects if isinstance(effect, FollowUp)]


def heard(life: Life) -> list[tuple[str, tuple[str, ...]]]:
    return [(message.what.value, message.targets) for message in follow_ups(life)]


def test_the_news_of_an_acknowledgement_says_who_when_and_where_to_look() -> None:
    incident = life()
    incident.deliver()
    incident.do("acknowledge", note="looking into it")
    [message] = follow_ups(incident)
    assert message.targets == ("ana", "chat")
    assert text(message, URL) == lines("""
Acknowledged by ana: Disk 5f2e is full

looking into it

Show: tidegate incident show HANDLE
Open: https://ui.example/i/1
At: 2026-01-02 03:04:05 UTC
Service: storage
Incident: ID
""")


@pytest.mark.parametrize(
    ("command", "title"),
    [
        (("resolve", {"force": True}), "Resolved by ana: Disk 5f2e is full"),
        (("mitigate", {}), "Mitigated by ana: Disk 5f2e is full"),
        (("close", {"reason": "false_alarm"}), "Closed as false alarm by ana: Disk 5f2e is full"),
        (("acknowledge", {}), "Acknowledged by ana: Disk 5f2e is full"),
    ],
)
def test_the_title_says_what_somebody_did(command: tuple[str, dict[str, Any]], title: str) -> None:
    incident = life()
    incident.deliver()
    name, fields = command
    incident.do(name, **fields)
    assert [message.title for message in follow_ups(incident)] == [title]


def test_the_title_says_when_the_source_or_nobody_ended_it() -> None:
    incident = life()
    incident.deliver()
    incident.give(cleared())
    assert follow_ups(incident)[-1].title == "Resolved by alertmanager: Disk 5f2e is full"
    incident = life(rules={"resolve_if_silent_for": 60})
    incident.deliver()
    incident.wait(60)
    message = follow_ups(incident)[-1]
    assert (message.title, message.text) == (
        "Resolved: Disk 5f2e is full",
        "no alert came for 1 min",
    )


def test_the_second_line_hears_that_somebody_acknowledged() -> None:
    incident = life()
    incident.wait(300, deliver=True)
    incident.do("acknowledge")
    incident.do("resolve", force=True)
    everybody = ("ana", "chat", "ben")
    assert heard(incident) == [("acknowledged", everybody), ("resolved", everybody)]


def test_each_news_is_told_once_per_change() -> None:
    incident = life(rules={"reopen_window": 3600})
    incident.deliver()
    incident.do("acknowledge")
    incident.do("acknowledge", "ben")
    incident.do("mitigate")
    incident.do("resolve", force=True)
    incident.write_report()
    incident.wait(3600)
    assert incident.status == "closed"
    assert [what for what, _ in heard(incident)] == ["acknowledged", "resolved"]


def test_a_reopened_incident_is_resolved_again_for_all_who_were_paged() -> None:
    incident = life(rules={"reopen_window": 3600})
    incident.wait(300, deliver=True)
    for _ in range(2):
        incident.do("acknowledge")
        incident.do("resolve", force=True)
        incident.do("reopen")
    assert [what for what, _ in heard(incident)] == ["acknowledged", "resolved"] * 2
    assert {targets for _, targets in heard(incident)} == {("ana", "chat", "ben")}
    keys = [message.key for message in follow_ups(incident)]
    incident.wait(1)
    incident.do("acknowledge")
    assert follow_ups(incident)[-1].key not in keys


@pytest.mark.parametrize(
    ("change", "undo", "what"),
    [("acknowledge", "unacknowledge", "acknowledged"), ("resolve", "reopen", "resolved")],
)
def test_what_was_undone_and_is_done_again_is_told_again(change: str, undo: str, what: str) -> None:
    incident = life(rules={"reopen_window": 3600})
    incident.wait(300, deliver=True)
    for _ in range(2):
        fields: dict[str, Any] = {"force": True} if change == "resolve" else {}
        incident.do(change, **fields)
        incident.do(undo)
    assert heard(incident) == [(what, ("ana", "chat", "ben"))] * 2


def test_who_is_paged_again_after_an_acknowledgement_hears_of_the_next_one() -> None:
    incident = life()
    incident.deliver()
    incident.do("acknowledge")
    incident.give(alert("worse", severity="critical"))
    incident.deliver()
    incident.do("acknowledge", "ben")
    assert heard(incident) == [("acknowledged", ("ana", "chat"))] * 2


def test_a_fallback_that_took_the_page_hears_in_place_of_its_target() -> None:
    target = PolicyTarget(name="ana", fallback=("sms",))
    incident = opened(Policy(levels=(Level(after=0, targets=(target,)),)))
    incident.give(PageSettled(key=incident.pages()[0].key, via="sms"))
    incident.do("acknowledge")
    assert heard(incident) == [("acknowledged", ("sms",))]


@pytest.mark.parametrize(
    ("make", "title"),
    [
        (acknowledged, "Acknowledged by ana: Disk 5f2e is full"),
        (mitigated, "Acknowledged: Disk 5f2e is full"),
    ],
)
def test_a_page_that_arrives_too_late_is_followed_up_once(make: Any, title: str) -> None:
    incident = make()
    [key] = incident.incident.pages
    incident.give(PageSettled(key=key))
    incident.do("acknowledge", "ben")
    [message] = follow_ups(incident)
    assert (message.what, message.targets, message.title) == ("acknowledged", (ON_CALL,), title)
    incident.do("resolve", force=True)
    assert [what for what, _ in heard(incident)] == ["acknowledged", "resolved"]


def test_a_page_that_arrives_as_the_acknowledgement_times_out_is_followed_up_by_the_next() -> None:
    incident = acknowledged(policy(acknowledgement_timeout=60.0))
    [key] = incident.incident.pages
    incident.now += timedelta(seconds=90)  # its timer is late
    incident.give(PageSettled(key=key))
    assert incident.status == "open"
    assert heard(incident) == []
    incident.do("acknowledge", "ben")
    assert heard(incident) == [("acknowledged", (ON_CALL,))]


def test_what_targets_have_heard_is_bounded() -> None:
    names = " ".join(f"t{number}" for number in range(3 * KEPT_NAMES))
    incident = opened(Policy(levels=levels((0, names))))
    incident.deliver()
    incident.do("acknowledge")
    assert len(incident.incident.heard) == len(incident.incident.reached) == KEPT_NAMES
    assert incident.incident.model_validate_json(incident.incident.model_dump_json()) == (
        incident.incident
    )


# --------------------------------------------------------------------------------- assignments

PEOPLE = {"ben": ("ben",), "cleo": ("cleo:mailto#1", "cleo:slack#2")}


def assigned(to: str | None, actor: str = "ana", **fields: Any) -> Life:
    incident = life(rules={"reachable": PEOPLE}, links=LINKS)
    incident.do("assign", actor, assignee=to, **fields)
    return incident


def test_the_assignee_is_told_of_an_assignment() -> None:
    incident = assigned("ben", note="you know this disk")
    [message] = follow_ups(incident)
    assert (message.what, message.targets) == (News.ASSIGNED, ("ben",))
    assert text(message) == lines("""
Assigned to you by ana: [MEDIUM] Disk 5f2e is full

you know this disk

Acknowledge: tidegate incident ack HANDLE
Runbook: https://runbooks.example/disk
Since: 2026-01-02 03:04:05 UTC
Service: storage
Firing: 1 alert
Assigned to: ben
Dashboard: https://grafana.example/d/disk
Source: https://prometheus.example/graph?g0.expr=up
Silence: https://alerts.example/silence
Sent by: alertmanager
Incident: ID
""")
    assert incident.sentences()[-1] == "Assigned to ben, who is notified: you know this disk"


@pytest.mark.parametrize(
    ("to", "actor", "targets"),
    [
        ("ben", "ana", ("ben",)),
        ("Ben", "ana", ("ben",)),
        ("cleo", "ana", PEOPLE["cleo"]),
        ("dora", "ana", ()),
        ("ben@example.com", "ana", ()),
        ("ben", "ben", ()),
        ("BEN", "ben", ()),
    ],
)
def test_who_is_told_of_an_assignment(to: str, actor: str, targets: tuple[str, ...]) -> None:
    assert heard(assigned(to, actor)) == ([("assigned", targets)] if targets else [])


def test_an_assignment_is_told_when_it_changes_and_an_unassignment_is_not() -> None:
    incident = assigned("ben")
    incident.do("assign", assignee="ben", commander="ana")
    incident.do("assign", commander="cleo")
    incident.do("assign", assignee="Ben")
    incident.do("assign", "cleo", assignee=None, commander="cleo")
    assert len(follow_ups(incident)) == 1
    incident.do("assign", assignee="ben")
    assert len(follow_ups(incident)) == 2


def test_an_assignee_who_was_told_hears_what_becomes_of_it() -> None:
    incident = assigned("ben")
    incident.do("acknowledge", "ben")
    incident.do("resolve", force=True)
    assert [what for what, _ in heard(incident)] == ["assigned", "acknowledged", "resolved"]
    late = life(rules={"reachable": PEOPLE})
    late.do("acknowledge")
    late.do("assign", assignee="ben")
    late.do("acknowledge", "cleo")
    late.do("resolve", force=True)
    assert [what for what, _ in heard(late)] == ["assigned", "resolved"]


def test_an_assignee_hears_that_what_was_held_back_never_became_an_incident() -> None:
    incident = life(rules={"reachable": PEOPLE, "hold_back": 600})
    incident.do("assign", assignee="ben")
    incident.give(cleared())
    assert heard(incident) == [("assigned", ("ben",)), ("resolved", ("ben",))]
    assert follow_ups(incident)[-1].title == "Never became an incident: Disk 5f2e is full"


def test_an_assignee_who_is_looked_for_is_not_told_of_what_never_became_an_incident() -> None:
    incident = life(rules={"hold_back": 600, "remember_for": 0})
    incident.answer = lambda question, now: None
    incident.do("assign", assignee="ben")
    incident.give(cleared())
    assert is_finished(incident.incident)
    assert (incident.deadline, heard(incident)) == (None, [])


def test_no_source_is_named_by_its_prefix() -> None:
    incident = life()
    incident.deliver()
    incident.give(cleared())
    assert SOURCE_PREFIX not in text(follow_ups(incident)[-1])
