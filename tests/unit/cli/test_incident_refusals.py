"""What a refused command says: in the words of the command line, with what to type instead."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from core.cli.incident_commands import app
from core.cli.incident_refusals import VERBS
from core.domain.incident.commands import COMMANDS
from core.domain.incident.refusals import Deed
from core.domain.incident.status import CloseReason
from tests.support.cli import Tidegate
from tests.unit.cli.desk import HANDLE, Desk
from tests.unit.incident.examples import Life, closed, opened, policy, resolved

DO = f"`tidegate incident %s {HANDLE}`"
OF_A_PENDING = "comment TEXT, severity SEVERITY, close"
OF_AN_OPEN = f"assign --to NAME, snooze DURATION, {OF_A_PENDING}"


def pending() -> Life:
    return opened(policy(hold_back=60))


def mitigated() -> Life:
    life = opened()
    life.do("mitigate")
    return life


def commanded() -> Life:
    life = opened()
    life.do("assign", commander="eve")
    return life


TAKE = f"`tidegate incident assign {HANDLE} --commander ana`"
COMMANDED = "eve commands the incident, and only the commander may"
SETTLED = f"{DO % 'reopen'}; also possible: {OF_A_PENDING}"


@pytest.mark.parametrize(
    ("life", "typed", "cause", "step"),
    [
        (
            pending,
            "ack",
            "acknowledge: the incident is pending",
            f"`tidegate incident assign {HANDLE} --to NAME`; also possible: {OF_A_PENDING}",
        ),
        (
            mitigated,
            "escalate",
            "escalate: the incident is mitigated",
            f"{DO % 'reopen'}; also possible: resolve, {OF_AN_OPEN}",
        ),
        (resolved, "ack", "acknowledge: the incident is resolved", SETTLED),
        (resolved, "unack", "unacknowledge: the incident is resolved", SETTLED),
        (resolved, "mitigate", "mitigate: the incident is resolved", SETTLED),
        (resolved, "snooze 1h", "snooze: the incident is resolved", SETTLED),
        (
            opened,
            "resolve",
            "resolve: the incident is open and 1 of its alerts fires",
            f"`tidegate incident resolve {HANDLE} --force`; also possible: ack, escalate, "
            f"mitigate, {OF_AN_OPEN}",
        ),
        (
            lambda: opened(policy(levels=())),
            "escalate",
            "escalate: the incident is open and its policy 'default' reaches nobody",
            f"{DO % 'ack'}; also possible: mitigate, resolve, {OF_AN_OPEN}",
        ),
        (
            opened,
            "close",
            "close as resolved: the incident is open",
            f"{DO % 'resolve'}; also possible: close --reason false_alarm",
        ),
        (
            pending,
            "close",
            "close as resolved: the incident is pending",
            f"`tidegate incident close {HANDLE} --reason false_alarm`",
        ),
        (commanded, "severity low", f"set the severity: {COMMANDED}", TAKE),
        (commanded, "close --reason duplicate", f"close: {COMMANDED}", TAKE),
        (commanded, "resolve --force", f"resolve with --force: {COMMANDED}", TAKE),
        (commanded, "assign --commander ben", f"pass on the command: {COMMANDED}", TAKE),
        (
            closed,
            "severity low",
            "set the severity: the incident is closed",
            "nothing is possible any more",
        ),
        (
            Life,
            "ack",
            "acknowledge: the incident is new, its event is still being read",
            "try again",
        ),
    ],
)
def test_a_refusal_is_one_cause_and_one_step_that_can_be_typed(
    life: Callable[[], Life],
    typed: str,
    cause: str,
    step: str,
    tidegate: Tidegate,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("USER", "ana")
    Desk(life()).place(monkeypatch)
    name, *arguments = typed.split()
    refused = tidegate("incident", name, HANDLE, *arguments, "--by", "ana")
    assert (refused.code, refused.out) == (1, "")
    first, second = refused.err.splitlines()
    assert first == f"CommandRefused: incident {HANDLE}: cannot {cause}"
    assert second == f"  next: {step}"


def test_every_deed_has_its_verb_and_every_verb_is_a_command() -> None:
    assert list(VERBS) == list(Deed)
    assert set(COMMANDS) <= set(Deed)
    names = {command.name for command in app.registered_commands}
    assert {verb.name for verb in VERBS.values()} == names - {"acknowledge", "open", "silence"}


def test_the_api_names_every_reason_to_close_but_a_resolution() -> None:
    others = [reason for reason in CloseReason if reason is not CloseReason.RESOLVED]
    assert f"close as {', '.join(others[:-1])} or {others[-1]}" == Deed.CLOSE_OTHERWISE
