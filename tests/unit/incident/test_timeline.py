"""Every kind of timeline event: its fields, whether it is visible, whether it has effects, and what
it says."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal, get_args

import pytest
from pydantic import TypeAdapter

from core.domain.alert import Alert
from core.domain.alert_state import AlertState
from core.domain.incident import timeline as t
from core.domain.incident.model import Wanted
from core.domain.incident.policies.policy import Policy
from core.domain.incident.status import CloseReason
from core.domain.oncall.answer import Answer, OnCall, Question, Recipient
from core.domain.severity import Severity
from core.domain.targets import Post

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
AT = {"at": NOW}
ANA = {"at": NOW, "actor": "ana", "command_id": "c1", "note": "see the wiki"}
LATER = datetime(2026, 1, 2, 4, 0, tzinfo=UTC)
DISK = {
    "title": "Disk is full",
    "severity": Severity.HIGH,
    "service": "shop",
    "previous": "incident:a@20260101T000000.000Z",
    "policy": Policy(),
}
STATE = AlertState(fired_at=NOW)
ALERT = {"fingerprint": "5f2e", "state": STATE, "title": "Disk is full"}
PAGE = {"key": "k", "level": 2, "target": "duty"}
POST = Post(channel="C0123", ts="1700000000.000100")
TEAM = Recipient(kind="team", name="web", mode="round_robin")
EVE = Recipient(kind="person", name="eve")
ANNE = OnCall(
    person="anne",
    name="Anne",
    recipient=Recipient(kind="schedule", name="shop"),
    reason="layer weekdays of schedule shop",
    until=LATER,
    quiet_until=LATER,
)

_DESCRIPTION = (
    "title severity service summary reporter source labels links named_links document previous "
    "policy started_at event_key"
)
_ALERT = "fingerprint state truncated title"
_COMMAND = "command_id note proof origin"
_PAGE = "key level target"

VISIBLE, HIDDEN = True, False
EFFECTS, NONE = True, False

TABLE: list[tuple[t.TimelineEvent, bool, bool, str, str]] = [
    (
        t.HeldBack(**AT, **DISK),
        VISIBLE,
        NONE,
        _DESCRIPTION,
        "Held back until it lasts: Disk is full (severity high on shop)",
    ),
    (
        t.Opened(**AT, **DISK),
        VISIBLE,
        NONE,
        _DESCRIPTION,
        "Opened with severity high on shop: Disk is full; "
        "it follows incident:a@20260101T000000.000Z",
    ),
    (
        t.Discarded(**ANA, reason="every alert was resolved before it opened"),
        VISIBLE,
        EFFECTS,
        f"{_COMMAND} reason",
        "Never became an incident: every alert was resolved before it opened: see the wiki",
    ),
    (
        t.Refused(**ANA, reason="cannot escalate: the incident is closed"),
        VISIBLE,
        NONE,
        f"{_COMMAND} reason",
        "Cannot escalate: the incident is closed: see the wiki",
    ),
    (
        t.Unchanged(**ANA),
        HIDDEN,
        NONE,
        _COMMAND,
        "Nothing was to be done: see the wiki",
    ),
    (
        t.Noted(**AT, text="Severity medium assumed"),
        VISIBLE,
        NONE,
        "text",
        "Severity medium assumed",
    ),
    (
        t.NobodyToPage(**AT, level=2, reason="chat has no address", partial=True),
        VISIBLE,
        NONE,
        "level reason partial",
        "Level 2: chat has no address",
    ),
    (
        t.EventJoined(**AT, event_key="e1", event_type="tidegate.message", document="s3://docs/a"),
        VISIBLE,
        NONE,
        "event_key event_type document",
        "A further event joined: tidegate.message about s3://docs/a",
    ),
    (
        t.AlertFired(**AT, **ALERT, severity=Severity.HIGH, count=10, remarks=("it is old",)),
        VISIBLE,
        NONE,
        f"{_ALERT} severity links starts_at count total arrived enough remarks",
        "Alert fires (10 times by now): Disk is full (it is old)",
    ),
    (
        t.AlertCleared(**AT, **ALERT, count=1_000),
        VISIBLE,
        NONE,
        f"{_ALERT} count remarks",
        "Alert resolved (1,000 times by now): Disk is full",
    ),
    (
        t.AlertHeld(
            **AT,
            fingerprint="5f2e",
            state=AlertState(fired_at=NOW, recovered_from=NOW, held_until=LATER),
            alert=Alert(key="5f2e", status="firing", title="Disk is full", source="am"),
        ),
        HIDDEN,
        NONE,
        "fingerprint state truncated alert",
        "Alert fires again, as of the same moment; held until 2026-01-02 04:00:00 UTC: "
        "Disk is full",
    ),
    (
        t.AlertHeard(**AT, **ALERT),
        HIDDEN,
        NONE,
        _ALERT,
        "A repeated or late word about an alert: Disk is full",
    ),
    (
        t.Listening(**AT, policy=Policy(), until=LATER),
        HIDDEN,
        NONE,
        "policy until previous",
        "Waiting for alerts that fire until 2026-01-02 04:00:00 UTC",
    ),
    (
        t.AlertsRecalled(**AT, states={"5f2e": STATE}),
        HIDDEN,
        NONE,
        "states",
        "1 alerts are known from before",
    ),
    (t.Forgotten(**AT), HIDDEN, NONE, "", "Late words are not waited for any more"),
    (
        t.SeverityChanged(**ANA, before=Severity.LOW, severity=Severity.HIGH),
        VISIBLE,
        NONE,
        f"{_COMMAND} before severity",
        "Severity raised from low to high: see the wiki",
    ),
    (
        t.Assigned(**ANA, commander="ben"),
        VISIBLE,
        EFFECTS,
        f"{_COMMAND} assignee commander is_news notified",
        "Assigned to nobody, commanded by ben: see the wiki",
    ),
    (
        t.Snoozed(**ANA, until=LATER),
        VISIBLE,
        NONE,
        f"{_COMMAND} until",
        "Snoozed until 2026-01-02 04:00:00 UTC: see the wiki",
    ),
    (t.SnoozeEnded(**ANA), VISIBLE, NONE, _COMMAND, "Snooze ended: see the wiki"),
    (t.Commented(**ANA), VISIBLE, NONE, _COMMAND, "Comment: see the wiki"),
    (
        t.Reopened(**ANA, reason="ana says that it is not over"),
        VISIBLE,
        EFFECTS,
        f"{_COMMAND} reason",
        "Reopened: ana says that it is not over: see the wiki",
    ),
    (
        t.Unacknowledged(**ANA, reason="ana gave it back"),
        VISIBLE,
        NONE,
        f"{_COMMAND} reason",
        "Open again: ana gave it back: see the wiki",
    ),
    (
        t.Escalated(**AT, level=2, waited=300),
        VISIBLE,
        NONE,
        "level waited repeat skipped",
        "Escalated to level 2: nobody acknowledged in 5 min",
    ),
    (
        t.EscalatedByHand(
            **ANA, level=2, targets=("duty", "chat"), held="quiet hours", held_until=LATER
        ),
        VISIBLE,
        NONE,
        f"{_COMMAND} level targets repeat held held_until",
        "Escalated to level 2: duty, chat; other paging stays on hold "
        "(quiet hours until 2026-01-02 04:00:00 UTC): see the wiki",
    ),
    (
        t.PagingHeld(**AT, reason="quiet hours", until=LATER),
        VISIBLE,
        NONE,
        "reason until",
        "Nobody is paged until 2026-01-02 04:00:00 UTC: quiet hours",
    ),
    (t.PagingResumed(**AT), VISIBLE, NONE, "", "Paging starts again at level 1"),
    (t.StepTaken(**AT, step=3), HIDDEN, NONE, "step", "Paging reached step 3"),
    (
        t.OnCallAsked(
            **AT,
            number=1,
            levels=2,
            question=Question(incident_id="incident:a", severity=Severity.HIGH),
        ),
        HIDDEN,
        EFFECTS,
        "number levels question",
        "Asking who is on call",
    ),
    (
        t.OnCallFound(**AT, answer=Answer(people=(ANNE, ANNE))),
        HIDDEN,
        NONE,
        "answer",
        "On call: Anne",
    ),
    (
        t.OnCallUnknown(**AT, reason="no answer has come", retry_at=LATER),
        VISIBLE,
        NONE,
        "reason retry_at",
        "Who is on call, and what is silenced, is not known: no answer has come",
    ),
    (t.OnCallMayDiffer(**AT), HIDDEN, NONE, "", "Who is on call may have changed"),
    (
        t.PagingWanted(**AT, wanted=Wanted(level=2, repeat=1, at=NOW)),
        HIDDEN,
        NONE,
        "wanted",
        "Level 2 is to be paged",
    ),
    (
        t.PersonPaged(**AT, level=1, repeat=1, on_call=ANNE),
        VISIBLE,
        NONE,
        "level repeat on_call asked_by",
        "Anne is paged as on call for schedule shop (layer weekdays) "
        "until 2026-01-02 04:00:00 UTC; not before 2026-01-02 04:00:00 UTC: their quiet hours",
    ),
    (
        t.HandedOver(**AT, on_call=ANNE, to=("Ben", "Eve"), targets=("anne/push",)),
        VISIBLE,
        EFFECTS,
        "on_call to targets",
        "Anne hands over to Ben and Eve for schedule shop",
    ),
    (
        t.AssigneeNotified(**AT, assignee="anne", by="ben", targets=("anne/push",)),
        VISIBLE,
        EFFECTS,
        "assignee by note targets",
        "anne is notified of the assignment by ben",
    ),
    (
        t.PageStarted(**AT, **PAGE, round=2),
        VISIBLE,
        EFFECTS,
        f"{_PAGE} repeat fallback round asked_by person after",
        "Paging duty (level 2, round 2)",
    ),
    (
        t.PageDelivered(**AT, **PAGE, via="sms"),
        VISIBLE,
        EFFECTS,
        f"{_PAGE} via",
        "Page delivered to duty through its fallback sms (level 2)",
    ),
    (
        t.PageFailed(**AT, **PAGE, reason="no answer", retry_at=LATER),
        VISIBLE,
        NONE,
        f"{_PAGE} reason retry_at",
        "Page to duty (level 2) failed, next round at 04:00:00 UTC: no answer",
    ),
    (t.PageCancelled(**AT, **PAGE), VISIBLE, EFFECTS, _PAGE, "Page to duty (level 2) cancelled"),
    (
        t.Posted(**AT, target="ops", post=POST),
        HIDDEN,
        NONE,
        "target post outdated",
        "ops has a message about it",
    ),
    (
        t.PostUpdateStarted(**AT, target="ops", number=1),
        HIDDEN,
        EFFECTS,
        "target number",
        "The message at ops is being updated",
    ),
    (
        t.PostUpdated(**AT, target="ops", post=POST),
        HIDDEN,
        NONE,
        "target post",
        "The message at ops is up to date",
    ),
    (
        t.PostNotUpdated(**AT, target="ops", reason="no answer"),
        HIDDEN,
        NONE,
        "target reason",
        "The message at ops is out of date: no answer",
    ),
    (
        t.PostLost(**AT, target="ops", reason="token_revoked"),
        VISIBLE,
        NONE,
        "target reason",
        "The message at ops cannot be updated any more: token_revoked",
    ),
    (t.Acknowledged(**ANA), VISIBLE, EFFECTS, _COMMAND, "Acknowledged: see the wiki"),
    (t.Mitigated(**ANA), VISIBLE, EFFECTS, _COMMAND, "Mitigated: see the wiki"),
    (
        t.Resolved(**ANA, forced=True),
        VISIBLE,
        EFFECTS,
        f"{_COMMAND} forced",
        "Resolved although alerts still fire: see the wiki",
    ),
    (
        t.ReportWritten(**AT, as_of=NOW, uris=("s3://r/report.json", "s3://r/report.md")),
        VISIBLE,
        NONE,
        "as_of uris",
        "Post-incident report written: s3://r/report.json, s3://r/report.md",
    ),
    (
        t.ReportNotWritten(**AT, as_of=NOW, reason="the store refused it"),
        VISIBLE,
        NONE,
        "as_of reason",
        "No post-incident report: the store refused it",
    ),
    (
        t.Superseded(**AT, event_key="e1", reason="an alert fires: Disk is full"),
        VISIBLE,
        EFFECTS,
        "event_key reason held",
        "Superseded by a new incident: an alert fires: Disk is full",
    ),
    (
        t.Closed(**ANA, reason=CloseReason.FALSE_ALARM, report=True),
        VISIBLE,
        EFFECTS,
        f"{_COMMAND} reason report",
        "Closed (false_alarm): see the wiki",
    ),
]

OTHERWISE: list[tuple[t.TimelineEvent, str]] = [
    (t.Opened(**AT, title="T", severity="low", policy=Policy()), "Opened with severity low: T"),
    (t.Discarded(**AT, reason="it passed"), "Never became an incident: it passed"),
    (t.NobodyToPage(**AT, level=1), "Nobody to page at level 1"),
    (t.NobodyToPage(**AT, level=1, reason="no address"), "Nobody to page at level 1: no address"),
    (t.EventJoined(**AT, event_key="e", event_type="x"), "A further event joined: x"),
    (t.AlertFired(**AT, **ALERT, severity="low", total=99), "Alert fires: Disk is full"),
    (
        t.AlertFired(**AT, **ALERT, severity="low", total=1_000),
        "Alert fires (1,000 alerts by now): Disk is full",
    ),
    (t.SeverityChanged(**AT, before="high", severity="low"), "Severity lowered from high to low"),
    (t.Assigned(**AT, assignee="ben"), "Assigned to ben"),
    (
        t.Escalated(**AT, level=1, waited=60, repeat=2),
        "Level 1 is paged again (repeat 2): nobody acknowledged in 1 min",
    ),
    (
        t.EscalatedByHand(**AT, level=2, targets=("duty",), repeat=3),
        "Level 2 is paged again (repeat 3): duty",
    ),
    (t.OnCallFound(**AT, answer=Answer()), "On call: nobody"),
    (
        t.PersonPaged(**AT, level=1, repeat=1, on_call=ANNE, asked_by="ben"),
        "Anne is paged as on call for schedule shop (layer weekdays) until 2026-01-02 04:00:00 UTC",
    ),
    (
        t.PersonPaged(
            **AT,
            level=1,
            repeat=1,
            on_call=OnCall(person="eve", name="Eve", recipient=TEAM, reason="next of team web"),
        ),
        "Eve is paged as next of team web",
    ),
    (
        t.PersonPaged(
            **AT,
            level=1,
            repeat=1,
            on_call=OnCall(person="eve", name="Eve", recipient=EVE, reason="person eve"),
        ),
        "Eve is paged",
    ),
    (t.PageStarted(**AT, **PAGE), "Paging duty (level 2)"),
    (t.PageDelivered(**AT, **PAGE), "Page delivered to duty (level 2)"),
    (
        t.PageFailed(**AT, **PAGE, reason="no answer"),
        "Page to duty (level 2) failed, given up: no answer",
    ),
    (t.Resolved(**AT), "Resolved"),
    (t.Closed(**AT), "Closed (resolved)"),
]

COMMON = {"at", "actor", "visible", "kind"}
KINDS = {*get_args(t.WithEffects), *get_args(t.WithoutEffects)}


def test_every_kind_is_in_the_table() -> None:
    names = [type(event).__name__ for event, *_ in TABLE]
    missing = {kind.__name__ for kind in KINDS} - set(names)
    assert not missing, f"add a row to TABLE for each of {sorted(missing)}"
    assert len(names) == len(KINDS), "TABLE has two rows for one kind: move one to OTHERWISE"


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row[0].kind)
def test_a_kind_has_its_fields_its_visibility_and_its_sentence(
    row: tuple[t.TimelineEvent, bool, bool, str, str],
) -> None:
    event, visible, effects, fields, sentence = row
    assert event.sentence() == sentence
    assert event.visible is visible
    assert isinstance(event, t.WithEffects) is effects
    assert set(type(event).model_fields) - COMMON == set(fields.split())


@pytest.mark.parametrize(("event", "sentence"), OTHERWISE)
def test_a_sentence_leaves_out_what_is_not_known(event: t.TimelineEvent, sentence: str) -> None:
    assert event.sentence() == sentence


def test_every_kind_survives_a_round_trip_through_json() -> None:
    timeline = tuple(event for event, *_ in TABLE)
    assert t.TIMELINE.validate_json(t.TIMELINE.dump_json(timeline)) == timeline


def test_an_event_without_a_sentence_cannot_exist() -> None:
    class Silent(t._Event):
        kind: Literal["silent"] = "silent"

    with pytest.raises(TypeError, match="sentence"):
        Silent(at=NOW)  # type: ignore[abstract]  # mypy refuses it as well
    with pytest.raises(TypeError, match="sentence"):
        TypeAdapter(Silent).validate_python({"at": NOW})


def test_a_long_timeline_keeps_its_ends_and_says_what_is_missing() -> None:
    notes = [t.Noted(at=NOW, text=f"note {number}") for number in range(1000)]
    short = t.abridged(notes, 10_000)
    assert short[0] == notes[0]
    assert short[-1] == notes[-1]
    assert sum(len(event.model_dump_json()) for event in short) < 11_000
    [gap] = [event for event in short if event not in notes]
    assert isinstance(gap, t.Noted)
    assert gap.text == f"{1000 - len(short) + 1} entries are left out here"
    assert t.abridged(notes, 10_000_000) == tuple(notes)
