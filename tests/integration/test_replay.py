"""Running workflows must be able to continue under the code of tomorrow."""

from __future__ import annotations

from pathlib import Path

import pytest
from temporalio.workflow import NondeterminismError

from tests.support.histories import HISTORIES, recorded, replayer

RECORDED = sorted(HISTORIES.glob("*.json"), key=lambda path: path.stem)


def test_the_recorded_histories() -> None:
    assert [path.stem for path in RECORDED] == [
        "heartbeat-missed",
        "heartbeat-paused",
        "heartbeat-removed",
        "heartbeat-suspect",
        "incident-acknowledged-late-page",
        "incident-alert-held",
        "incident-alert-joined",
        "incident-alert-opened",
        "incident-alert-recalled",
        "incident-alert-recovered",
        "incident-alert-recovered-first",
        "incident-cancelled",
        "incident-continued",
        "incident-continued-run-2",
        "incident-escalated",
        "incident-every-command",
        "incident-handed-over",
        "incident-opened-by-the-next-event",
        "incident-page-cancelled",
        "incident-page-retried",
        "incident-posted",
        "incident-reopened",
        "incident-resolved-alert-alone",
        "incident-resolved-late-page",
        "incident-sent-command",
        "incident-silent-continued",
        "incident-silent-continued-run-2",
        "incident-snoozed",
        "incident-superseded",
        "incident-superseded-run-2",
        "incident-titled",
        "incident-uploaded",
        "on-call-changed",
        "on-call-continued",
        "on-call-continued-run-2",
        "on-call-handed-over",
        "root-ignored",
        "root-no-route",
        "root-rejected",
        "root-signalled",
        "root-smoke",
        "root-started-ignore",
        "root-started-new",
        "root-started-reject",
        "root-started-signal",
        "root-started-start-new",
        "root-started-terminate-existing",
        "root-terminated-existing",
    ]


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
async def test_a_recorded_history_replays(path: Path) -> None:
    await replayer().replay_workflow(recorded(path.stem))


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("root-signalled", '"TestChild"', '"OtherChild"'),
        ("incident-uploaded", '"write_report"', '"write_poem"'),
        ("incident-continued-run-2", '"page"', '"call"'),
    ],
)
async def test_a_history_of_other_commands_does_not_replay(
    name: str, before: str, after: str
) -> None:
    """So that the test above can fail."""
    assert before in (HISTORIES / f"{name}.json").read_text()
    history = recorded(name, lambda text: text.replace(before, after))
    with pytest.raises(NondeterminismError):
        await replayer().replay_workflow(history)
